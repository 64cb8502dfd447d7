"""Fault windows, and what they do."""

from monitor.panels import BYTES_A_SECOND, RATE, RATIO, SECONDS, Board, Panel, Query
from monitor.queries import ACCURACY_BANDS, FAULTS, FOLLOW, of, process, quantiles, rate, spread, swarm

CHAOS = Board(
    "chaos",
    "LEARNAE: chaos and network",
    "Fault windows are shaded. What they do to accuracy, success and latency, and who reaches whom.",
    [
        (
            "What the faults did",
            [
                Panel("Accuracy", FOLLOW, ACCURACY_BANDS, RATIO, least=None, width=12),
                Panel(
                    "Success of averaging",
                    f"Adopted of all scored attempts so far. {FOLLOW}",
                    swarm("success_ratio"),
                    RATIO,
                    wanted=0.2,
                    most=1,
                    width=12,
                ),
                Panel(
                    "Fault windows",
                    "One line for each that is open.",
                    (FAULTS,),
                    kind="windows",
                    most=1,
                    empty="no fault so far",
                    width=24,
                ),
            ],
        ),
        (
            "Who answers",
            [
                Panel(
                    "Peers",
                    "Whether Prometheus can read the peer's page.",
                    (Query(f"max by (peer) ({process('up')})"),),
                    kind="states",
                    most=1,
                ),
                Panel(
                    "Kubo and chain, as peers see them",
                    "Share of peers that got an answer when they last asked.",
                    (Query(f"avg by (target) ({of('learnae_up')})", "{{target}}"),),
                    RATIO,
                    wanted=1,
                    most=1,
                ),
                Panel(
                    "Failed calls per second",
                    "Of store, gossip and chain.",
                    (Query(rate("learnae_calls_total", "target", outcome="failed"), "{{target}}"),),
                    RATE,
                ),
            ],
        ),
        (
            "Latency and traffic",
            [
                Panel(
                    "Fetching a model",
                    "Until it is here or given up.",
                    quantiles("learnae_fetch_seconds"),
                    SECONDS,
                    alarm=1,
                ),
                Panel(
                    "Announcing a model",
                    "To hand it to gossip.",
                    quantiles("learnae_announce_seconds"),
                    SECONDS,
                    alarm=1,
                ),
                Panel(
                    "Models moved",
                    "To and from the node.",
                    (Query(rate("learnae_moved_bytes_total", "direction"), "{{direction}}"),),
                    BYTES_A_SECOND,
                ),
                Panel(
                    "Messages dropped",
                    "By reason, per second; repetitions are normal.",
                    (Query(f"{rate('learnae_messages_dropped_total', 'reason')} > 0", "{{reason}}"),),
                    RATE,
                    "stack",
                    empty="none dropped",
                ),
                Panel("Peers known", "Heard of, by a peer.", spread(of("learnae_peers_known"))),
                Panel(
                    "Comebacks",
                    "Restarts of peers and rollbacks of the chain that they noticed, so far.",
                    (
                        Query(f"sum ({of('learnae_restarts_total')})", "restarts"),
                        Query(f"sum ({of('learnae_rollbacks_total')})", "rollbacks noticed"),
                    ),
                ),
            ],
        ),
    ],
)
