"""Checks of the records themselves: order, roles, attempts, tested models."""

from dataclasses import replace

import pytest
from tests.helpers.histories import GOOD, MODEL, PEER, SETTINGS, score

from learnae.analysis.checks import CHECKS, verdict
from learnae.analysis.checks.result import CheckOutcome
from learnae.errors import Reason
from learnae.protocol.decisions import AttemptFailed, Averaged, WorkChanged, WorkState
from learnae.protocol.policies import Policy
from learnae.protocol.types import Address, Cid, Score
from learnae.records.history import SWARM, Evaluated, Fact, History, PeerCrashed, Record, SessionBegan, SessionEnded
from learnae.records.outcome import EndedBy

BEGAN = GOOD.began
assert BEGAN


def found(check: str, history: History) -> str:
    """The reason of a check; empty if it is valid."""
    result = CHECKS[check](history)
    assert bool(result.reason) == (result.result is not CheckOutcome.VALID)
    return result.reason


def with_began(began: SessionBegan) -> History:
    return replace(GOOD, records=(Record(0.0, SWARM, began), *GOOD.records[1:]))


@pytest.mark.parametrize(
    ("records", "reason"),
    [
        (GOOD.records[1:] + GOOD.records[:1], "SessionBegan is recorded 1 times, or not first"),
        ((GOOD.records[0], *GOOD.records), "SessionBegan is recorded 2 times"),
        ((*GOOD.records, GOOD.records[-1]), "SessionEnded is recorded 2 times"),
        ((*GOOD.records[:-2], GOOD.records[-1], GOOD.records[-2]), "SessionEnded is recorded 1 times, or not last"),
        (
            (GOOD.records[0], Record(9.0, "ann", PeerCrashed()), Record(8.0, "ann", PeerCrashed())),
            "a record of ann at 8.0 s follows one at 9.0 s",
        ),
        ((GOOD.records[0], Record(-1.0, "ann", PeerCrashed())), "a record of ann at -1.0 s follows one at 0.0 s"),
    ],
)
def test_records_out_of_order_are_invalid(records: tuple[Record, ...], reason: str) -> None:
    assert reason in found("records_in_order", History(records))


def test_a_test_accuracy_may_be_measured_while_its_peer_works() -> None:
    tested = Record(9.0, "ann", Evaluated(MODEL["ann 1"], 1, score(700)))
    assert not found("records_in_order", History((GOOD.records[0], tested, Record(8.0, "ann", PeerCrashed()))))


def test_a_history_without_a_beginning_is_unknown() -> None:
    assert {verdict(History(()))["checks"][name]["result"] for name in ("records_in_order", "tested_models_exist")} == {
        "unknown"
    }


def test_roles_that_the_settings_do_not_give_are_invalid() -> None:
    assert BEGAN
    ann, *others = BEGAN.roster
    swapped = (replace(ann, policy=Policy.REFUSES_TO_PAY), *others)
    assert "ann has another role" in found("roles_match_settings", with_began(replace(BEGAN, roster=swapped)))
    paid = [replace(entry, payout=Address("0xcold")) for entry in BEGAN.roster]
    assert "ann is paid at 0xcold, but the settings name None" in found(
        "roles_match_settings", with_began(replace(BEGAN, roster=tuple(paid)))
    )
    assert "the roster has 4 peers" in found("roles_match_settings", with_began(replace(BEGAN, roster=tuple(others))))
    more = replace(BEGAN, session=replace(SETTINGS, peers=6))
    assert "the settings 6" in found("roles_match_settings", with_began(more))


BEGIN, END = WorkChanged(WorkState.MERGING), WorkChanged(WorkState.IDLE)
REJECTED = Averaged(PEER["bob"], MODEL["bob 1"], score(700), score(600), False, Cid("b"), 2)
FAILED = AttemptFailed(PEER["bob"], MODEL["bob 1"], Reason.TIMEOUT)


def attempts(*facts: Fact, peer: str = "ann") -> str:
    assert BEGAN
    ends = SessionEnded(EndedBy.QUIET)
    told = [(SWARM, BEGAN), *((peer, fact) for fact in facts), (SWARM, ends)]
    records = tuple(Record(float(number), name, fact) for number, (name, fact) in enumerate(told))
    return found("attempts_are_recorded", History(records))


def test_each_attempt_has_one_result() -> None:
    assert not attempts(END, REJECTED, BEGIN, REJECTED, END, FAILED, BEGIN, FAILED, REJECTED, END, BEGIN)
    assert "that ended at 2.0 s has no result" in attempts(BEGIN, END)
    assert "averaged at 3.0 s outside of an attempt" in attempts(BEGIN, REJECTED, REJECTED, END)
    assert "averaged at 4.0 s outside of an attempt" in attempts(BEGIN, REJECTED, END, REJECTED)


def test_of_a_peer_that_crashed_results_may_be_missing() -> None:
    assert not attempts(BEGIN, PeerCrashed(), END)


@pytest.mark.parametrize(
    ("tested", "reason"),
    [
        (Evaluated(MODEL["bob 1"], 1, score(700)), "ann never had the tested model"),
        (Evaluated(MODEL["ann 1"], 1, Score(7, 10)), "ann was tested on 10 rows, others on 1000"),
    ],
)
def test_tested_models_are_those_of_their_peers_on_the_same_rows(tested: Evaluated, reason: str) -> None:
    records = (*GOOD.records[:-1], Record(GOOD.seconds, "ann", tested), GOOD.records[-1])
    assert reason in found("tested_models_exist", History(records))


def test_what_a_crashed_peer_had_is_not_known() -> None:
    tested = Evaluated(MODEL["bob 1"], 1, score(700))
    records = (*GOOD.records[:-1], Record(GOOD.seconds, "eve", tested), GOOD.records[-1])
    assert not found("tested_models_exist", History(records))
