"""Resources of peers' processes and Kubo nodes."""

from monitor.panels import BYTES, BYTES_PER_SECOND, RATIO, SECONDS, Board, Panel, Query
from monitor.queries import COMPOSE_ONLY, KUBO_RATE_INTERVAL, RATE_INTERVAL, kubo, of, process, rate

NODES = Board(
    "nodes",
    "LEARNAE: nodes",
    "Resources of the peers' processes and Kubo nodes. An embedded swarm is one process without Kubo nodes.",
    [
        (
            "Peers' processes",
            [
                Panel(
                    "CPU", "Cores in use.", (Query(f"rate({process('process_cpu_seconds_total')}[{RATE_INTERVAL}])"),)
                ),
                Panel("Memory", "Resident memory.", (Query(process("process_resident_memory_bytes")),), BYTES),
                Panel("Open files", "Open files and sockets.", (Query(process("process_open_fds")),)),
                Panel(
                    "Work",
                    "Training, averaging and scoring, including the wait for a thread: seconds per second.",
                    (Query(rate("learnae_work_seconds_total", "kind"), "{{kind}}"),),
                    kind="stack",
                ),
                Panel("Queue", "Events waiting to be handled.", (Query(of("learnae_queue_events")),), alarm_above=100),
                Panel(
                    "Cost of monitoring",
                    "Share of CPU time spent in the observer and in /metrics. Should stay below 2%.",
                    (
                        Query(
                            f"{rate('learnae_monitoring_seconds_total', 'part')} / on () group_left () "
                            f"sum (rate({process('process_cpu_seconds_total')}[{RATE_INTERVAL}]))",
                            "{{part}}",
                        ),
                    ),
                    RATIO,
                    alarm_above=0.02,
                ),
            ],
        ),
        (
            "Kubo",
            [
                Panel(
                    "CPU",
                    "Cores in use by the node.",
                    (Query(f"rate({kubo('process_cpu_seconds_total')}[{KUBO_RATE_INTERVAL}])"),),
                    empty_text=COMPOSE_ONLY,
                ),
                Panel(
                    "Memory",
                    "Resident memory.",
                    (Query(kubo("process_resident_memory_bytes")),),
                    BYTES,
                    empty_text=COMPOSE_ONLY,
                ),
                Panel(
                    "Connections",
                    "Other nodes that the node is connected to.",
                    (Query(f"sum by (peer) ({kubo('ipfs_p2p_peers_total')})"),),
                    empty_text=COMPOSE_ONLY,
                ),
                Panel(
                    "Blocks received",
                    "Since the start.",
                    (Query(kubo("ipfs_bitswap_blocks_received")),),
                    empty_text=COMPOSE_ONLY,
                ),
                Panel(
                    "Bitswap traffic",
                    "Traffic of blocks.",
                    (
                        Query(
                            f"sum (rate({kubo('ipfs_bitswap_recv_all_blocks_bytes_sum')}[{KUBO_RATE_INTERVAL}]))",
                            "received",
                        ),
                        Query(
                            f"sum (rate({kubo('ipfs_bitswap_sent_all_blocks_bytes_sum')}[{KUBO_RATE_INTERVAL}]))",
                            "sent",
                        ),
                    ),
                    BYTES_PER_SECOND,
                    empty_text=COMPOSE_ONLY,
                ),
                Panel(
                    "Goroutines", "Goroutines of the node.", (Query(kubo("go_goroutines")),), empty_text=COMPOSE_ONLY
                ),
            ],
        ),
        (
            "Scrapes",
            [
                Panel(
                    "Scrape duration",
                    "Scrapes of peers and of Kubo nodes. Should stay below half a second.",
                    tuple(
                        Query(f"max ({of('scrape_duration_seconds', job=job)})", f"{job}, maximum")
                        for job in ("peers", "kubo")
                    ),
                    SECONDS,
                    alarm_above=0.5,
                    width=12,
                ),
                Panel(
                    "Versions",
                    "Versions of the peers.",
                    (Query(f"count by (version, python) ({of('learnae_build_info')})", "peers"),),
                    kind="table",
                    width=12,
                ),
            ],
        ),
    ],
)
