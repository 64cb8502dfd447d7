"""Metrics of the peers in this process: an observer of facts and performed actions, and samples taken at each scrape.

Facts are counted as they are recorded.  Values that change without a fact (a balance, known peers) are sampled at each
scrape.  A series exists from the start, so that its first event is an increase, except those that the table calls late.
"""

import platform
from collections import Counter as Count
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from importlib.metadata import version
from itertools import product
from time import thread_time
from typing import Any, TypeVar

from prometheus_client import (
    CollectorRegistry,
    Counter,
    Gauge,
    Histogram,
    ProcessCollector,
    disable_created_metrics,
    generate_latest,
)

from learnae.adapters.metrics.metric_list import BUCKETS, TABLE, TARGETS, WORK_KINDS, Metric, target_answer
from learnae.messages.readings import FeedCounts
from learnae.ports import Performed
from learnae.protocol.decisions import (
    AttemptFailed,
    Averaged,
    ChainEntered,
    ClaimJudged,
    DebtChanged,
    DebtState,
    IdentityChanged,
    IdentityState,
    ModelLocked,
    PluginFailed,
    RolledBack,
    Trained,
    TrainingFailed,
    Verdict,
    WorkChanged,
    WorkState,
)
from learnae.protocol.row_types import RowsFetched, RowsForwarded, RowsPublished
from learnae.protocol.types import ETHER, Address, PeerId, Score, Wei
from learnae.records.history import Evaluated, Fact, PeerRestarted, kept_score

F = TypeVar("F", Counter, Gauge, Histogram)


@dataclass(frozen=True, slots=True)
class Sample:
    """Values that are read at each scrape.  All amounts only grow, except the balance, which is None until known."""

    seconds: float = 0.0
    paused: bool = False
    queue: int = 0
    peers_known: int = 0
    balance: Wei | None = None
    payments_received: int = 0
    received: Wei = Wei(0)
    gas: Wei = Wei(0)
    dropped: Mapping[str, int] = field(default_factory=dict)
    feed: FeedCounts | None = None
    newest_reading: float | None = None  # s since it arrived
    feed_nodes: int | None = None  # that it reaches


@dataclass
class PeerCounters:
    """What must be remembered of one peer to count its events."""

    role: str
    sample: Callable[[], Sample]
    pays: bool = True  # for single debts
    debts: dict[int, DebtState] = field(default_factory=dict)
    owed_since: dict[int, float] = field(default_factory=dict)  # session seconds by debt
    paid: set[int] = field(
        default_factory=set
    )  # debts that were final once: after a rollback they are not counted again
    claims: dict[tuple[PeerId, Address], Verdict] = field(default_factory=dict)
    scored: int = 0
    adopted: int = 0
    sampled: dict[tuple[str, ...], float] = field(default_factory=dict)  # totals at the last scrape


class Metrics:
    """Metrics of several peers in one process; a live peer calls ``observe`` and ``performed``."""

    def __init__(self) -> None:
        disable_created_metrics()  # type: ignore[no-untyped-call]  # they would double the number of series
        self._registry = CollectorRegistry()
        ProcessCollector(registry=self._registry)
        self._counters = {
            metric.name: _create(Counter, metric, self._registry) for metric in TABLE if metric.kind == "counter"
        }
        self._gauges = {
            metric.name: _create(Gauge, metric, self._registry) for metric in TABLE if metric.kind == "gauge"
        }
        self._histograms = {
            metric.name: _create(Histogram, metric, self._registry, buckets=BUCKETS)
            for metric in TABLE
            if metric.kind == "histogram"
        }
        self._peers: dict[str, PeerCounters] = {}

    def follow(self, peer: str, role: str, sample: Callable[[], Sample]) -> None:
        """Start the series of a peer.  Facts about peers that are not followed are ignored."""
        self._peers[peer] = PeerCounters(role, sample)
        for metric in TABLE:
            for values in () if metric.late else product(*metric.labels.values()):
                self._family(metric.name).labels(peer, role, *values)
        self._set_state("learnae_work_state", peer, WorkState, WorkState.EMPTY)
        self._set("learnae_build_info", peer, 1, version("learnae"), platform.python_version())

    def pays_by_pool(self, peer: str) -> None:
        """The final debts of this peer are only reported to a fee pool: none of them is a payment."""
        self._peers[peer].pays = False

    def render(self) -> bytes:
        """All metrics in Prometheus' text format."""
        for name, followed in self._peers.items():
            self._sample(name, followed, followed.sample())
        return generate_latest(self._registry)

    def add_scrape_seconds(self, seconds: float) -> None:
        """Add CPU time of requests for metrics, divided among the peers."""
        for name in self._peers:
            self._count("learnae_monitoring_seconds_total", name, "page", by=seconds / len(self._peers))

    def observe(self, now: float, peer: str, item: Fact) -> None:
        if peer in self._peers:
            began = thread_time()
            self._count_fact(now, peer, self._peers[peer], item)
            self._count("learnae_monitoring_seconds_total", peer, "observer", by=thread_time() - began)

    def performed(self, peer: str, performed: Performed) -> None:
        if peer in self._peers:
            began = thread_time()
            self._count_performed(peer, performed)
            self._count("learnae_monitoring_seconds_total", peer, "observer", by=thread_time() - began)

    # private

    def _count_fact(self, now: float, peer: str, followed: PeerCounters, item: Fact) -> None:
        score = kept_score(item)
        if score is not None:
            self._set_accuracy(peer, "validation", score)
        match item:
            case Trained(rows=rows):
                self._count("learnae_slices_total", peer)
                if rows:
                    self._count("learnae_row_blocks_total", peer, "trained")
            case TrainingFailed(rows=None):
                self._count("learnae_failed_slices_total", peer)
            case TrainingFailed(reason=reason):
                self._count("learnae_refused_row_blocks_total", peer, reason)
            case RowsPublished():
                self._count("learnae_row_blocks_total", peer, "published")
            case RowsFetched():
                self._count("learnae_row_blocks_total", peer, "fetched")
            case RowsForwarded():
                self._count("learnae_readings_total", peer, "announced")
            case Averaged(adopted=adopted):
                self._count_attempt(peer, followed, adopted)
            case AttemptFailed():
                self._count("learnae_attempts_total", peer, "failed")
            case ModelLocked():
                self._count("learnae_locked_models_total", peer)
            case WorkChanged(work=work):
                self._set_state("learnae_work_state", peer, WorkState, work)
            case IdentityChanged(identity=identity):
                self._set("learnae_registered", peer, identity is IdentityState.REGISTERED)
            case DebtChanged():
                self._count_debt(now, peer, followed, item)
            case ChainEntered():
                followed.claims.clear()
                self._set_counts("learnae_directory_entries", peer, Verdict, ())
            case ClaimJudged(sender=sender, contract=contract, verdict=verdict):
                followed.claims[sender, contract] = verdict
                self._set_counts("learnae_directory_entries", peer, Verdict, followed.claims.values())
            case Evaluated(test=test):
                self._set_accuracy(peer, "test", test)
            case PeerRestarted():
                self._count("learnae_restarts_total", peer)
            case RolledBack():
                self._count("learnae_rollbacks_total", peer)
            case PluginFailed():
                self._count("learnae_plugin_failures_total", peer)

    def _count_performed(self, peer: str, performed: Performed) -> None:
        action, failed = performed.action, performed.failed
        if action in WORK_KINDS:
            self._count("learnae_work_seconds_total", peer, WORK_KINDS[action], by=performed.seconds)
        else:
            self._count("learnae_calls_total", peer, TARGETS[action], "failed" if failed else "answered")
        if answer := target_answer(performed):
            target, answered = answer
            self._set("learnae_up", peer, answered, target)
        if action in ("FetchModel", "Announce"):
            name = "learnae_fetch_seconds" if action == "FetchModel" else "learnae_announce_seconds"
            self._histograms[name].labels(peer, self._peers[peer].role).observe(performed.seconds)
        if performed.bytes:
            direction = "fetched" if action == "FetchModel" else "stored"
            self._count("learnae_moved_bytes_total", peer, direction, by=performed.bytes)

    def _count_attempt(self, peer: str, followed: PeerCounters, adopted: bool) -> None:
        followed.scored += 1
        followed.adopted += adopted
        self._count("learnae_attempts_total", peer, "adopted" if adopted else "dropped")
        self._set("learnae_success_ratio", peer, followed.adopted / followed.scored)

    def _count_debt(self, now: float, peer: str, followed: PeerCounters, debt: DebtChanged) -> None:
        followed.owed_since.setdefault(debt.debt, now)
        followed.debts[debt.debt] = debt.state
        self._set_counts("learnae_debts", peer, DebtState, followed.debts.values())
        if followed.pays and debt.state is DebtState.FINAL and debt.debt not in followed.paid:
            followed.paid.add(debt.debt)
            self._count("learnae_payments_sent_total", peer)
            self._count("learnae_sent_eth_total", peer, by=debt.wei / ETHER)

    def _sample(self, peer: str, followed: PeerCounters, sample: Sample) -> None:
        self._set("learnae_session_seconds", peer, sample.seconds)
        open_since = (followed.owed_since[debt] for debt, state in followed.debts.items() if not state.terminal)
        self._set("learnae_oldest_debt_seconds", peer, max(0.0, sample.seconds - min(open_since, default=float("inf"))))
        self._set("learnae_paused", peer, sample.paused)
        self._set("learnae_queue_events", peer, sample.queue)
        self._set("learnae_peers_known", peer, sample.peers_known)
        if sample.balance is not None:
            self._set("learnae_wallet_balance_eth", peer, sample.balance / ETHER)
        self._count_up_to("learnae_payments_received_total", peer, sample.payments_received)
        self._count_up_to("learnae_received_eth_total", peer, sample.received / ETHER)
        self._count_up_to("learnae_gas_eth_total", peer, sample.gas / ETHER)
        for reason, count in sample.dropped.items():
            self._count_up_to("learnae_messages_dropped_total", peer, count, reason)
        if feed := sample.feed:
            self._count_up_to("learnae_readings_total", peer, feed.verified, "verified")
            self._count_up_to("learnae_readings_total", peer, feed.reordered, "reordered")
            self._set("learnae_missing_readings", peer, feed.missing)
            for reason, count in feed.refused.items():
                self._count_up_to("learnae_refused_readings_total", peer, count, reason)
        if sample.feed_nodes is not None:
            self._set("learnae_feed_nodes_up", peer, sample.feed_nodes)
        if sample.newest_reading is not None:
            self._set("learnae_newest_reading_seconds", peer, sample.newest_reading)

    def _family(self, name: str) -> Counter | Gauge | Histogram:
        return self._counters.get(name) or self._gauges.get(name) or self._histograms[name]

    def _count(self, name: str, peer: str, *labels: str, by: float = 1) -> None:
        self._counters[name].labels(peer, self._peers[peer].role, *labels).inc(by)

    def _count_up_to(self, name: str, peer: str, total: float, *labels: str) -> None:
        """Increase a counter to a sampled total; a total that fell after a rollback is ignored."""
        sampled = self._peers[peer].sampled
        before = sampled.get((name, *labels), 0)
        if total > before:
            sampled[(name, *labels)] = total
            self._count(name, peer, *labels, by=total - before)

    def _set(self, name: str, peer: str, value: float, *labels: str) -> None:
        self._gauges[name].labels(peer, self._peers[peer].role, *labels).set(value)

    def _set_accuracy(self, peer: str, rows: str, score: Score) -> None:
        self._set("learnae_accuracy_ratio", peer, score.accuracy, rows)

    def _set_state(self, name: str, peer: str, states: Iterable[str], current: str) -> None:
        for state in states:
            self._set(name, peer, state == current, state)

    def _set_counts(self, name: str, peer: str, states: Iterable[str], values: Iterable[str]) -> None:
        counted = Count(values)
        for state in states:
            self._set(name, peer, counted[state], state)


def _create(kind: type[F], metric: Metric, registry: CollectorRegistry, **more: Any) -> F:
    return kind(
        metric.name, f"{metric.help} ({metric.unit})", ("peer", "role", *metric.labels), registry=registry, **more
    )
