"""The live page's parts: where each peer stands, what is told of what happens, and what becomes of each debt."""

from dataclasses import replace
from typing import Any

import pytest
from tests.helpers.histories import (
    BOB_PAYS,
    GOOD,
    MODEL,
    NAMES,
    OF_THE_PAPER,
    PEER,
    ROSTER,
    SETTINGS,
    TOLD,
    WALLET,
    fact_is,
    score,
)

from learnae.analysis.checks import verdict
from learnae.analysis.peer_status import peer_statuses
from learnae.errors import Reason
from learnae.protocol.decisions import (
    AttemptFailed,
    Averaged,
    BooksClosed,
    BooksFailed,
    DebtChanged,
    DebtState,
    FetchFailed,
    IdentityChanged,
    IdentityState,
    Trained,
    TrainingFailed,
    WorkBegan,
    WorkChanged,
    WorkState,
)
from learnae.protocol.defence_types import Likeness
from learnae.protocol.policies import Policy
from learnae.protocol.row_types import RowsFetched, RowsPublished
from learnae.protocol.settings import WorkSettings
from learnae.protocol.types import Address, Cid, PeerId, Score, Wei
from learnae.records.history import (
    Effect,
    Fact,
    FaultBegan,
    FaultEnded,
    History,
    PeerCrashed,
    PeerRestarted,
    ReadingPublished,
    Record,
    SessionBegan,
)
from learnae.records.outcome import BackendName
from learnae.session.faults import FaultKind
from learnae.session.settings import Group, ScoreSettings
from learnae.web.charts.components import Charts
from learnae.web.charts.metric_words import accuracy_texts
from learnae.web.charts.money_charts import MAX_LIVE_MATRIX_PEERS
from learnae.web.charts.receipts import MAX_ROWS
from learnae.web.live_page.page import live_page
from learnae.web.live_page.parts import log_line, page_parts
from learnae.web.live_page.rows import RECEIPT_COLUMNS
from learnae.web.log_messages import describe
from learnae.web.report.money_section import money_section
from learnae.web.session_text import format_time

LEFT = BooksClosed(20, 3, 9, 2, Wei(10**15), works=False)
CALLED = {peer: name for name, peer in PEER.items()}


def phase(*facts: Fact) -> str:
    """Of ann after these."""
    records = (Record(0.0, *TOLD[0]), *(Record(1.0, "ann", fact) for fact in facts))
    return peer_statuses(History(records))[0].phase


def plain(text: str) -> str:
    return text.replace("\N{NO-BREAK SPACE}", " ")


@pytest.mark.parametrize(
    ("facts", "expected"),
    [
        ((), "registering"),
        ((WorkChanged(WorkState.IDLE),), "registering"),
        ((IdentityChanged(IdentityState.REGISTERED, None, None),), "waiting"),
        ((WorkBegan(1, True),), "waiting"),
        ((WorkChanged(WorkState.TRAINING),), "training"),
        ((WorkChanged(WorkState.MERGING),), "averaging"),
        ((WorkChanged(WorkState.DONE),), "done"),
        ((WorkChanged(WorkState.DONE), LEFT), "away"),
        ((LEFT, replace(LEFT, units=0, works=True), WorkChanged(WorkState.IDLE)), "registering"),
        ((WorkChanged(WorkState.TRAINING), PeerCrashed()), "down"),
        ((WorkChanged(WorkState.TRAINING), PeerCrashed(), PeerRestarted()), "training"),
    ],
)
def test_a_peer_is_in_the_phase_of_what_it_does(facts: tuple[Fact, ...], expected: str) -> None:
    assert phase(*facts) == expected


def test_every_peer_is_in_exactly_one_phase() -> None:
    for length in range(1, len(TOLD)):
        shown = page_parts(replace(GOOD, records=GOOD.records[:length]))
        assert sum(count for _, count in shown["phases"]) == len(NAMES)


def test_the_page_of_a_history_that_grows_is_that_of_the_whole_history() -> None:
    history = History(())
    for length in range(len(GOOD.records) + 1):
        records = GOOD.records[:length]
        history = history.grown(records)
        assert page_parts(history) == page_parts(History(records))


def test_the_log_has_sentences_with_the_names_of_the_roster() -> None:
    told = {plain(sentence["text"]) for record in GOOD.records if (sentence := log_line(record, CALLED))}
    assert "averaged with bob: 70.0% → 75.0%, kept" in told
    assert "averaged with ann: 69.0% → 68.0%, dropped" in told
    assert "owes ann 0.001650 ETH" in told and "paid ann 0.001650 ETH" in told
    assert "does not pay bob 0.000055 ETH (declined: policy)" in told
    assert any(each.startswith("rejects the claim of dan") for each in told)
    assert "Session ended: all peers finished and all debts are settled." in told


def test_the_log_tells_debts_for_rows_from_those_for_models() -> None:
    record = next(record for record in GOOD.records if isinstance(record.fact, DebtChanged))
    assert isinstance(record.fact, DebtChanged)
    line = log_line(replace(record, fact=replace(record.fact, shares=2)), CALLED)
    assert line and plain(line["text"]) == "owes bob 0.002750 ETH for rows"
    line = log_line(replace(record, fact=replace(record.fact, part_of=MODEL["bob 2"])), CALLED)
    assert line and plain(line["text"]) == "owes bob 0.002750 ETH for a parent of the model"


def test_faults_are_logged_with_their_targets() -> None:
    began = FaultBegan(0, FaultKind.SPLIT, ("ann", "bob"), (("ann",), ("bob",)))
    assert describe(began, CALLED) == "Fault started: split of ann, bob."
    assert describe(FaultEnded(0, Effect.APPLIED), CALLED) == "Fault ended."
    assert describe(FaultEnded(0, Effect.INEFFECTIVE), CALLED) == "Fault ended without effect: it blocked nothing."


def test_leaving_and_returning_is_logged_with_the_money_that_decided_it() -> None:
    assert describe(LEFT, CALLED) == "leaves: 20 units of work brought 0.001000 ETH, which is below their cost"
    back = replace(LEFT, units=0, works=True)
    assert describe(back, CALLED) == "returns to work: others get 0.001000 ETH for 2 models"
    assert describe(BooksFailed(Reason.TIMEOUT), CALLED) == "could not read what was paid: timeout"
    assert describe(replace(LEFT, works=True), CALLED) is describe(replace(back, works=False), CALLED) is None


def test_intermediate_steps_are_not_logged() -> None:
    for state in (DebtState.PAYABLE, DebtState.SIGNED, DebtState.SENT, DebtState.MINED):
        assert describe(replace(BOB_PAYS, state=state), CALLED) is None
    assert describe(WorkChanged(WorkState.IDLE), CALLED) is None


def test_a_peer_outside_the_roster_is_shown_by_the_beginning_of_its_id() -> None:
    failed = AttemptFailed(PeerId("12D3KooWstranger"), Cid("b"), Reason.TIMEOUT)
    assert describe(failed, CALLED) == "could not average with 12D3KooWstra…: timeout"
    lost = FetchFailed(PeerId("12D3KooWstranger"), Cid("b"), Reason.TIMEOUT)
    assert describe(lost, CALLED) == "could not fetch from 12D3KooWstra…: timeout"


def test_the_log_states_how_similar_a_refused_model_is() -> None:
    refused = AttemptFailed(PEER["bob"], Cid("b"), Reason.SIMILAR, Likeness(Cid("a"), Score(199, 200)))
    assert describe(refused, CALLED) == (
        "could not average with bob: nearly an earlier model of another creator (199 of 200 predictions are equal)"
    )


def test_a_lost_slice_is_in_the_log_with_its_reason() -> None:
    assert describe(TrainingFailed(3, Reason.TIMEOUT), CALLED) == "lost slice 3: timeout"
    diverged = describe(TrainingFailed(3, Reason.NOT_FINITE), CALLED)
    assert diverged == "lost slice 3: the training diverged; lower model.learning_rate"


OPEN_SESSION: tuple[Fact, ...] = (
    RowsPublished(1, Cid("own")),
    RowsFetched(PEER["bob"], Cid("good")),
    RowsFetched(PEER["bob"], Cid("bad")),
    Trained(0, 1, Cid("first"), score(600)),
    Trained(1, 2, Cid("second"), score(700), Cid("good")),
    TrainingFailed(2, Reason.LABELS, Cid("bad")),
)


def test_row_blocks_are_logged_as_published_fetched_trained_on_or_refused() -> None:
    assert [describe(fact, CALLED) for fact in OPEN_SESSION if not isinstance(fact, Trained) or fact.rows] == [
        "published row block 1",
        "fetched a row block of bob",
        "fetched a row block of bob",
        "trained on a received row block, number 1 of its creator: 70.0%",
        "refused a received row block, number 2 of its creator: labels out of range",
    ]


@pytest.mark.parametrize(("privacy", "expected"), [(False, ["1 of 10", "1", "1 of 2"]), (True, ["1 of 10", "-", "-"])])
def test_a_peers_row_counts_its_own_slices_and_the_row_blocks_of_an_open_session(
    privacy: bool, expected: list[str]
) -> None:
    assert GOOD.began
    began = replace(GOOD.began, session=replace(GOOD.began.session, privacy=privacy))
    records = (Record(0.0, "swarm", began), *(Record(1.0, "ann", fact) for fact in OPEN_SESSION))
    row = page_parts(History(records))["table:peers"][0]
    assert row["cells"][3:6] == expected


def test_a_sensors_row_shows_its_role_and_how_many_readings_it_has_published() -> None:
    assert GOOD.began
    first, *others = GOOD.began.roster
    sensor = replace(first, computes=False, wants_payment=False, sensor=True)
    session = replace(GOOD.began.session, privacy=False)
    began = replace(GOOD.began, session=session, roster=(sensor, *others))
    readings = (Record(1.0, first.name, ReadingPublished(number, Cid(f"rows {number}"), 5)) for number in (1, 2))
    row = page_parts(History((Record(0.0, "swarm", began), *readings)))["table:peers"][0]
    assert row["cells"][:2] == [first.name, "sensor, wants no payment"] and row["cells"][3:5] == ["-", "2"]


def test_each_debt_is_one_receipt_and_the_newest_comes_first() -> None:
    rows = page_parts(GOOD)["table:receipts"]
    assert len({row["key"] for row in rows}) == len(rows) == len(GOOD.debts)
    newest = max(GOOD.debts, key=lambda debt: GOOD.debts[debt][-1][0])
    assert rows[0]["key"] == f"{newest[0]} {newest[1]}"
    (bobs,) = [row for row in rows if row["cells"][1:3] == ["bob", "ann"]]
    assert bobs["cells"][3:5] == ["0.001650", "69.0% → 72.0%"] and bobs["cells"][5]["text"] == "final"
    assert bobs["cells"][6]["title"] == BOB_PAYS.tx


def test_a_receipt_is_downloaded_to_the_wei_with_its_whole_hashes() -> None:
    (bobs,) = [row for row in page_parts(GOOD)["table:receipts"] if row["key"] == "bob 0"]
    told = dict(zip(RECEIPT_COLUMNS, bobs["csv"], strict=True))
    assert (told["payer"], told["creator"], told["payee_wallet"]) == ("bob", "ann", WALLET["ann"])
    assert (told["amount_wei"], told["transaction"]) == (str(BOB_PAYS.wei), BOB_PAYS.tx)
    assert (told["accuracy_before"], told["accuracy_after"], told["state"]) == ("0.69", "0.72", "final")


def test_each_claim_has_its_verdict_and_the_reason_for_a_rejection() -> None:
    rows = {row["cells"][1]: row["cells"] for row in page_parts(GOOD)["table:claims"]}
    assert rows["bob"][5:] == [{"text": "winner", "dot": "winner"}, "1 of 1", "-"]
    assert rows["dan"][0] == "bob" and rows["dan"][5]["text"] == "later"
    assert rows["eve"][7] == "no proof of possession"


def test_of_many_debts_only_the_newest_are_shown() -> None:
    owed = (Record(float(n), "ann", replace(BOB_PAYS, debt=n)) for n in range(MAX_ROWS + 5))
    shown = page_parts(History((GOOD.records[0], *owed)))
    assert len(shown["table:receipts"]) == MAX_ROWS
    assert shown["texts"]["receipts"] == f"The newest {MAX_ROWS} of {MAX_ROWS + 5}."


def test_the_numbers_at_the_top_are_those_of_the_verdict() -> None:
    texts, summary = page_parts(GOOD)["texts"], verdict(GOOD)["summary"]
    assert texts["test"] == f"{summary['accuracy_test_mean']:.1%}"
    assert texts["mean test accuracy"] == "mean test accuracy"
    assert texts["success"] == f"{summary['averaging_success_rate']:.0%}"
    assert (texts["payments"], texts["ether"]) == ("2", "0.0044")


def test_a_page_of_a_session_with_another_metric_names_it_wherever_it_said_accuracy() -> None:
    assert GOOD.session
    began = next(record for record in GOOD.records if isinstance(record.fact, SessionBegan))
    assert isinstance(began.fact, SessionBegan)
    ours = replace(began.fact, session=replace(GOOD.session, score=ScoreSettings("auc")))
    history = History(tuple(replace(began, fact=ours) if record is began else record for record in GOOD.records))
    texts, names = page_parts(history)["texts"], accuracy_texts(live_page())
    assert {"mean test accuracy", "payer's accuracy", "Fig. 6 \N{EN DASH} Progress of model accuracy"} <= {*names}
    assert [texts[name] for name in names] == [name.replace("accuracy", "AUC") for name in names]


def test_pending_payments_are_counted_until_the_last_debt_is_settled() -> None:
    settled, before = page_parts(GOOD)["texts"], page_parts(replace(GOOD, records=GOOD.records[:-12]))["texts"]
    assert settled["open-debts"] == ""
    assert before["open-debts"] == ", 2 pending"


def test_test_accuracy_of_outdated_models_is_shown_with_their_time() -> None:
    running = replace(GOOD, records=GOOD.records[:-2])  # bob's second model is not scored yet
    [made] = [each.t for each in GOOD.records if fact_is("bob", Trained)(each)]
    shown = page_parts(running)
    assert (page_parts(GOOD)["texts"]["test-age"], shown["texts"]["test-age"]) == ("", f", as of {format_time(made)}")
    *_, test, validation = shown["chart:peers"]["data"]
    [last] = [each.t for each in GOOD.records if fact_is("ann", Averaged, cid=MODEL["ann 3"])(each)]
    assert max(test["x"], default=0) <= last < validation["x"][-1]


def test_means_begin_when_all_peers_have_a_model() -> None:
    """eve has none of her own, cat and dan do not follow the paper."""
    firsts = [each.t for each in GOOD.records if isinstance(each.fact, Trained)]
    *_, validation = page_parts(GOOD)["chart:peers"]["data"]
    assert max(firsts) <= validation["x"][0] < max(firsts) + 1


def test_the_comparison_with_the_paper_lists_only_known_values() -> None:
    parts = page_parts(OF_THE_PAPER)
    known = {row["key"]: row["cells"] for row in parts["table:results"]}
    assert known["payments sent per peer, range"][1:] == ["0–1", "3–16"]
    assert parts["session"]["of_the_paper"] and parts["texts"]["fig7-payments-paper"] == "The paper: 3–16, mean 9.4."
    assert "wall time" not in known
    found = verdict(GOOD)
    found["summary"]["wall_seconds"] = 12.0
    assert "wall time" in {row["key"] for row in page_parts(GOOD, found)["table:results"]}


def test_another_session_shows_none_of_the_papers_numbers() -> None:
    parts = page_parts(GOOD)
    assert {len(row["cells"]) for row in parts["table:results"]} == {2}
    assert not parts["session"]["of_the_paper"] and parts["texts"]["fig7-payments-paper"] == ""


def test_the_outcome_shows_the_root_of_the_seal() -> None:
    found = verdict(GOOD)
    assert "root" not in page_parts(GOOD, found)["verdict"]["text"]
    assert page_parts(GOOD, {"root": "5ea1", **found})["verdict"]["text"].endswith(" Records sealed with root 5ea1.")


def test_only_peers_with_a_reachable_api_have_a_link() -> None:
    rows: list[Any] = page_parts(GOOD, apis={"ann": "peers/ann"})["table:peers"]
    assert rows[0]["cells"][0] == {"text": "ann", "href": "peers/ann/v1/status"}
    assert rows[1]["cells"][0] == "bob"


def test_slices_are_counted_out_of_the_planned_ones() -> None:
    began = TOLD[0][1]
    assert isinstance(began, SessionBegan)
    session = replace(began.session, work=WorkSettings(slices=5, passes=2))
    first = Record(0.0, "swarm", replace(began, session=session))
    rows = page_parts(History((first, *GOOD.records[1:])))["table:peers"]
    assert [row["cells"][3] for row in rows[:3]] == ["1 of 10", "1 of 10", "-"]


def test_each_peers_line_begins_with_its_own_first_model_and_ends_now() -> None:
    (each, *_) = page_parts(GOOD)["chart:peers"]["data"]
    assert None in each["x"] and each["x"][-2] == GOOD.seconds
    assert min(value for value in each["y"] if value is not None) >= score(690).accuracy


@pytest.mark.parametrize(
    ("seconds", "told"), [(0, "0.0 s"), (59.9, "59.9 s"), (60, "1 min 00 s"), (719.9, "11 min 59 s")]
)
def test_session_time_is_told_in_minutes_as_soon_as_there_are_any(seconds: float, told: str) -> None:
    assert plain(format_time(seconds)) == told


CROWD = tuple(f"p{number:03}" for number in range(200))


def crowded() -> list[Record]:
    """Every one of 200 peers trained ten slices, averaged the models of seven others, and paid for four of them."""
    groups = (Group(),)
    entry = replace(ROSTER[0], policy=Policy.HONEST)
    roster = tuple(
        replace(entry, name=name, peer=PeerId(f"12D3{name}"), wallet=Address(f"0x{at:040x}"))
        for at, name in enumerate(CROWD)
    )
    session = replace(SETTINGS, peers=len(CROWD), groups=groups)
    told: list[tuple[str, Fact]] = [("swarm", SessionBegan(1, BackendName.SIM, session, roster, Cid("bmanifest")))]
    for slice in range(10):
        told += [(name, Trained(slice, slice + 1, Cid(f"{name} {slice}"), score(600 + slice))) for name in CROWD]
    for step in range(1, 8):
        for at, name in enumerate(CROWD):
            of = roster[(at + 31 * step) % len(CROWD)]
            cid, before, after, kept = Cid(f"{of.name} 9"), score(600 + step), score(601 + step), step <= 4
            told.append((name, Averaged(of.peer, cid, before, after, kept, Cid(f"{name} {9 + step}"), 10 + step)))
            if kept:
                owed = DebtChanged(step, of.peer, cid, before, after, Wei(10**14 * (1 + at)), DebtState.OWED)
                told += [(name, owed), (name, replace(owed, state=DebtState.FINAL, payee=of.wallet))]
    return [Record(at / 100, name, fact) for at, (name, fact) in enumerate(told)]


def test_the_work_of_an_update_with_200_peers_is_bounded() -> None:
    records = crowded()
    shown = page_parts(History(tuple(records)))
    assert len(shown["table:peers"]) == 200 and len(shown["table:receipts"]) == MAX_ROWS
    (matrix,) = shown["chart:matrix"]["data"]
    assert len(matrix["z"]) == MAX_LIVE_MATRIX_PEERS
    assert shown["texts"]["matrix"] == f" Only the {MAX_LIVE_MATRIX_PEERS} peers with the largest turnover are shown."
    report: Charts = {}
    money_section(History(tuple(records)), report)
    assert report["matrix"] and len(report["matrix"]["data"][0]["z"]) == 200, "the report is drawn once"
    assert len(shown["chart:flow"]["data"][0]["node"]["label"]) == 42
    *curves, peers = shown["chart:topology"]["data"]
    assert len(peers["x"]) == 200
    assert sum(curve["x"].count(None) for curve in curves) == 200 * 2, (
        "the last that each kept, and the last that it dropped"
    )
    assert len(shown["chart:peers"]["data"]) == 3  # one line for all peers, and two means
    after = page_parts(History((*records, Record(records[-1].t, "p007", WorkChanged(WorkState.TRAINING)))))
    changed = {name for name in shown if shown[name] != after[name]}
    assert changed == {"phases", "table:peers", "chart:topology"}
    rows = zip(shown["table:peers"], after["table:peers"], strict=True)
    assert [row["key"] for row, now in rows if row != now] == ["p007"]
