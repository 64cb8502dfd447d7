"""What processes and Kubo nodes use."""

from monitor.panels import BYTES, BYTES_A_SECOND, RATIO, SECONDS, Board, Panel, Query
from monitor.queries import COMPOSE_ONLY, PACE, kubo, of, process, rate

NODES = Board(
    "nodes",
    "LEARNAE: nodes",
    "What peers' processes and their Kubo nodes use. In an embedded swarm one process is all peers, and has no Kubo.",
    [
        (
            "Peers' processes",
            [
                Panel("Processor", "Cores in use.", (Query(f"rate({process('process_cpu_seconds_total')}[{PACE}])"),)),
                Panel("Memory", "Resident.", (Query(process("process_resident_memory_bytes")),), BYTES),
                Panel("Open files", "And sockets.", (Query(process("process_open_fds")),)),
                Panel(
                    "Work",
                    "Of the trainers, waiting for a thread included: seconds a second.",
                    (Query(rate("learnae_work_seconds_total", "kind"), "{{kind}}"),),
                    kind="stack",
                ),
                Panel("Queue", "Events that wait to be handled.", (Query(of("learnae_queue_events")),), alarm=100),
                Panel(
                    "What watching costs",
                    "Processor time in observer and /metrics, of all that processes use. Above 2 % is too much.",
                    (
                        Query(
                            f"{rate('learnae_monitoring_seconds_total', 'part')} / on () group_left () "
                            f"sum (rate({process('process_cpu_seconds_total')}[{PACE}]))",
                            "{{part}}",
                        ),
                    ),
                    RATIO,
                    alarm=0.02,
                ),
            ],
        ),
        (
            "Kubo",
            [
                Panel(
                    "Processor",
                    "Cores in use by the node.",
                    (Query(f"rate({kubo('process_cpu_seconds_total')}[{PACE}])"),),
                    empty=COMPOSE_ONLY,
                ),
                Panel(
                    "Memory", "Resident.", (Query(kubo("process_resident_memory_bytes")),), BYTES, empty=COMPOSE_ONLY
                ),
                Panel(
                    "Connections",
                    "Other nodes that it is connected with.",
                    (Query(f"sum by (peer) ({kubo('ipfs_p2p_peers_total')})"),),
                    empty=COMPOSE_ONLY,
                ),
                Panel("Blocks received", "So far.", (Query(kubo("ipfs_bitswap_blocks_received")),), empty=COMPOSE_ONLY),
                Panel(
                    "Bitswap traffic",
                    "Blocks.",
                    (
                        Query(f"sum (rate({kubo('ipfs_bitswap_recv_all_blocks_bytes_sum')}[{PACE}]))", "received"),
                        Query(f"sum (rate({kubo('ipfs_bitswap_sent_all_blocks_bytes_sum')}[{PACE}]))", "sent"),
                    ),
                    BYTES_A_SECOND,
                    empty=COMPOSE_ONLY,
                ),
                Panel("Goroutines", "Of the node.", (Query(kubo("go_goroutines")),), empty=COMPOSE_ONLY),
            ],
        ),
        (
            "Scrapes",
            [
                Panel(
                    "Time of a scrape",
                    "Of peers' pages and Kubo's. Above half a second is too long.",
                    tuple(
                        Query(f"max ({of('scrape_duration_seconds', job=job)})", f"{job}, longest")
                        for job in ("peers", "kubo")
                    ),
                    SECONDS,
                    alarm=0.5,
                    width=12,
                ),
                Panel(
                    "Versions",
                    "What runs.",
                    (Query(f"count by (version, python) ({of('learnae_build_info')})", "peers"),),
                    kind="table",
                    width=12,
                ),
            ],
        ),
    ],
)
