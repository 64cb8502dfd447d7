"""Who earns, who spends."""

from monitor.panels import COUNT, ETH, RATIO, SECONDS, Board, Panel, Query
from monitor.queries import ACCURACY, GAS, RECEIVED, SENT, by_peer, of, spread

FLOW = Board(
    "eth",
    "LEARNAE: ETH flow",
    "Who earns and who spends, and whether income follows accuracy and work.",
    [
        (
            "Who earns, who spends",
            [
                Panel("Earned", "For its models, mined.", (Query(RECEIVED),), ETH, "bars"),
                Panel("Spent on models", "Final payments.", (Query(SENT),), ETH, "bars"),
                Panel(
                    "Gain",
                    "Earned less spent less gas.",
                    (Query(f"{by_peer(RECEIVED)} - {by_peer(SENT)} - {by_peer(GAS)}"),),
                    ETH,
                    "bars",
                    wanted=0,
                    least=None,
                ),
                Panel(
                    "Books",
                    "One line a peer.",
                    (
                        Query(by_peer(RECEIVED), "earned"),
                        Query(by_peer(SENT), "spent"),
                        Query(by_peer(GAS), "gas"),
                        Query(by_peer(of("learnae_wallet_balance_eth")), "balance"),
                        Query(by_peer(of("learnae_payments_received_total")), "payments received", COUNT),
                        Query(by_peer(of("learnae_payments_sent_total")), "payments sent", COUNT),
                        Query(by_peer(ACCURACY), "accuracy", RATIO),
                        Query(by_peer(of("learnae_slices_total")), "slices", COUNT),
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
                    "Income against accuracy",
                    "A point a peer. A model is paid for by what it improves, so better ones should earn more.",
                    (Query(by_peer(ACCURACY), "accuracy", RATIO), Query(by_peer(RECEIVED), "earned", ETH)),
                    kind="points",
                    width=12,
                ),
                Panel(
                    "Income against work",
                    "A point a peer: seconds of training and averaging.",
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
                Panel("Earned", "For its models.", (Query(RECEIVED),), ETH),
                Panel(
                    "Balances", "Of wallets, as last seen.", (Query(of("learnae_wallet_balance_eth")),), ETH, least=None
                ),
                Panel("Gas", "Spent by a peer on deployment and payments.", spread(GAS), ETH),
                Panel(
                    "Debts by state",
                    "Of all peers. What ends here: final, refused, declined, unclaimed.",
                    (Query(f"sum by (state) ({of('learnae_debts')})", "{{state}}"),),
                    kind="stack",
                ),
                Panel(
                    "Oldest open debt",
                    "Above a minute is an alarm.",
                    (Query(of("learnae_oldest_debt_seconds")),),
                    SECONDS,
                    alarm=60,
                ),
                Panel(
                    "Directory",
                    "Contracts announced, by verdict: a mean peer's directory.",
                    (Query(f"avg by (verdict) ({of('learnae_directory_entries')})", "{{verdict}}"),),
                ),
            ],
        ),
    ],
)
