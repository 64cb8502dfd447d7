"""The verdict is the worst result of all checks, also for a history that is incomplete."""

import json
from dataclasses import replace
from typing import Any

import pytest
from tests.helpers.histories import GOOD, NAMES, PEER, ROSTER, amended, fact_is, followed_by, score, without

from learnae.analysis.checks import CHECKS, exit_code, verdict
from learnae.analysis.checks.summary import summary
from learnae.checkout import REPOSITORY
from learnae.protocol.decisions import Averaged, DebtChanged, DebtState, WorkChanged, WorkState
from learnae.protocol.policies import Policy
from learnae.protocol.types import Cid
from learnae.records.history import Evaluated, History, SessionBegan, SessionEnded
from learnae.records.outcome import EndedBy

KEYS = [
    "peers_expected",
    "peers_finished",
    "accuracy_test_mean",
    "accuracy_test_min",
    "accuracy_own_mean",
    "accuracy_validation_mean",
    "averaging_attempts",
    "averaging_success_rate",
    "payments_per_peer",
    "eth_sent_per_peer",
    "debts_by_state",
    "virtual_seconds",
]
NOTHING = {"min": None, "mean": None, "max": None}


def test_a_good_session_is_valid_and_exits_with_0() -> None:
    result = verdict(GOOD)
    assert (result["verdict"], result["ended_by"], exit_code(result)) == ("valid", "quiet", 0)
    assert result["checks"] == {name: {"result": "valid", "reason": ""} for name in CHECKS}
    assert list(result) == ["verdict", "ended_by", "checks", "unproven", "notices", "summary"]
    assert list(result["summary"]) == KEYS


def test_a_verdict_is_json() -> None:
    result = verdict(GOOD)
    assert json.loads(json.dumps(result, allow_nan=False)) == result


UNKNOWN: dict[str, Any] = {"chain": ()}
INVALID = without(fact_is("eve", WorkChanged, work=WorkState.DONE))


@pytest.mark.parametrize(
    ("history", "worst"),
    [
        (replace(GOOD, chain=()), "unknown"),
        (INVALID, "invalid"),
        (replace(INVALID, chain=()), "invalid"),
    ],
)
def test_the_worst_result_is_the_verdict_and_anything_but_valid_exits_with_1(history: History, worst: str) -> None:
    result = verdict(history)
    assert (result["verdict"], exit_code(result)) == (worst, 1)


def test_an_empty_history_is_unknown_and_has_no_numbers() -> None:
    result = verdict(History(()))
    assert (result["verdict"], result["ended_by"]) == ("unknown", "unknown")
    assert {each["result"] for each in result["checks"].values()} == {"unknown"}
    assert result["summary"] == dict.fromkeys(KEYS) | {
        "peers_expected": 0,
        "peers_finished": 0,
        "averaging_attempts": 0,
        "payments_per_peer": NOTHING,
        "eth_sent_per_peer": NOTHING,
        "debts_by_state": {},
        "virtual_seconds": 0.0,
    }


@pytest.mark.parametrize("length", range(len(GOOD.records)))
def test_no_prefix_of_a_history_is_valid_or_breaks_the_summary(length: int) -> None:
    result = verdict(replace(GOOD, records=GOOD.records[:length], chain=GOOD.chain[: length % 5]))
    assert result["verdict"] != "valid"
    assert result["ended_by"] == "unknown"


def test_peers_are_counted_from_the_roster() -> None:
    result = summary(INVALID)
    assert (result["peers_expected"], result["peers_finished"]) == (5, 4)


def test_test_accuracy_is_that_of_each_honest_peers_last_model() -> None:
    assert summary(GOOD)["accuracy_test_mean"] == pytest.approx((0.740 + 0.710) / 2)
    assert summary(GOOD)["accuracy_test_min"] == 0.710


def test_cheats_do_not_spoil_the_quality_of_the_session() -> None:
    poor = Evaluated(Cid("bd"), 1, score(100))
    with_dan = followed_by(fact_is("dan", WorkChanged, work=WorkState.DONE), poor)
    assert summary(with_dan)["accuracy_test_min"] == 0.710
    all_honest = tuple(replace(entry, policy=Policy.HONEST) for entry in ROSTER)
    assert summary(amended(fact_is("swarm", SessionBegan), with_dan, roster=all_honest))["accuracy_test_min"] == 0.1


def test_validation_accuracy_is_that_of_what_each_honest_peer_ended_with() -> None:
    """ann's last average, bob's, and eve's initial weights; what bob dropped is not his."""
    assert summary(GOOD)["accuracy_validation_mean"] == pytest.approx((0.760 + 0.720 + 0.500) / 3)


def test_the_success_rate_is_the_mean_over_peers_and_not_over_attempts() -> None:
    more = Averaged(PEER["ann"], Cid("br"), score(720), score(700), False, Cid("bc"), 3)
    history = followed_by(fact_is("bob", Averaged, adopted=True), more)
    assert summary(history)["averaging_attempts"] == 5
    assert summary(history)["averaging_success_rate"] == pytest.approx((2 / 2 + 1 / 3) / 2)


def test_payments_are_the_final_debts_of_honest_peers() -> None:
    assert summary(GOOD)["payments_per_peer"] == {"min": 0, "mean": pytest.approx(2 / 3), "max": 1}
    ether = {"min": 0.0, "mean": pytest.approx(0.0044 / 3), "max": 0.00275}
    assert summary(GOOD)["eth_sent_per_peer"] == ether


def test_a_payment_that_is_not_final_is_not_counted() -> None:
    history = amended(fact_is("ann", DebtChanged, state=DebtState.FINAL), state=DebtState.MINED)
    assert summary(history)["payments_per_peer"]["mean"] == pytest.approx(1 / 3)


def test_debts_are_everybodys_by_their_last_state_in_the_order_of_states() -> None:
    assert list(summary(GOOD)["debts_by_state"].items()) == [("final", 2), ("declined", 1), ("unclaimed", 1)]


def test_virtual_seconds_are_those_of_the_last_record() -> None:
    assert summary(GOOD)["virtual_seconds"] == len(GOOD.records) - 1


def test_an_interrupted_session_says_so() -> None:
    result = verdict(amended(fact_is("swarm", SessionEnded), ended_by=EndedBy.INTERRUPTED))
    assert (result["verdict"], result["ended_by"]) == ("invalid", "interrupted")
    assert result["summary"]["peers_finished"] == len(NAMES)


def test_the_readme_knows_how_many_checks_there_are() -> None:
    assert f"All {len(CHECKS)} checks passed" in (REPOSITORY / "README.md").read_text()
