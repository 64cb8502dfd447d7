"""Faults and their effects."""

from monitor.panels import BYTES_PER_SECOND, RATE, RATIO, SECONDS, Board, Panel, Query
from monitor.queries import ACCURACY_BANDS, FAULTS, HONEST, of, process, quantiles, rate, spread, swarm

CHAOS = Board(
    "chaos",
    "LEARNAE: chaos and network",
    "Effects of faults, which are shaded, on score, success, latency and reachability.",
    [
        (
            "Effects of faults",
            [
                Panel("Score", HONEST, ACCURACY_BANDS, RATIO, minimum=None, width=12),
                Panel(
                    "Success of averaging",
                    f"Share of scored attempts that were adopted. {HONEST}",
                    swarm("success_ratio"),
                    RATIO,
                    alarm_below=0.2,
                    maximum=1,
                    width=12,
                ),
                Panel(
                    "Faults",
                    "One line per fault, while it is active.",
                    (FAULTS,),
                    kind="windows",
                    maximum=1,
                    empty_text="no faults so far",
                    width=24,
                ),
            ],
        ),
        (
            "Reachability",
            [
                Panel(
                    "Peers",
                    "Whether Prometheus can read the peer's metrics.",
                    (Query(f"max by (peer) ({process('up')})"),),
                    kind="states",
                    maximum=1,
                ),
                Panel(
                    "Kubo and chain, seen by the peers",
                    "Share of peers whose last call was answered.",
                    (Query(f"avg by (target) ({of('learnae_up')})", "{{target}}"),),
                    RATIO,
                    alarm_below=1,
                    maximum=1,
                ),
                Panel(
                    "Failed calls per second",
                    "Calls to store, gossip and chain.",
                    (Query(rate("learnae_calls_total", "target", outcome="failed"), "{{target}}"),),
                    RATE,
                ),
            ],
        ),
        (
            "Latency and traffic",
            [
                Panel(
                    "Model fetch",
                    "Time to fetch a model, successful or not.",
                    quantiles("learnae_fetch_seconds"),
                    SECONDS,
                    alarm_above=1,
                ),
                Panel(
                    "Model announcement",
                    "Time to pass an announcement to gossip.",
                    quantiles("learnae_announce_seconds"),
                    SECONDS,
                    alarm_above=1,
                ),
                Panel(
                    "Model traffic",
                    "To and from the Kubo node.",
                    (Query(rate("learnae_moved_bytes_total", "direction"), "{{direction}}"),),
                    BYTES_PER_SECOND,
                ),
                Panel(
                    "Messages dropped",
                    "Per second and reason; repetitions are normal.",
                    (Query(f"{rate('learnae_messages_dropped_total', 'reason')} > 0", "{{reason}}"),),
                    RATE,
                    "stack",
                    empty_text="no messages dropped",
                ),
                Panel("Peers known", "Other peers that a peer knows.", spread(of("learnae_peers_known"))),
                Panel(
                    "Restarts and rollbacks",
                    "Restarts of peers, and chain rollbacks that they noticed, since the start.",
                    (
                        Query(f"sum ({of('learnae_restarts_total')})", "restarts"),
                        Query(f"sum ({of('learnae_rollbacks_total')})", "rollbacks noticed"),
                    ),
                ),
            ],
        ),
    ],
)
