"""What several panels ask for, and how."""

from monitor.panels import CHOSEN, Panel, Query

PACE = "$__rate_interval"
FAULTS = Query("swarm:faults:open", "{{fault}}: {{hits}}")


def of(metric: str, **labels: str) -> str:
    """The series of the peers that were chosen."""
    wanted = [f'{name}=~"${name}"' for name in CHOSEN] + [f'{name}="{value}"' for name, value in labels.items()]
    return f"{metric}{{{','.join(wanted)}}}"


def swarm(name: str, legend: str = "{}", **labels: str) -> tuple[Query, ...]:
    """Over peers that follow the paper, whoever is chosen, as its figures are and the verdict's means."""
    wanted = ",".join(f'{label}="{value}"' for label, value in labels.items())
    named = (("mean", "mean"), ("min", "least"), ("max", "greatest"))
    return tuple(
        Query(f"swarm:{name}:{how}" + (f"{{{wanted}}}" if wanted else ""), legend.format(told)) for how, told in named
    )


def spread(expr: str) -> tuple[Query, ...]:
    """Over the peers that were chosen."""
    named = (("avg", "mean of the chosen"), ("min", "least"), ("max", "greatest"))
    return tuple(Query(f"{how} ({expr})", legend) for how, legend in named)


def by_peer(expr: str) -> str:
    return f"sum by (peer) ({expr})"


def rate(metric: str, by: str, **labels: str) -> str:
    return f"sum by ({by}) (rate({of(metric, **labels)}[{PACE}]))"


def quantiles(metric: str) -> tuple[Query, ...]:
    buckets = f"sum by (le) (rate({of(f'{metric}_bucket')}[{PACE}]))"
    return tuple(Query(f"histogram_quantile({q}, {buckets})", f"p{q * 100:.0f}") for q in (0.5, 0.95))


def kubo(metric: str) -> str:
    return of(metric, job="kubo")


def process(metric: str) -> str:
    return of(metric, job="peers")


def number(title: str, says: str, expr: str, unit: str = "short", **more: float | str) -> Panel:
    return Panel(title, says, (Query(expr, title),), unit, "number", width=3, **more)  # type: ignore[arg-type]


COMPOSE_ONLY = "the pods of a swarm on Compose have it"
ACCURACY, TEST = of("learnae_accuracy_ratio", rows="validation"), of("learnae_accuracy_ratio", rows="test")
RECEIVED, SENT, GAS = (of(f"learnae_{what}_eth_total") for what in ("received", "sent", "gas"))
# Only embedded swarms know it while they run; on containers the host works it out at the end.
NO_TEST = "test accuracy is worked out after a session on containers"
ACCURACY_BANDS = (
    *swarm("accuracy_ratio", "test, {}", rows="test"),
    swarm("accuracy_ratio", "validation, {}", rows="validation")[0],
)
FOLLOW = "Of peers that follow the paper, whoever is chosen."
