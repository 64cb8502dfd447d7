"""Earnings and spending."""

from monitor.panels import COUNT, ETH, RATIO, SECONDS, Board, Panel, Query
from monitor.queries import ACCURACY, GAS, RECEIVED, SENT, by_peer, of, spread

ETH_BOARD = Board(
    "eth",
    "LEARNAE: ETH flow",
    "Earnings and spending per peer, and whether income follows score and work.",
    [
        (
            "Earnings and spending",
            [
                Panel("Earned", "Payments received for its models, mined.", (Query(RECEIVED),), ETH, "bars"),
                Panel("Spent on models", "Final payments.", (Query(SENT),), ETH, "bars"),
                Panel(
                    "Balance",
                    "Earned minus spent minus gas.",
                    (Query(f"{by_peer(RECEIVED)} - {by_peer(SENT)} - {by_peer(GAS)}"),),
                    ETH,
                    "bars",
                    alarm_below=0,
                    minimum=None,
                ),
                Panel(
                    "Accounts",
                    "One row per peer.",
                    (
                        Query(by_peer(RECEIVED), "earned"),
                        Query(by_peer(SENT), "spent"),
                        Query(by_peer(GAS), "gas"),
                        Query(by_peer(of("learnae_wallet_balance_eth")), "balance"),
                        Query(by_peer(of("learnae_payments_received_total")), "payments received", COUNT),
                        Query(by_peer(of("learnae_payments_sent_total")), "payments sent", COUNT),
                        Query(by_peer(ACCURACY), "score", RATIO),
                        Query(by_peer(of("learnae_slices_total")), "slices", COUNT),
                        Query(by_peer(of("learnae_failed_slices_total")), "slices lost", COUNT),
                        Query(by_peer(of("learnae_plugin_failures_total")), "plug-in failures", COUNT),
                    ),
                    ETH,
                    "table",
                    width=24,
                ),
            ],
        ),
        (
            "Does income follow quality and work?",
            [
                Panel(
                    "Income against score",
                    "One point per peer. A model is paid for its improvement, so better models should earn more.",
                    (Query(by_peer(ACCURACY), "score", RATIO), Query(by_peer(RECEIVED), "earned", ETH)),
                    kind="points",
                    width=12,
                ),
                Panel(
                    "Income against work",
                    "One point per peer; work is the time of training and averaging.",
                    (
                        Query(by_peer(of("learnae_work_seconds_total")), "work", SECONDS),
                        Query(by_peer(RECEIVED), "earned", ETH),
                    ),
                    kind="points",
                    width=12,
                ),
            ],
        ),
        (
            "Over time",
            [
                Panel("Earned", "Payments received for its models.", (Query(RECEIVED),), ETH),
                Panel(
                    "Balances",
                    "Last known balances of the wallets.",
                    (Query(of("learnae_wallet_balance_eth")),),
                    ETH,
                    minimum=None,
                ),
                Panel("Gas", "Gas per peer, for deployment and payments.", spread(GAS), ETH),
                Panel(
                    "Debts by state",
                    "All peers. Closed states: final, refused, declined, unclaimed.",
                    (Query(f"sum by (state) ({of('learnae_debts')})", "{{state}}"),),
                    kind="stack",
                ),
                Panel(
                    "Oldest open debt",
                    "More than a minute triggers an alert.",
                    (Query(of("learnae_oldest_debt_seconds")),),
                    SECONDS,
                    alarm_above=60,
                ),
                Panel(
                    "Directory",
                    "Announced contracts by verdict, mean over the peers' directories.",
                    (Query(f"avg by (verdict) ({of('learnae_directory_entries')})", "{{verdict}}"),),
                ),
            ],
        ),
    ],
)
