"""The table of all metrics, used by the code, docs/reference/metrics.md and the dashboards.

Labels have few values: never a CID, a transaction or a pair of peers.  Money is in ETH, because a float64 cannot
represent wei exactly.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Literal

from learnae.errors import DOWN, Reason
from learnae.ports import Performed
from learnae.protocol.decisions import DebtState, Verdict, WorkState

BUCKETS = (0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0)  # upper bounds of a histogram's buckets
WORK_KINDS = {"TrainSlice": "train", "AverageModels": "average", "ScoreModel": "score", "ForgeModel": "forge"}
WORK_KINDS |= {"PackRows": "pack"}
TARGETS = {
    **dict.fromkeys(("FetchModel", "StoreModel", "SignRows"), "store"),
    "Announce": "gossip",
    **dict.fromkeys(
        (
            "SignDeployment",
            "SignPayment",
            "SendTransaction",
            "ReadReceipts",
            "ReadPayments",
            "SignPoolCall",
            "ReadPool",
        ),
        "chain",
    ),
    **dict.fromkeys(("SignClaim", "ReadClaim", "ReadHead"), "chain"),
}
UP_LABELS = {"target": ("kubo", "chain")}
# Failures of these do not show that one target is down: other peers' nodes serve models, and claims need key and chain.
SHARED = ("FetchModel", "SignClaim", "SignRows")
# Reasons for which a message may be dropped.
DROP_REASONS = (
    *(Reason.MALFORMED, Reason.OVERSIZE, Reason.VERSION, Reason.SESSION, Reason.SENDER),
    *(Reason.REPEAT, Reason.STALE, Reason.RATE_LIMIT, Reason.PEER_LIMIT),
    *(Reason.COPY, Reason.SIGNATURE),  # row blocks
    *(Reason.UNREACHABLE, Reason.TIMEOUT, Reason.INVALID_RESPONSE),  # of the peer's own messages, which it repeats
)
# Reasons for which the slice of a received row block may give no model; the last two may be the fault of the peer.
ROW_REASONS = (
    *(Reason.OVERSIZE, Reason.MALFORMED, Reason.SHAPE, Reason.LABELS, Reason.DUPLICATE),
    *(Reason.NOT_FINITE, Reason.TIMEOUT),
)


# Reasons for which a message on the feed may be refused.
READING_REASONS = (
    *(Reason.MALFORMED, Reason.OVERSIZE, Reason.VERSION, Reason.SESSION, Reason.SENSOR, Reason.SIGNATURE),
    *(Reason.REPEAT, Reason.STALE, Reason.FORK, Reason.SHAPE, Reason.LABELS, Reason.NOT_FINITE),
)


@dataclass(frozen=True, slots=True)
class Metric:
    """One metric.  ``labels``: all values by label, besides peer and role.

    ``late``: the series starts when its value is known, because 0 would be wrong.
    """

    name: str
    kind: Literal["counter", "gauge", "histogram"]
    unit: str
    help: str
    labels: Mapping[str, Sequence[str]] = field(default_factory=dict)
    late: bool = False


TABLE = (
    Metric(
        "learnae_accuracy_ratio",
        "gauge",
        "ratio",
        "accuracy of its model, or its score by the session's metric",
        {"rows": ("validation", "test")},
        True,
    ),
    Metric("learnae_slices_total", "counter", "slices", "slices trained"),
    Metric("learnae_failed_slices_total", "counter", "slices", "slices lost: the training diverged or timed out"),
    Metric(
        "learnae_plugin_failures_total", "counter", "failures", "calls of plug-ins that raised or gave no valid value"
    ),
    Metric(
        "learnae_row_blocks_total",
        "counter",
        "blocks",
        "row blocks of an open session: its own that it published, and those of others",
        {"event": ("published", "fetched", "trained")},
    ),
    Metric(
        "learnae_refused_row_blocks_total",
        "counter",
        "blocks",
        "row blocks of others that gave no model, by reason",
        {"reason": ROW_REASONS},
    ),
    Metric(
        "learnae_locked_models_total", "counter", "models", "models of others that were announced without a key for it"
    ),
    Metric(
        "learnae_attempts_total",
        "counter",
        "attempts",
        "averaging attempts; failed ones were never scored",
        {"outcome": ("adopted", "dropped", "failed")},
    ),
    Metric("learnae_success_ratio", "gauge", "ratio", "share of scored attempts that were adopted", late=True),
    Metric(
        "learnae_work_seconds_total",
        "counter",
        "seconds",
        "time spent on training, averaging and scoring, including the wait for a thread",
        {"kind": tuple(WORK_KINDS.values())},
    ),
    Metric("learnae_work_state", "gauge", "1 or 0", "whether it is in this state", {"state": tuple(WorkState)}),
    Metric("learnae_registered", "gauge", "1 or 0", "whether the peer has a contract and a claim"),
    Metric("learnae_payments_sent_total", "counter", "payments", "payments sent, final"),
    Metric("learnae_sent_eth_total", "counter", "ETH", "ETH sent for models, final"),
    Metric("learnae_payments_received_total", "counter", "payments", "payments received for its models, mined"),
    Metric("learnae_received_eth_total", "counter", "ETH", "ETH received for its models and rows, mined"),
    Metric("learnae_gas_eth_total", "counter", "ETH", "ETH spent on gas"),
    Metric("learnae_wallet_balance_eth", "gauge", "ETH", "last known balance of the peer's wallet", late=True),
    Metric("learnae_debts", "gauge", "debts", "debts by state", {"state": tuple(DebtState)}),
    Metric("learnae_oldest_debt_seconds", "gauge", "seconds", "age of the oldest open debt; 0 if none is open"),
    Metric("learnae_directory_entries", "gauge", "contracts", "contracts by verdict", {"verdict": tuple(Verdict)}),
    Metric("learnae_fetch_seconds", "histogram", "seconds", "time to fetch a model, successful or not"),
    Metric("learnae_announce_seconds", "histogram", "seconds", "time to pass an announcement to gossip"),
    Metric(
        "learnae_calls_total",
        "counter",
        "calls",
        "calls to store, gossip and chain",
        {"target": ("store", "gossip", "chain"), "outcome": ("answered", "failed")},
    ),
    Metric("learnae_up", "gauge", "1 or 0", "whether the last call to this target alone was answered", UP_LABELS, True),
    Metric("learnae_moved_bytes_total", "counter", "bytes", "size of models", {"direction": ("fetched", "stored")}),
    Metric("learnae_messages_dropped_total", "counter", "messages", "dropped, by reason", {"reason": DROP_REASONS}),
    Metric(
        "learnae_readings_total",
        "counter",
        "readings",
        "readings of sensors: verified, of these reordered, and announced as row blocks",
        {"event": ("verified", "reordered", "announced")},
    ),
    Metric(
        "learnae_refused_readings_total",
        "counter",
        "messages",
        "messages on the feed that were refused, by reason",
        {"reason": READING_REASONS},
    ),
    Metric("learnae_missing_readings", "gauge", "readings", "readings that have not arrived although later ones have"),
    Metric(
        "learnae_feed_nodes_up", "gauge", "nodes", "nodes of the feed, or brokers, that the peer reaches", late=True
    ),
    Metric("learnae_newest_reading_seconds", "gauge", "seconds", "time since the last new reading", late=True),
    Metric("learnae_peers_known", "gauge", "peers", "other peers that the peer knows"),
    Metric("learnae_queue_events", "gauge", "events", "events waiting to be handled"),
    Metric("learnae_paused", "gauge", "1 or 0", "whether the peer is paused"),
    Metric("learnae_session_seconds", "gauge", "seconds", "session time"),
    Metric(
        "learnae_monitoring_seconds_total",
        "counter",
        "seconds",
        "CPU time of monitoring; page: this peer's share of requests for /metrics and /kubo/metrics",
        {"part": ("observer", "page")},
    ),
    Metric("learnae_restarts_total", "counter", "restarts", "restarts from the journal"),
    Metric(
        "learnae_rollbacks_total",
        "counter",
        "rollbacks",
        "chain rollbacks noticed, including those during a gap in polling",
    ),
    Metric("learnae_build_info", "gauge", "1", "version of this process", {"version": (), "python": ()}, True),
)


def target_answer(performed: Performed) -> tuple[str, bool] | None:
    """Kubo or chain and whether it answered; None if the call does not show that."""
    target = TARGETS.get(performed.action)
    if target is None or performed.action in SHARED:
        return None
    return "chain" if target == "chain" else "kubo", performed.failed not in DOWN
