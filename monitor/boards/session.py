"""The paper's figures while they come about, and each peer."""

from monitor.panels import ETH, RATE, RATIO, SECONDS, Board, Panel, Query
from monitor.queries import ACCURACY, ACCURACY_BANDS, FOLLOW, NO_TEST, SENT, TEST, number, of, rate, swarm

OLDEST = of("learnae_oldest_debt_seconds")
FINISHED, SLICES, SCORED = "swarm:finished_peers:ratio", "swarm:slices:rate", "swarm:scored_attempts:rate"
WORK_TYPES = (
    *(
        Query(f"(1 - {FINISHED}) * {rate} / ({SLICES} + {SCORED} > 0) or 0 * {FINISHED}", legend)  # nobody works: 0
        for rate, legend in ((SLICES, "training"), (SCORED, "averaging"))
    ),
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
                number("Peers", "That Prometheus hears of now.", f"count({of('learnae_session_seconds')})", wanted=1),
                number("Session time", "Since second 0.", f"max({of('learnae_session_seconds')})", SECONDS),
                number(
                    "Validation accuracy",
                    f"Mean, each on its own rows. {FOLLOW}",
                    'swarm:accuracy_ratio:mean{rows="validation"}',
                    RATIO,
                ),
                number(
                    "Test accuracy",
                    f"Mean, on rows that no peer has. {FOLLOW}",
                    'swarm:accuracy_ratio:mean{rows="test"}',
                    RATIO,
                    empty=NO_TEST,
                ),
                number("Averaging success", f"Mean. {FOLLOW}", "swarm:success_ratio:mean", RATIO, wanted=0.2),
                number("Payments", "Final.", f"sum({of('learnae_payments_sent_total')})"),
                number("ETH moved", "Paid for models, final.", f"sum({SENT})", ETH),
                number(
                    "Oldest open debt", "Of any peer.", f"max({of('learnae_oldest_debt_seconds')})", SECONDS, alarm=60
                ),
            ],
        ),
        (
            "The paper's figures",
            [
                Panel(
                    "Fig. 4: work types",
                    f"Share of peers that have finished; of the others' work, slices and scored attempts. {FOLLOW}",
                    WORK_TYPES,
                    RATIO,
                    "stack",
                    most=1,
                ),
                Panel(
                    "Fig. 5: success of averaging",
                    f"Adopted of all scored attempts so far. The paper: above 20 % at the end. {FOLLOW}",
                    swarm("success_ratio"),
                    RATIO,
                    wanted=0.2,
                    most=1,
                ),
                Panel(
                    "Fig. 6: accuracy",
                    f"{FOLLOW} If there is only validation: {NO_TEST}.",
                    ACCURACY_BANDS,
                    RATIO,
                    least=None,
                ),
                Panel(
                    "Fig. 7: payments sent by a peer",
                    f"Final ones. The paper: 3 to 16, mean 9.4. {FOLLOW}",
                    swarm("payments_sent"),
                ),
                Panel(
                    "Fig. 8: ETH sent by a peer",
                    f"Final payments. The paper: 0.0005 to 0.0068, mean 0.003. {FOLLOW}",
                    swarm("sent_eth"),
                    ETH,
                ),
                Panel(
                    "Attempts per second",
                    "Averaging attempts, by what became of them.",
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
                    (Query(f"sum by (alertname, peer) ({of('ALERTS', alertstate='firing')})", "firing"),),
                    kind="table",
                    empty="no alarm",
                ),
            ],
        ),
    ],
)
