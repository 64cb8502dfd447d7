"""Every metric, as data: code, docs/reference/metrics.md and dashboards go by these names.

Labels have few values: never a CID, a transaction or a pair of peers.  Money is in ETH, since a float64 holds no wei.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Literal

from learnae.errors import DOWN, Reason
from learnae.ports import Performed
from learnae.protocol.decisions import DebtState, Verdict, WorkState

SECONDS = (0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0)  # upper bounds of a histogram's buckets
WORK = {"TrainSlice": "train", "AverageModels": "average", "ScoreModel": "score", "ForgeModel": "forge"}
TARGETS = {
    **dict.fromkeys(("FetchModel", "StoreModel"), "store"),
    "Announce": "gossip",
    **dict.fromkeys(("SignDeployment", "SignPayment", "SendTransaction", "ReadReceipts"), "chain"),
    **dict.fromkeys(("SignClaim", "ReadClaim", "ReadHead"), "chain"),
}
UP = {"target": ("kubo", "chain")}
SHARED = ("FetchModel", "SignClaim")  # not for one target alone: other peers' nodes serve models, key and chain sign
# by which a message may be dropped
DROPS = (
    *(Reason.MALFORMED, Reason.OVERSIZE, Reason.VERSION, Reason.SESSION, Reason.SENDER),
    *(Reason.REPEAT, Reason.STALE, Reason.RATE_LIMIT, Reason.PEER_LIMIT),
    *(Reason.UNREACHABLE, Reason.TIMEOUT, Reason.INVALID_RESPONSE),  # of our own: they are repeated
)


@dataclass(frozen=True, slots=True)
class Row:
    """One metric.  ``labels``: its own, each with all its values; peer and role come before them.

    ``late``: nothing is said before something is known, since 0 would be wrong.
    """

    name: str
    kind: Literal["counter", "gauge", "histogram"]
    unit: str
    help: str
    labels: Mapping[str, Sequence[str]] = field(default_factory=dict)
    late: bool = False


TABLE = (
    Row("learnae_accuracy_ratio", "gauge", "ratio", "of the peer's model", {"rows": ("validation", "test")}, True),
    Row("learnae_slices_total", "counter", "slices", "trained"),
    Row(
        "learnae_attempts_total",
        "counter",
        "attempts",
        "averaging attempts; failed ones were never scored",
        {"outcome": ("adopted", "dropped", "failed")},
    ),
    Row("learnae_success_ratio", "gauge", "ratio", "adopted of all scored attempts", late=True),
    Row(
        "learnae_work_seconds_total",
        "counter",
        "seconds",
        "spent on the trainer's jobs, waiting for a thread included",
        {"kind": tuple(WORK.values())},
    ),
    Row("learnae_work_state", "gauge", "1 or 0", "the work machine's state", {"state": tuple(WorkState)}),
    Row("learnae_registered", "gauge", "1 or 0", "whether it has a contract and a claim"),
    Row("learnae_payments_sent_total", "counter", "payments", "final"),
    Row("learnae_sent_eth_total", "counter", "ETH", "paid, final"),
    Row("learnae_payments_received_total", "counter", "payments", "mined, for its models"),
    Row("learnae_received_eth_total", "counter", "ETH", "received for its models, mined"),
    Row("learnae_gas_eth_total", "counter", "ETH", "spent on gas"),
    Row("learnae_wallet_balance_eth", "gauge", "ETH", "as last seen", late=True),
    Row("learnae_debts", "gauge", "debts", "by state", {"state": tuple(DebtState)}),
    Row("learnae_oldest_debt_seconds", "gauge", "seconds", "since the oldest open debt came up; 0 if none is open"),
    Row("learnae_directory_entries", "gauge", "contracts", "announced, by verdict", {"verdict": tuple(Verdict)}),
    Row("learnae_fetch_seconds", "histogram", "seconds", "to fetch a model, until it is here or given up"),
    Row("learnae_announce_seconds", "histogram", "seconds", "to hand an announcement to gossip"),
    Row(
        "learnae_calls_total",
        "counter",
        "calls",
        "of store, gossip and chain",
        {"target": ("store", "gossip", "chain"), "outcome": ("answered", "failed")},
    ),
    Row("learnae_up", "gauge", "1 or 0", "whether it answered the last call to it alone", UP, True),
    Row("learnae_moved_bytes_total", "counter", "bytes", "of models", {"direction": ("fetched", "stored")}),
    Row("learnae_messages_dropped_total", "counter", "messages", "by reason", {"reason": DROPS}),
    Row("learnae_peers_known", "gauge", "peers", "heard of"),
    Row("learnae_queue_events", "gauge", "events", "that wait to be handled"),
    Row("learnae_paused", "gauge", "1 or 0", "whether somebody paused it"),
    Row("learnae_session_seconds", "gauge", "seconds", "of session time"),
    Row(
        "learnae_monitoring_seconds_total",
        "counter",
        "seconds",
        "of processor that watching costs; page: of requests for /metrics and /kubo/metrics, this peer's share",
        {"part": ("observer", "page")},
    ),
    Row("learnae_restarts_total", "counter", "restarts", "it came back from its journal"),
    Row("learnae_rollbacks_total", "counter", "rollbacks", "noticed: the chain went back, or was not watched"),
    Row("learnae_build_info", "gauge", "1", "of this process", {"version": (), "python": ()}, True),
)


def up(performed: Performed) -> tuple[str, bool] | None:
    """Kubo or chain, and whether it answered; None if the call does not tell."""
    target = TARGETS.get(performed.action)
    if target is None or performed.action in SHARED:
        return None
    return "chain" if target == "chain" else "kubo", performed.failed not in DOWN
