"""Queries that several panels use."""

from monitor.panels import CHOSEN, Panel, Query

RATE_INTERVAL = "$__rate_interval"
KUBO_RATE_INTERVAL = "1m"  # four scrapes of Kubo nodes, which are less frequent
FAULTS = Query("swarm:faults:open", "{{fault}}: {{hits}}")


def of(metric: str, **labels: str) -> str:
    """The series of the selected peers."""
    selector = [f'{name}=~"${name}"' for name in CHOSEN] + [f'{name}="{value}"' for name, value in labels.items()]
    return f"{metric}{{{','.join(selector)}}}"


def swarm(name: str, legend: str = "{}", **labels: str) -> tuple[Query, ...]:
    """Over all honest peers, whatever is selected, like the paper's figures and the means of the verdict."""
    selector = ",".join(f'{label}="{value}"' for label, value in labels.items())
    named = (("mean", "mean"), ("min", "minimum"), ("max", "maximum"))
    return tuple(
        Query(f"swarm:{name}:{how}" + (f"{{{selector}}}" if selector else ""), legend.format(label))
        for how, label in named
    )


def spread(expr: str) -> tuple[Query, ...]:
    """Over the selected peers."""
    named = (("avg", "mean of the selected"), ("min", "minimum"), ("max", "maximum"))
    return tuple(Query(f"{how} ({expr})", legend) for how, legend in named)


def by_peer(expr: str) -> str:
    return f"sum by (peer) ({expr})"


def rate(metric: str, by: str, **labels: str) -> str:
    return f"sum by ({by}) (rate({of(metric, **labels)}[{RATE_INTERVAL}]))"


def quantiles(metric: str) -> tuple[Query, ...]:
    buckets = f"sum by (le) (rate({of(f'{metric}_bucket')}[{RATE_INTERVAL}]))"
    return tuple(Query(f"histogram_quantile({q}, {buckets})", f"p{q * 100:.0f}") for q in (0.5, 0.95))


def kubo(metric: str) -> str:
    return of(metric, job="kubo")


def process(metric: str) -> str:
    return of(metric, job="peers")


def number(title: str, description: str, expr: str, unit: str = "short", **more: float | str) -> Panel:
    return Panel(title, description, (Query(expr, title),), unit, "number", width=3, **more)  # type: ignore[arg-type]


COMPOSE_ONLY = "only with the compose backend"
ACCURACY, TEST = of("learnae_accuracy_ratio", rows="validation"), of("learnae_accuracy_ratio", rows="test")
RECEIVED, SENT, GAS = (of(f"learnae_{what}_eth_total") for what in ("received", "sent", "gas"))
# Embedded swarms measure test scores while they run; with containers, the host measures them at the end.
NO_TEST = "with the compose backend, the test score is measured after the session"
ACCURACY_BANDS = (
    *swarm("accuracy_ratio", "test, {}", rows="test"),
    swarm("accuracy_ratio", "validation, {}", rows="validation")[0],
)
HONEST = "All honest peers, whatever is selected."
