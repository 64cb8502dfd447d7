"""The checks of faults on histories written by hand."""

from dataclasses import replace

import pytest
from tests.helpers.histories import MODEL, PEER, ROSTER, SETTINGS, WALLET, score

from learnae.analysis.checks import CHECKS
from learnae.analysis.checks.faults import crossings
from learnae.protocol.decisions import Averaged, DebtChanged, DebtState, Published, Trained, WorkChanged, WorkState
from learnae.protocol.types import Cid, Wei
from learnae.records.history import (
    Effect,
    Fact,
    FaultBegan,
    FaultEnded,
    FaultsPlanned,
    History,
    PeerCrashed,
    PeerRestarted,
    ReadingPublished,
    Record,
    SessionBegan,
    SessionEnded,
)
from learnae.records.outcome import BackendName, EndedBy
from learnae.session.faults import Fault, FaultKind
from learnae.session.settings import Group, Session

Told = tuple[float, str, Fact]

SIDES = (("ann", "bob"), ("cat", "dan", "eve"))
CROSSED = Averaged(PEER["ann"], MODEL["ann 2"], score(1), score(2), True, Cid("bnew"), 9)
NEW = Published(2, MODEL["ann 2"])
DEBT = DebtChanged(0, PEER["ann"], MODEL["ann 1"], score(1), score(2), Wei(5), DebtState.SENT, WALLET["ann"])


PLAN = (Fault(FaultKind.CUT, 5.0, 10.0, targets=("ann",)),)
ONE_WAY = (Fault(FaultKind.CUT, 5.0, 10.0, one_way=True),)
LATER = replace(ONE_WAY[0], at=50.0)


def session(
    *told: Told,
    faulty: bool = True,
    until: float = 100.0,
    planned: int = 1,
    plan: tuple[Fault, ...] = PLAN,
    settings: Session = SETTINGS,
    sensor: str = "",
) -> History:
    settings = replace(settings, faults=plan) if faulty else settings
    roster = tuple(replace(entry, sensor=entry.name == sensor) for entry in ROSTER)
    began: list[Told] = [(0.0, "swarm", SessionBegan(1, BackendName.SIM, settings, roster, Cid("b")))]
    began += [(1.0, name, WorkChanged(WorkState.IDLE)) for name in PEER]
    began += [(5.0, "swarm", FaultsPlanned(planned))] * (planned > 0)
    rest = sorted([*told, (until, "swarm", SessionEnded(EndedBy.QUIET))], key=lambda each: each[0])
    return History(tuple(Record(*each) for each in [*began, *rest]))


def fault(kind: FaultKind, *targets: str, end: float | None = 20.0, effect: Effect = Effect.APPLIED) -> list[Told]:
    sides = SIDES if kind is FaultKind.SPLIT else ()
    began: Told = (10.0, "swarm", FaultBegan(0, kind, targets, sides))
    return [began] if end is None else [began, (end, "swarm", FaultEnded(0, effect))]


def happened(history: History) -> str:
    found = CHECKS["faults_happened"](history)
    return f"{found.result}: {found.reason}"


def recovered(history: History) -> str:
    found = CHECKS["recovered"](history)
    return f"{found.result}: {found.reason}"


def test_without_faults_there_is_nothing_to_show() -> None:
    quiet = session(faulty=False, planned=0)
    assert (happened(quiet), recovered(quiet)) == ("valid: ", "valid: ")


def test_a_fault_that_held_up_work_and_was_healed_has_happened() -> None:
    assert happened(session(*fault(FaultKind.KILL, "ann"))) == "valid: "


def test_faults_that_never_began_leave_the_result_unknown() -> None:
    assert happened(session(planned=0)) == "unknown: the session was over before its faults could begin"
    assert happened(session(*fault(FaultKind.KILL, "ann"), planned=3)) == "unknown: 2 faults never began"


def test_a_plan_without_a_fault_shows_nothing() -> None:
    assert happened(session((5.0, "swarm", FaultsPlanned(0)), planned=0)) == "unknown: the plan of its faults is empty"


def test_a_fault_that_did_nothing_leaves_the_result_unknown() -> None:
    ineffective = session(*fault(FaultKind.CUT, "ann", effect=Effect.INEFFECTIVE))
    assert happened(ineffective) == "unknown: cut at 10 s had no effect"


def test_a_cut_that_models_got_through_leaves_the_result_unknown() -> None:
    cut = [*fault(FaultKind.CUT, "ann"), (15.0, "ann", NEW)]
    assert happened(session(*cut, (17.0, "cat", CROSSED))) == "unknown: cut at 10 s let models through"
    assert happened(session(*cut, (17.0, "cat", CROSSED), plan=ONE_WAY)) == "valid: "
    both = session(*cut, (17.0, "cat", CROSSED), plan=(*PLAN, LATER))
    assert happened(both) == "unknown: cut at 10 s let models through"
    assert happened(session(*cut, (20.0, "cat", CROSSED))) == "valid: "  # a heal is recorded before it begins
    old = [*fault(FaultKind.CUT, "ann"), (9.0, "ann", NEW)]
    assert happened(session(*old, (17.0, "cat", CROSSED))) == "valid: "  # from another holder


def test_a_crossing_is_the_first_model_published_during_the_cut_that_is_averaged_on_its_other_side() -> None:
    cut = [*fault(FaultKind.SPLIT, *PEER), (15.0, "ann", NEW)]
    averaged: list[Told] = [(25.0, "bob", CROSSED), (26.5, "cat", CROSSED), (30.0, "dan", CROSSED)]
    assert [after for _, after in crossings(session(*cut, *averaged))] == [6.5]
    assert list(crossings(session(*cut))) == []
    assert list(crossings(session(*fault(FaultKind.SPLIT, *PEER, end=None), (15.0, "ann", NEW), *averaged))) == []
    assert list(crossings(session(*fault(FaultKind.KILL, "ann"), (15.0, "ann", NEW), *averaged))) == []


def test_a_fault_that_was_never_healed_leaves_the_result_unknown() -> None:
    unhealed = session(*fault(FaultKind.CUT, "ann", end=None))
    assert happened(unhealed) == "unknown: cut at 10 s was not healed before the session ended"
    assert recovered(unhealed) == "valid: "


def test_a_fault_among_peers_that_were_done_met_no_work_unless_they_were_woken() -> None:
    done = (2.0, "ann", WorkChanged(WorkState.DONE))
    assert happened(session(done, *fault(FaultKind.KILL, "ann"))) == "unknown: kill at 10 s hit only peers without work"
    assert happened(session(done, *fault(FaultKind.KILL, "ann", "bob"))) == "valid: "
    woken = (12.0, "ann", WorkChanged(WorkState.IDLE))
    assert happened(session(done, *fault(FaultKind.KILL, "ann"), woken)) == "valid: "


def test_a_fault_of_the_chain_meets_the_work_of_all_peers() -> None:
    assert happened(session(*fault(FaultKind.CHAIN_STOP))) == "valid: "


def interrupted(kind: FaultKind, *published: float) -> History:
    """The feed, or its only sensor, is down from 10 to 20 s; the sensor has two readings."""
    groups = (Group(), Group(count=1, sensor=True))
    settings = replace(SETTINGS, groups=groups, data=replace(SETTINGS.data, rows=200))
    readings: list[Told] = [(at, "eve", ReadingPublished(0, Cid(f"b{at}"))) for at in published]
    targets = ("eve",) * kind.of_sensors
    return session(*fault(kind, *targets), *readings, settings=settings, sensor="eve")


OF_READINGS = pytest.mark.parametrize("kind", [FaultKind.FEED_KILL, FaultKind.SENSOR_KILL, FaultKind.SENSOR_SLEEP])


@OF_READINGS
def test_a_fault_of_the_feed_or_of_a_sensor_must_begin_before_all_readings_are_published(kind: FaultKind) -> None:
    assert happened(interrupted(kind, 5.0, 25.0)) == "valid: "
    assert happened(interrupted(kind, 5.0, 6.0)) == f"unknown: {kind} at 10 s hit only peers without work"


# going on


@OF_READINGS
def test_a_reading_must_be_published_after_a_fault_of_the_feed_or_of_a_sensor_unless_none_is_left(
    kind: FaultKind,
) -> None:
    assert recovered(interrupted(kind, 5.0, 25.0)) == recovered(interrupted(kind, 5.0, 15.0)) == "valid: "
    late = f"invalid: 10 s after {kind} at 10 s was healed, no reading had been published"
    assert recovered(interrupted(kind, 5.0)) == recovered(interrupted(kind, 5.0, 35.0)) == late


def test_a_killed_peer_must_do_something_again_in_time() -> None:
    killed = fault(FaultKind.KILL, "ann")
    assert recovered(session(*killed)) == "invalid: 10 s after kill at 10 s was healed, ann had done nothing"
    assert "ann had done nothing" in recovered(session(*killed, (25.0, "ann", PeerCrashed())))
    assert "ann had done nothing" in recovered(session(*killed, (35.0, "ann", PeerRestarted())))
    assert recovered(session(*killed, (25.0, "ann", PeerRestarted()))) == "valid: "


def test_a_peer_that_was_done_need_not_do_anything() -> None:
    assert recovered(session((2.0, "ann", WorkChanged(WorkState.DONE)), *fault(FaultKind.KILL, "ann"))) == "valid: "


def test_a_session_that_ends_right_after_a_fault_need_not_show_recovery() -> None:
    assert recovered(session(*fault(FaultKind.KILL, "ann"), until=25.0)) == "valid: "


@pytest.mark.parametrize(("kind", "targets"), [(FaultKind.SPLIT, tuple(PEER)), (FaultKind.CUT, ("ann", "bob"))])
def test_models_published_behind_a_cut_must_cross_it_after_the_heal(kind: FaultKind, targets: tuple[str, ...]) -> None:
    cut = [*fault(kind, *targets), (15.0, "ann", NEW)]
    assert recovered(session(*cut)) == f"invalid: 10 s after {kind} at 10 s was healed, no new model had crossed"
    assert recovered(session(*cut, (25.0, "bob", CROSSED))).startswith("invalid")  # bob was on ann's side
    assert recovered(session(*cut, (31.0, "cat", CROSSED))).startswith("invalid")  # too late
    assert recovered(session(*cut, (25.0, "cat", CROSSED))) == "valid: "


def test_a_model_from_before_a_cut_does_not_show_that_it_was_healed() -> None:
    old = replace(CROSSED, remote_cid=MODEL["ann 1"])
    told = [
        *fault(FaultKind.CUT, "ann"),
        (9.0, "ann", Published(1, MODEL["ann 1"])),
        (15.0, "ann", NEW),
        (25.0, "cat", old),
    ]
    assert recovered(session(*told)) == "invalid: 10 s after cut at 10 s was healed, no new model had crossed"
    assert recovered(session(*told, (26.0, "cat", CROSSED))) == "valid: "


def test_isolated_peers_are_cut_off_from_each_other_too() -> None:
    cut = [*fault(FaultKind.ISOLATE, "ann", "bob"), (15.0, "ann", NEW)]
    assert recovered(session(*cut, (25.0, "bob", CROSSED))) == "valid: "


def test_without_new_models_nothing_has_to_cross() -> None:
    assert (
        recovered(session(*fault(FaultKind.CUT, "ann"), (25.0, "bob", Trained(1, 2, Cid("b"), score(3))))) == "valid: "
    )


def test_debts_that_were_open_when_the_chain_came_back_must_move() -> None:
    open_debt = (9.0, "bob", DEBT)
    stuck = session(open_debt, *fault(FaultKind.CHAIN_PAUSE))
    assert recovered(stuck) == "invalid: 10 s after chain-pause at 10 s was healed, nothing had been settled"
    assert recovered(session(open_debt, *fault(FaultKind.CHAIN_PAUSE), (22.0, "bob", DEBT))) == "valid: "
    assert recovered(session(*fault(FaultKind.CHAIN_PAUSE))) == "valid: "
    assert recovered(session((50.0, "bob", DEBT), *fault(FaultKind.CHAIN_PAUSE))) == "valid: "
