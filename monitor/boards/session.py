"""The paper's figures while they come about, and each peer."""

from monitor.panels import ETH, RATE, RATIO, SECONDS, Board, Panel, Query
from monitor.queries import ACCURACY, ACCURACY_BANDS, NO_TEST, PACE, SENT, TEST, number, of, rate, spread

SLICES = f"sum (rate({of('learnae_slices_total')}[{PACE}]))"
SCORED = " - ".join(
    f"sum (rate({attempts}[{PACE}]))"
    for attempts in (of("learnae_attempts_total"), of("learnae_attempts_total", outcome="failed"))
)
FINISHED = f"avg ({of('learnae_work_state', state='done')})"
WORK_TYPES = (
    Query(f"{SLICES} / ({SLICES} + {SCORED}) * (1 - {FINISHED})", "training"),
    Query(f"({SCORED}) / ({SLICES} + {SCORED}) * (1 - {FINISHED})", "averaging"),
    Query(FINISHED, "finished"),
)

SESSION = Board(
    "session",
    "LEARNAE: session",
    "The paper's Figures 4 to 8 while they come about, and the accuracy of each peer.",
    [
        (
            "The swarm",
            [
                number("Peers", "That Prometheus hears of now.", "count(learnae_session_seconds)", wanted=1),
                number("Session time", "Since second 0.", "max(learnae_session_seconds)", SECONDS),
                number(
                    "Validation accuracy",
                    "Mean of peers that follow the paper, each on its own rows.",
                    'swarm:accuracy_ratio:mean{rows="validation"}',
                    RATIO,
                ),
                number(
                    "Test accuracy",
                    "Mean, on rows that no peer has.",
                    'swarm:accuracy_ratio:mean{rows="test"}',
                    RATIO,
                    empty=NO_TEST,
                ),
                number("Averaging success", "Mean of peers.", "swarm:success_ratio:mean", RATIO, wanted=0.2),
                number("Payments", "Final, of all peers.", "sum(learnae_payments_sent_total)"),
                number("ETH moved", "Paid for models, final.", "sum(learnae_sent_eth_total)", ETH),
                number("Oldest open debt", "Of any peer.", "max(learnae_oldest_debt_seconds)", SECONDS, alarm=60),
            ],
        ),
        (
            "The paper's figures",
            [
                Panel(
                    "Fig. 4: work types",
                    "Share of peers that have finished; of the others' units of work, slices and scored attempts.",
                    WORK_TYPES,
                    RATIO,
                    "stack",
                    most=1,
                ),
                Panel(
                    "Fig. 5: success of averaging",
                    "Adopted of all scored attempts so far. The paper: above 20 % at the end.",
                    spread(of("learnae_success_ratio")),
                    RATIO,
                    wanted=0.2,
                    most=1,
                ),
                Panel(
                    "Fig. 6: accuracy",
                    f"Of the models that peers go on with. If there is only validation: {NO_TEST}.",
                    ACCURACY_BANDS,
                    RATIO,
                    least=None,
                ),
                Panel(
                    "Fig. 7: payments sent by a peer",
                    "Final ones. The paper: 3 to 16, mean 9.4.",
                    spread(of("learnae_payments_sent_total")),
                ),
                Panel(
                    "Fig. 8: ETH sent by a peer",
                    "Final payments. The paper: 0.0005 to 0.0068, mean 0.003.",
                    spread(SENT),
                    ETH,
                ),
                Panel(
                    "Attempts per second",
                    "Averaging attempts of all peers, by what became of them.",
                    (Query(rate("learnae_attempts_total", "outcome"), "{{outcome}}"),),
                    RATE,
                    "stack",
                ),
            ],
        ),
        (
            "Each peer",
            [
                Panel(
                    "Validation accuracy", "On the peer's own rows.", (Query(ACCURACY),), RATIO, least=None, width=12
                ),
                Panel(
                    "Test accuracy",
                    "On rows that no peer has.",
                    (Query(TEST),),
                    RATIO,
                    least=None,
                    empty=NO_TEST,
                    width=12,
                ),
                Panel("Slices trained", "So far.", (Query(of("learnae_slices_total")),), kind="bars"),
                Panel("Success of averaging", "So far.", (Query(of("learnae_success_ratio")),), RATIO, "bars", most=1),
                Panel(
                    "Alarms",
                    "monitor/alerts.yml.",
                    (Query('sum by (alertname, peer) (ALERTS{alertstate="firing"})', "firing"),),
                    kind="table",
                    empty="no alarm",
                ),
            ],
        ),
    ],
)
