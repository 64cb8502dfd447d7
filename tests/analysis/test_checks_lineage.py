"""Parts for parents in a history: each is recomputed, and each breach is caught."""

from dataclasses import replace
from decimal import Decimal

import pytest
from tests.helpers.histories import BOB_OWES, MODEL, PARENTS, PEER, SETTINGS, amended, caught, fact_is, followed_by

from learnae.protocol.decisions import DebtChanged, DebtState, Published
from learnae.protocol.types import Cid, Parents, PeerId, Score, Wei
from learnae.records.history import History, SessionBegan

BY_DAN = Parents((MODEL["ann 1"], MODEL["dan 1"]), (PEER["ann"], PEER["dan"]))
PART = Wei(BOB_OWES.wei // 4)
FOR_DAN = replace(
    BOB_OWES,
    debt=1,
    creator=PEER["dan"],
    cid=MODEL["dan 1"],
    wei=PART,
    state=DebtState.DECLINED,
    part_of=MODEL["ann 2"],
)


def split(parents: Parents, *parts: DebtChanged, lineage: str = "0.5") -> History:
    """bob adopts ann's average, which names these parents, and owes her the rest and these parts."""
    reward = replace(SETTINGS.reward, lineage=Decimal(lineage))
    history = amended(fact_is("swarm", SessionBegan), session=replace(SETTINGS, reward=reward))
    history = amended(fact_is("ann", Published, cid=MODEL["ann 2"]), history, parents=parents)
    rest = BOB_OWES.wei - (PART if lineage != "0" else 0)
    history = amended(fact_is("bob", DebtChanged), history, wei=Wei(rest))
    second = history.debts["bob", 0][0][1].second
    for part in parts:
        priced = replace(part, second=second + part.second)
        history = followed_by(fact_is("bob", DebtChanged, state=DebtState.OWED, debt=0), priced, history)
    return history


def complaints(history: History) -> dict[str, str]:
    return {name: why for name, why in caught(history).items() if name.endswith(("function", "parts"))}


def test_the_creator_of_a_parent_is_owed_half_of_the_share() -> None:
    assert complaints(split(BY_DAN, FOR_DAN)) == {}


def test_nobody_owes_a_part_for_its_own_model() -> None:
    assert complaints(split(PARENTS)) == {}


@pytest.mark.parametrize(
    ("parts", "sentence"),
    [
        ((), f"bob does not owe {PEER['dan']} {PART} wei for {MODEL['dan 1']}, a parent of {MODEL['ann 2']}"),
        ((replace(FOR_DAN, wei=Wei(PART + 1)),), f"bob does not owe {PEER['dan']} {PART} wei"),
        ((FOR_DAN, replace(FOR_DAN, debt=2)), "which is not due"),
        ((replace(FOR_DAN, creator=PEER["ann"]),), f"bob does not owe {PEER['dan']}"),
        ((replace(FOR_DAN, part_of=Cid("another")),), f"bob does not owe {PEER['dan']}"),
    ],
    ids=["none", "too much", "twice", "to another", "for another model"],
)
def test_a_part_that_is_not_owed_like_that_is_caught(parts: tuple[DebtChanged, ...], sentence: str) -> None:
    found = complaints(split(BY_DAN, *parts))
    assert found.keys() == {"parents_get_their_parts"} and sentence in found["parents_get_their_parts"]


@pytest.mark.parametrize(
    "part",
    [
        replace(FOR_DAN, before=Score(0, 1000)),
        replace(FOR_DAN, after=Score(1, 1)),
        replace(FOR_DAN, second=1),
        replace(FOR_DAN, part_of=None),
    ],
    ids=["before", "after", "second", "no part"],
)
def test_a_part_has_the_scores_and_second_of_the_whole_debt_in_each_change(part: DebtChanged) -> None:
    opened = replace(FOR_DAN, state=DebtState.OWED)
    assert complaints(split(BY_DAN, FOR_DAN, opened)) == {}
    assert "which is not due" in complaints(split(BY_DAN, part, opened))["parents_get_their_parts"]
    if part.part_of:
        assert "does not owe" in complaints(split(BY_DAN, part))["parents_get_their_parts"]


def test_the_rest_is_what_the_parts_leave() -> None:
    found = complaints(split(replace(BY_DAN, creators=(PeerId("eve"), PEER["dan"])), FOR_DAN))
    assert f"not {BOB_OWES.wei - 2 * PART}" in found["amounts_follow_reward_function"]


def test_by_default_no_parent_is_paid() -> None:
    assert complaints(split(BY_DAN, lineage="0")) == {}
    assert "which is not due" in complaints(split(BY_DAN, FOR_DAN, lineage="0"))["parents_get_their_parts"]
