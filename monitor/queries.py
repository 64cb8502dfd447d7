"""What several panels ask for, and how."""

from monitor.panels import CHOSEN, Panel, Query

PACE = "$__rate_interval"
FAULTS = Query("swarm:faults:open", "{{fault}}: {{hits}}")


def of(metric: str, **labels: str) -> str:
    """The series of the peers that were chosen."""
    wanted = [f'{name}=~"${name}"' for name in CHOSEN] + [f'{name}="{value}"' for name, value in labels.items()]
    return f"{metric}{{{','.join(wanted)}}}"


def spread(expr: str) -> tuple[Query, ...]:
    """Over peers, as the paper's figures are."""
    named = (("avg", "mean of peers"), ("min", "least"), ("max", "greatest"))
    return tuple(Query(f"{how} ({expr})", legend) for how, legend in named)


def by_peer(expr: str) -> str:
    return f"sum by (peer) ({expr})"


def rate(metric: str, by: str, **labels: str) -> str:
    return f"sum by ({by}) (rate({of(metric, **labels)}[{PACE}]))"


def quantiles(metric: str) -> tuple[Query, ...]:
    buckets = f"sum by (le) (rate({of(f'{metric}_bucket')}[{PACE}]))"
    return tuple(Query(f"histogram_quantile({q}, {buckets})", f"p{q * 100:.0f}") for q in (0.5, 0.95))


def kubo(metric: str) -> str:
    return f'{metric}{{job="kubo",peer=~"$peer"}}'


def process(metric: str) -> str:
    return f'{metric}{{job="peers",peer=~"$peer"}}'


def number(title: str, says: str, expr: str, unit: str = "short", **more: float | str) -> Panel:
    return Panel(title, says, (Query(expr, title),), unit, "number", width=3, **more)  # type: ignore[arg-type]


COMPOSE_ONLY = "the pods of a swarm on Compose have it"
ACCURACY, TEST = of("learnae_accuracy_ratio", rows="validation"), of("learnae_accuracy_ratio", rows="test")
RECEIVED, SENT, GAS = (of(f"learnae_{what}_eth_total") for what in ("received", "sent", "gas"))
# Only embedded swarms know it while they run; on containers the host works it out at the end.
NO_TEST = "test accuracy is worked out after a session on containers"
ACCURACY_BANDS = (
    Query(f"avg ({TEST})", "test, mean of peers"),
    Query(f"min ({TEST})", "test, least"),
    Query(f"max ({TEST})", "test, greatest"),
    Query(f"avg ({ACCURACY})", "validation, mean of peers"),
)
