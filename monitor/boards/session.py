"""The paper's figures during a session, and each peer."""

from monitor.panels import ETH, RATE, RATIO, SECONDS, Board, Panel, Query
from monitor.queries import ACCURACY, ACCURACY_BANDS, HONEST, NO_TEST, SENT, TEST, number, of, rate, swarm

OLDEST = of("learnae_oldest_debt_seconds")
FINISHED, SLICES, SCORED = "swarm:finished_peers:ratio", "swarm:slices:rate", "swarm:scored_attempts:rate"
WORK_TYPES = (
    *(
        Query(f"(1 - {FINISHED}) * {rate} / ({SLICES} + {SCORED} > 0) or 0 * {FINISHED}", legend)  # 0 if no peer works
        for rate, legend in ((SLICES, "training"), (SCORED, "averaging"))
    ),
    Query(FINISHED, "finished"),
)

SESSION = Board(
    "session",
    "LEARNAE: session",
    "The paper's Figures 4 to 8 during the session, and the score of each peer.",
    [
        (
            "The swarm",
            [
                number(
                    "Peers",
                    "Peers that Prometheus reaches now.",
                    f"count({of('learnae_session_seconds')})",
                    alarm_below=1,
                ),
                number(
                    "Session time",
                    "Time since the start of the session.",
                    f"max({of('learnae_session_seconds')})",
                    SECONDS,
                ),
                number(
                    "Validation score",
                    f"Mean, on each peer's own validation data. {HONEST}",
                    'swarm:accuracy_ratio:mean{rows="validation"}',
                    RATIO,
                ),
                number(
                    "Test score",
                    f"Mean, on data that no peer has. {HONEST}",
                    'swarm:accuracy_ratio:mean{rows="test"}',
                    RATIO,
                    empty_text=NO_TEST,
                ),
                number(
                    "Averaging success",
                    f"Mean share of attempts that were adopted. {HONEST}",
                    "swarm:success_ratio:mean",
                    RATIO,
                    alarm_below=0.2,
                ),
                number("Payments", "Final payments.", f"sum({of('learnae_payments_sent_total')})"),
                number("ETH paid", "Final payments for models.", f"sum({SENT})", ETH),
                number(
                    "Oldest open debt",
                    "Maximum over all peers.",
                    f"max({of('learnae_oldest_debt_seconds')})",
                    SECONDS,
                    alarm_above=60,
                ),
            ],
        ),
        (
            "The paper's figures",
            [
                Panel(
                    "Fig. 4: work types",
                    f"Share of finished peers; the others' work divided into slices and attempts. {HONEST}",
                    WORK_TYPES,
                    RATIO,
                    "stack",
                    maximum=1,
                ),
                Panel(
                    "Fig. 5: success of averaging",
                    f"Share of scored attempts that were adopted. The paper: above 20% at the end. {HONEST}",
                    swarm("success_ratio"),
                    RATIO,
                    alarm_below=0.2,
                    maximum=1,
                ),
                Panel(
                    "Fig. 6: score",
                    f"Accuracy, or the metric of the session. {HONEST} If only validation is shown: {NO_TEST}.",
                    ACCURACY_BANDS,
                    RATIO,
                    minimum=None,
                ),
                Panel(
                    "Fig. 7: payments sent per peer",
                    f"Final payments. The paper: 3 to 16, mean 9.4. {HONEST}",
                    swarm("payments_sent"),
                ),
                Panel(
                    "Fig. 8: ETH sent per peer",
                    f"Final payments. The paper: 0.0005 to 0.0068, mean 0.003. {HONEST}",
                    swarm("sent_eth"),
                    ETH,
                ),
                Panel(
                    "Attempts per second",
                    "Averaging attempts by outcome.",
                    (Query(rate("learnae_attempts_total", "outcome"), "{{outcome}}"),),
                    RATE,
                    "stack",
                ),
                Panel(
                    "Models that are not sealed for a peer",
                    "Since the start. Sealed sessions only: their creators deny it income, or do not know it yet.",
                    (Query(of("learnae_locked_models_total")),),
                    kind="bars",
                ),
            ],
        ),
        (
            "Rows of others (open sessions)",
            [
                Panel(
                    "Row blocks",
                    "All peers, since the start.",
                    (Query(f"sum by (event) ({of('learnae_row_blocks_total')})", "{{event}}"),),
                ),
                Panel(
                    "Row blocks trained on",
                    "Received from others, since the start.",
                    (Query(of("learnae_row_blocks_total", event="trained")),),
                    kind="bars",
                ),
                Panel(
                    "Row blocks refused",
                    "All peers, since the start, by reason.",
                    (Query(f"sum by (reason) ({of('learnae_refused_row_blocks_total')}) > 0", "{{reason}}"),),
                    kind="stack",
                    empty_text="no row blocks refused",
                ),
            ],
        ),
        (
            "Sensors (peers that follow the feed)",
            [
                Panel(
                    "Readings",
                    "Verified, of these reordered, and announced as row blocks; sum of the peers that follow the feed.",
                    (Query(f"sum by (event) ({of('learnae_readings_total')})", "{{event}}"),),
                ),
                Panel(
                    "Messages refused",
                    "All peers that follow the feed, since the start, by reason.",
                    (Query(f"sum by (reason) ({of('learnae_refused_readings_total')}) > 0", "{{reason}}"),),
                    kind="stack",
                    empty_text="no message refused",
                ),
                Panel(
                    "Missing readings",
                    "Readings that have not arrived although later ones of the same sensor have.",
                    (Query(f"max({of('learnae_missing_readings')})", "missing"),),
                ),
                Panel(
                    "Feed nodes up",
                    "Nodes of the Tangle, or brokers, that peers which follow the feed reach: the fewest of any peer.",
                    (Query(f"min({of('learnae_feed_nodes_up')})", "up"),),
                    empty_text="no sensors",
                ),
                Panel(
                    "Age of the newest reading",
                    "Time since a peer received a new reading.",
                    (Query(f"min({of('learnae_newest_reading_seconds')})", "newest"),),
                    SECONDS,
                    empty_text="no peer follows the feed",
                ),
            ],
        ),
        (
            "Each peer",
            [
                Panel(
                    "Validation score",
                    "On the peer's own validation data.",
                    (Query(ACCURACY),),
                    RATIO,
                    minimum=None,
                    width=12,
                ),
                Panel(
                    "Test score",
                    "On data that no peer has.",
                    (Query(TEST),),
                    RATIO,
                    minimum=None,
                    empty_text=NO_TEST,
                    width=12,
                ),
                Panel("Slices trained", "Since the start.", (Query(of("learnae_slices_total")),), kind="bars"),
                Panel(
                    "Success of averaging",
                    "Since the start.",
                    (Query(of("learnae_success_ratio")),),
                    RATIO,
                    "bars",
                    maximum=1,
                ),
                Panel(
                    "Alerts",
                    "Firing alerts of monitor/alerts.yml.",
                    (Query(f"sum by (alertname, peer) ({of('ALERTS', alertstate='firing')})", "firing"),),
                    kind="table",
                    empty_text="no alert",
                ),
            ],
        ),
    ],
)
