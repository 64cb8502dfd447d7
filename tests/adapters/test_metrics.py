"""Metrics: what Prometheus reads is what the table promises and what the peers did."""

import asyncio
from collections.abc import Callable

import pytest
from prometheus_client.parser import text_string_to_metric_families
from tests.helpers.apis import Asked
from tests.helpers.stages import Stage, all_of

from learnae.adapters.metrics import Metrics, Sample
from learnae.adapters.metrics.metric_list import TABLE, TARGETS, WORK_KINDS
from learnae.errors import Reason
from learnae.messages.readings import FeedCounts
from learnae.ports import Performed
from learnae.protocol import actions as do
from learnae.protocol.decisions import (
    Averaged,
    ClaimJudged,
    DebtChanged,
    DebtState,
    ModelLocked,
    PluginFailed,
    RolledBack,
    Trained,
    TrainingFailed,
    Verdict,
)
from learnae.protocol.row_types import RowsFetched, RowsForwarded, RowsPublished
from learnae.protocol.types import ETHER, Address, Cid, PeerId, Poid, Score, Wei
from learnae.records.history import Evaluated, Fact, PeerRestarted

Series = dict[tuple[str, tuple[tuple[str, str], ...]], float]
PROCESS = ("process_", "python_")


def read(metrics: bytes) -> Series:
    """Every sample but the process's own, as Prometheus understands it."""
    found = {}
    for family in text_string_to_metric_families(metrics.decode()):
        for sample in family.samples:
            if not sample.name.startswith(PROCESS):
                found[sample.name, tuple(sorted(sample.labels.items()))] = sample.value
    return found


def of(series: Series, name: str, **labels: str) -> float:
    return series[name, tuple(sorted({"peer": "p00", "role": "trainer", **labels}.items()))]


def followed(sample: Callable[[], Sample] = Sample) -> Metrics:
    metrics = Metrics()
    metrics.follow("p00", "trainer", sample)
    return metrics


def test_names_units_and_labels_keep_the_rules() -> None:
    for row in TABLE:
        assert row.name.startswith("learnae_")
        assert row.name.endswith("_total") is (row.kind == "counter")
        assert not {"cid", "tx", "payer", "payee", "creator"} & row.labels.keys()
        for unit in ("seconds", "bytes", "ratio", "eth"):
            assert (row.unit.lower() == unit) is (f"_{unit}" in row.name), row


def test_every_metric_of_the_table_and_none_besides_is_there_from_the_start_unless_it_is_late() -> None:
    families = {each.name: each for each in text_string_to_metric_families(followed().render().decode())}
    ours = {name for name in families if not name.startswith(PROCESS)}
    assert ours == {row.name.removesuffix("_total") for row in TABLE}
    for row in TABLE:
        family = families[row.name.removesuffix("_total")]
        assert (family.type, family.documentation) == (row.kind, f"{row.help} ({row.unit})")
        assert bool(family.samples) or row.late
        for sample in family.samples:
            assert sample.labels.keys() - {"le"} == {"peer", "role", *row.labels}
            if row.kind == "counter":
                assert sample.value == 0


def test_every_action_has_a_target_or_a_kind_of_work() -> None:
    requests = {each.__name__ for each in do.Request.__args__} | {"Announce", "ReadHead"}
    assert requests == TARGETS.keys() | WORK_KINDS.keys()


def debt(number: int, state: DebtState) -> DebtChanged:
    """Of a quarter of an ETH."""
    return DebtChanged(number, PeerId("creator"), Cid("model"), Score(1, 4), Score(2, 4), Wei(ETHER // 4), state)


def test_decisions_are_counted() -> None:
    metrics = followed()
    remote = (PeerId("other"), Cid("remote"), Score(1, 4), Score(2, 4))
    items: tuple[Fact, ...] = (
        Trained(0, 1, Cid("own"), Score(1, 4)),
        Averaged(*remote, True, Cid("average"), 2),
        Averaged(*remote, False, Cid("average"), 3),
        Evaluated(Cid("average"), 2, Score(3, 4)),
        TrainingFailed(1, Reason.NOT_FINITE),
        ModelLocked(PeerId("other"), Cid("sealed")),
        RowsPublished(1, Cid("own rows")),
        *(RowsFetched(PeerId("other"), Cid(rows)) for rows in ("good", "bad")),
        Trained(1, 4, Cid("trained"), Score(2, 4), Cid("good")),
        TrainingFailed(2, Reason.LABELS, Cid("bad")),
        PeerRestarted(),
        RolledBack(7, 1),
        *[PluginFailed("mine.py:reward", 3, "ZeroDivisionError")] * 2,
    )
    for item in items:
        metrics.observe(1.0, "p00", item)
        metrics.observe(1.0, "stranger", item)
    found = read(metrics.render())
    assert (of(found, "learnae_slices_total"), of(found, "learnae_failed_slices_total")) == (2, 1)
    events = [of(found, "learnae_row_blocks_total", event=event) for event in ("published", "fetched", "trained")]
    assert events == [1, 2, 1]
    assert of(found, "learnae_refused_row_blocks_total", reason=Reason.LABELS) == 1
    assert of(found, "learnae_refused_row_blocks_total", reason=Reason.DUPLICATE) == 0
    assert of(found, "learnae_attempts_total", outcome="adopted") == 1
    assert of(found, "learnae_attempts_total", outcome="dropped") == 1
    assert of(found, "learnae_locked_models_total") == 1
    assert of(found, "learnae_success_ratio") == 0.5
    assert of(found, "learnae_accuracy_ratio", rows="validation") == 0.5
    assert of(found, "learnae_accuracy_ratio", rows="test") == 0.75
    assert of(found, "learnae_restarts_total") == of(found, "learnae_rollbacks_total") == 1
    assert of(found, "learnae_plugin_failures_total") == 2
    assert not [labels for _, labels in found if ("peer", "stranger") in labels]


def test_a_debt_is_paid_once_however_often_the_chain_goes_back() -> None:
    metrics = followed()
    for state in (DebtState.SENT, DebtState.FINAL, DebtState.SIGNED, DebtState.FINAL):
        metrics.observe(1.0, "p00", debt(0, state))
    metrics.observe(1.0, "p00", debt(1, DebtState.PAYABLE))
    found = read(metrics.render())
    assert of(found, "learnae_payments_sent_total") == 1
    assert of(found, "learnae_sent_eth_total") == 0.25
    assert {state: of(found, "learnae_debts", state=state) for state in DebtState if state in ("final", "payable")} == {
        DebtState.FINAL: 1,
        DebtState.PAYABLE: 1,
    }
    assert of(found, "learnae_debts", state="sent") == 0


def test_a_debt_that_is_only_reported_to_a_fee_pool_is_no_payment() -> None:
    metrics = followed()
    metrics.pays_by_pool("p00")
    metrics.observe(1.0, "p00", debt(0, DebtState.FINAL))
    found = read(metrics.render())
    assert of(found, "learnae_payments_sent_total") == of(found, "learnae_sent_eth_total") == 0
    assert of(found, "learnae_debts", state=DebtState.FINAL) == 1


def test_the_oldest_open_debt_has_an_age_and_one_that_is_settled_has_none() -> None:
    samples = iter([Sample(seconds=9.0), Sample(seconds=80.0), Sample(seconds=81.0)])
    metrics = followed(lambda: next(samples))
    ages = [of(read(metrics.render()), "learnae_oldest_debt_seconds")]
    metrics.observe(10.0, "p00", debt(0, DebtState.OWED))
    metrics.observe(30.0, "p00", debt(1, DebtState.PAYABLE))
    metrics.observe(70.0, "p00", debt(0, DebtState.SENT))
    ages.append(of(read(metrics.render()), "learnae_oldest_debt_seconds"))
    metrics.observe(81.0, "p00", debt(0, DebtState.FINAL))
    ages.append(of(read(metrics.render()), "learnae_oldest_debt_seconds"))
    assert ages == [0, 70, 51]


def test_what_watching_costs_is_told() -> None:
    """Each of two peers in one process carries half of the page."""
    metrics = followed()
    metrics.follow("p01", "trainer", Sample)
    metrics.observe(1.0, "p00", Trained(0, 1, Cid("own"), Score(1, 4)))
    metrics.performed("p00", Performed("TrainSlice", 2.0, None))
    metrics.add_scrape_seconds(3.0)
    found = read(metrics.render())
    assert of(found, "learnae_monitoring_seconds_total", part="observer") > 0
    assert of(found, "learnae_monitoring_seconds_total", part="observer", peer="p01") == 0
    halves = [of(found, "learnae_monitoring_seconds_total", part="page", peer=name) for name in ("p00", "p01")]
    assert halves == [1.5, 1.5]


def test_a_claim_that_is_judged_again_is_one_entry() -> None:
    metrics = followed()
    poid = Poid(PeerId("other"), Address("0x1"))
    for verdict in (Verdict.WINNER, Verdict.LATER):
        metrics.observe(1.0, "p00", ClaimJudged(poid.peer, poid, Address("0x2"), verdict, None, 1, 1, 0))
    found = read(metrics.render())
    assert of(found, "learnae_directory_entries", verdict="later") == 1
    assert of(found, "learnae_directory_entries", verdict="winner") == 0


def test_how_long_calls_take_and_whether_anybody_answered() -> None:
    metrics = followed()
    for performed in (
        Performed("FetchModel", 0.03, None, 1000),
        Performed("FetchModel", 10.0, Reason.TIMEOUT),
        Performed("StoreModel", 0.01, None, 500),
        Performed("Announce", 0.02, None),
        Performed("ReadHead", 0.2, Reason.UNREACHABLE),
        Performed("TrainSlice", 2.0, None),
        Performed("TrainSlice", 0.5, None),
    ):
        metrics.performed("p00", performed)
        metrics.performed("stranger", performed)
    found = read(metrics.render())
    assert of(found, "learnae_fetch_seconds_count") == 2
    assert of(found, "learnae_fetch_seconds_bucket", le="0.05") == 1
    assert of(found, "learnae_announce_seconds_sum") == 0.02
    assert of(found, "learnae_work_seconds_total", kind="train") == 2.5
    assert of(found, "learnae_calls_total", target="store", outcome="failed") == 1
    assert of(found, "learnae_calls_total", target="chain", outcome="failed") == 1
    assert of(found, "learnae_moved_bytes_total", direction="fetched") == 1000
    assert of(found, "learnae_moved_bytes_total", direction="stored") == 500
    assert (of(found, "learnae_up", target="kubo"), of(found, "learnae_up", target="chain")) == (1, 0)


def test_a_model_that_no_other_peer_serves_does_not_say_that_ones_own_node_is_down() -> None:
    metrics = followed()
    for performed in (
        Performed("Announce", 0.02, None),
        Performed("ReadHead", 0.02, None),
        Performed("FetchModel", 10.0, Reason.TIMEOUT),
        Performed("SignClaim", 5.0, Reason.TIMEOUT),
    ):
        metrics.performed("p00", performed)
    found = read(metrics.render())
    assert (of(found, "learnae_up", target="kubo"), of(found, "learnae_up", target="chain")) == (1, 1)
    metrics.performed("p00", Performed("StoreModel", 5.0, Reason.TIMEOUT))
    assert of(read(metrics.render()), "learnae_up", target="kubo") == 0


def test_what_is_asked_at_a_scrape_counts_up_and_never_down() -> None:
    samples = iter(
        [
            Sample(received=Wei(ETHER), payments_received=2, gas=Wei(ETHER // 2), dropped={"repeat": 3}),
            Sample(received=Wei(0), balance=Wei(7 * ETHER), dropped={"repeat": 3}, peers_known=4, paused=True),
            Sample(received=Wei(2 * ETHER), payments_received=3, dropped={"repeat": 5}),
        ]
    )
    metrics = followed(lambda: next(samples))
    scrapes = [read(metrics.render()) for _ in range(3)]
    assert [of(each, "learnae_received_eth_total") for each in scrapes] == [1, 1, 2]
    assert [of(each, "learnae_payments_received_total") for each in scrapes] == [2, 2, 3]
    assert [of(each, "learnae_messages_dropped_total", reason="repeat") for each in scrapes] == [3, 3, 5]
    assert [of(each, "learnae_gas_eth_total") for each in scrapes] == [0.5] * 3
    assert [of(each, "learnae_peers_known") for each in scrapes] == [0, 4, 0]
    assert of(scrapes[1], "learnae_wallet_balance_eth") == 7
    assert of(scrapes[1], "learnae_paused") == 1
    with pytest.raises(KeyError):
        of(scrapes[0], "learnae_wallet_balance_eth")


def test_one_page_serves_all_peers_of_a_process() -> None:
    metrics = followed()
    metrics.follow("p01", "profiteer", Sample)
    metrics.observe(1.0, "p01", Trained(0, 1, Cid("own"), Score(1, 4)))
    found = read(metrics.render())
    assert of(found, "learnae_slices_total") == 0
    assert of(found, "learnae_slices_total", peer="p01", role="profiteer") == 1


def test_the_metrics_of_a_session_are_what_its_peer_did(staged: Callable[..., Stage]) -> None:
    async def play() -> None:
        stage = staged()
        asked = Asked(stage)
        asked.begin()
        assert asked.inside.live
        await all_of([asked.inside.live, stage.peer("p01"), stage.peer("p02")])
        status = await asked.get("/v1/status")
        answer = await asked.answer("GET", "/metrics", 200)
        assert answer.headers["content-type"].startswith("text/plain")
        found = read(answer.content)
        assert of(found, "learnae_slices_total") == status["slices"]["done"] == 3
        assert of(found, "learnae_attempts_total", outcome="adopted") == status["attempts"]["adopted"]
        assert of(found, "learnae_debts", state="final") == status["debts"]["final"]
        assert of(found, "learnae_sent_eth_total") == pytest.approx(
            sum(each["eth"] for each in await asked.get("/v1/payments/sent"))
        )
        assert of(found, "learnae_accuracy_ratio", rows="validation") == status["accuracy_validation"]["accuracy"]
        assert of(found, "learnae_wallet_balance_eth") == pytest.approx(status["balance"]["eth"])
        assert of(found, "learnae_peers_known") == 2
        assert of(found, "learnae_work_state", state="done") == of(found, "learnae_registered") == 1
        assert of(found, "learnae_fetch_seconds_count") >= status["attempts"]["scored"]
        assert of(found, "learnae_work_seconds_total", kind="train") > 0
        assert (of(found, "learnae_up", target="kubo"), of(found, "learnae_up", target="chain")) == (1, 1)

    asyncio.run(play())


def test_readings_are_counted_for_a_peer_that_follows_the_feed() -> None:
    counts = FeedCounts(verified=7, reordered=2, missing=1, refused={Reason.REPEAT: 3, Reason.FORK: 1})
    metrics = followed(lambda: Sample(feed=counts, newest_reading=1.5, feed_nodes=2))
    metrics.observe(0.0, "p00", RowsForwarded(PeerId("sensor"), 1, Cid("rows")))
    series = read(metrics.render())
    events = [of(series, "learnae_readings_total", event=event) for event in ("verified", "reordered", "announced")]
    assert events == [7, 2, 1]
    assert of(series, "learnae_refused_readings_total", reason="repeat") == 3
    assert of(series, "learnae_refused_readings_total", reason="contradicts an earlier message") == 1
    assert of(series, "learnae_missing_readings") == 1
    assert of(series, "learnae_newest_reading_seconds") == 1.5 and of(series, "learnae_feed_nodes_up") == 2
    for name in ("learnae_newest_reading_seconds", "learnae_feed_nodes_up"):
        assert (name, (("peer", "p00"), ("role", "trainer"))) not in read(followed().render())
