"""Whenever a peer crashes and whatever blocks the chain loses, every debt is paid exactly once.

The session is made so that what it decides cannot depend on when exactly things happen, as far as a crash can shift
them: all begin at once (``start.timeout`` 0); each unit of work begins on a grid of 10 s, on which no duration and no
repetition of an announcement is longer than 5 s; the budget of 2 attempts a creator ends the session before a
peer that waits for models could react to one earlier or later than to another; and a peer fetches all models that it
receives, not only the first.
"""

import random
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import replace
from functools import cache, partial
from typing import Any

import pytest
from tests.helpers.swarms import Faults, Run, run, transfers

from learnae.analysis.checks import verdict
from learnae.protocol import fetches
from learnae.protocol.decisions import DebtState, RolledBack
from learnae.protocol.replay import new_peer
from learnae.records.chain_export import ChainRecord
from learnae.runtime.simulator import Simulator

NAMES = ("p00", "p01", "p02")
PACED: dict[str, Any] = {
    "seed": 2,
    "peers": len(NAMES),
    "data": {"rows": 200},
    "work": {"slices": 2, "patience": 4, "max_attempts_per_creator": 2, "idle_after": 15.0},
    "start": {"timeout": 0.0},
    "pace": {"slice": 10.0, "attempt": 10.0},
    "network": {"announce_every": 4.0},
    "max_duration": 600.0,
}
PARTS = 4  # of a journal, so that no test takes long
ALL = 1000  # blocks: more than there are

Point = tuple[str, int, int]


@pytest.fixture(autouse=True, scope="module")
def room_for_every_model() -> Iterator[None]:
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(fetches, "READY", len(NAMES))
        yield


@cache
def undisturbed() -> Run:
    return run(PACED)


def crash_points(name: str) -> Iterator[Point]:
    """After each append to this peer's journal: before its first action, between any two, and after the last."""
    host = undisturbed().host(name)
    peer = new_peer(host.config)
    for number, (event, _) in enumerate(host.journal.replay(), start=1):
        for done in range(len(peer.handle(event)) + 1):
            yield name, number, done


def crashes(*points: Point) -> Run:
    return run(PACED, lambda simulator: simulator.crash_points.update(points))


def losing(blocks: int, *moments: float, crashes: Sequence[Point] = ()) -> Faults:
    def faults(simulator: Simulator) -> None:
        simulator.crash_points.update(crashes)
        for moment in moments:
            simulator.at(moment, partial(simulator.roll_back, blocks))

    return faults


def away(moment: float, seconds: float, blocks: int) -> Faults:
    """The chain is away for a while, and has lost blocks when it comes back."""

    def faults(simulator: Simulator) -> None:
        simulator.at(moment, partial(simulator.roll_back, blocks))
        simulator.at(moment, simulator.ledger.stall)
        simulator.at(moment + seconds, simulator.ledger.resume)

    return faults


def same(session: Run) -> bool:
    """Ended by itself, valid, and everybody paid what it paid undisturbed."""
    return (
        session.ended_by == "quiet"
        and session.verdict["verdict"] == "valid"
        and session.payments() == undisturbed().payments()
    )


def test_undisturbed_the_session_is_valid_and_everybody_pays() -> None:
    assert same(undisturbed())
    assert all(set(undisturbed().debt_states(name)) == {DebtState.FINAL} for name in NAMES)


@pytest.mark.parametrize("part", range(PARTS))
@pytest.mark.parametrize("name", NAMES)
def test_wherever_a_journal_breaks_off_the_payments_are_the_same(name: str, part: int) -> None:
    points = list(crash_points(name))
    mine = points[part * len(points) // PARTS : (part + 1) * len(points) // PARTS]
    assert len(mine) > 25
    assert [point for point in mine if not same(crashes(point))] == []


def test_a_crash_after_every_event_of_every_peer_changes_no_payment() -> None:
    last = {(name, number): done for name in NAMES for name, number, done in crash_points(name)}
    assert same(crashes(*((name, number, 0) for name, number in last)))
    assert same(crashes(*((name, number, done) for (name, number), done in last.items())))


@pytest.mark.parametrize("blocks", [1, 2, 5, ALL])
def test_whenever_the_chain_loses_blocks_the_payments_are_the_same(blocks: int) -> None:
    moments = [second + 0.3 for second in range(1, int(undisturbed().history.seconds), 3)]
    assert [moment for moment in moments if not same(run(PACED, losing(blocks, moment)))] == []


def test_a_chain_that_loses_blocks_again_and_again_pays_in_the_end() -> None:
    session = run(PACED, losing(3, *range(5, 60, 4)))
    assert same(session)
    assert len({record.t for record, _ in session.history.facts(RolledBack)}) > 10


@pytest.mark.parametrize("seed", range(4))
def test_crashes_and_lost_blocks_together_change_no_payment(seed: int) -> None:
    dice = random.Random(seed)
    points = [point for name in NAMES for point in crash_points(name)]
    for _ in range(12):
        moments = [dice.uniform(0, undisturbed().history.seconds) for _ in range(2)]
        blocks, chosen = dice.choice((1, 3, ALL)), dice.sample(points, 3)
        assert same(run(PACED, losing(blocks, *moments, crashes=chosen))), (chosen, moments, blocks)


@pytest.mark.parametrize("seconds", [3.0, 20.0])
@pytest.mark.parametrize("moment", [1.0, 4.0, 14.0, 25.0])
def test_blocks_lost_while_a_peer_is_down_are_made_good_when_it_is_back(moment: float, seconds: float) -> None:
    """Its claim was rejected meanwhile, as not found: it is read again when it is announced again."""

    def faults(simulator: Simulator) -> None:
        simulator.at(moment, partial(simulator.crash, "p01"))
        simulator.at(moment + 0.5, partial(simulator.roll_back, ALL))
        simulator.at(moment + seconds, partial(simulator.start, "p01"))

    session = run(PACED, faults)
    assert session.verdict["verdict"] == "valid"
    assert {state for name in NAMES for state in session.debt_states(name)} == {DebtState.FINAL}


@pytest.mark.parametrize("moment", range(2, 60, 5))
def test_a_chain_that_is_away_delays_payments_and_changes_none(moment: float) -> None:
    """Also where it comes back without its last blocks, and where all work is done before it does."""
    assert [blocks for blocks in (0, 3, ALL) if not same(run(PACED, away(moment, 60.0, blocks)))] == []


def replaced_at(moment: float) -> tuple[Run, list[ChainRecord]]:
    """The session, and what the first of its two chains held."""
    first: list[ChainRecord] = []

    def faults(simulator: Simulator) -> None:
        simulator.at(moment, lambda: first.extend(simulator.ledger.export()))
        simulator.at(moment, simulator.replace_chain)

    return run(PACED, faults), first


@pytest.mark.parametrize("moment", [0.5, 1.5, 3.0, 12.0, 21.0, 22.0, 23.0, 24.0, 33.0, 42.0, 43.0, 50.0])
def test_on_another_chain_no_debt_is_paid_again(moment: float) -> None:
    """What was signed and not final is declined, because the first chain may hold it."""
    session, first = replaced_at(moment)
    paid = Counter((payer, cid) for payer, _, cid, _ in [*transfers(first), *transfers(session.chain)])
    assert all(times == 1 for times in paid.values())
    due = {(payer, cid): wei for payer, _, cid, wei in undisturbed().payments()}
    assert paid.keys() <= due.keys()
    for (payer, _), changes in session.history.debts.items():
        debt, key = changes[-1][1], (session.wallet(payer), str(changes[-1][1].cid))
        match debt.state:
            case DebtState.FINAL:
                assert paid[key] == 1 and debt.wei == due[key]
            case DebtState.DECLINED:
                assert debt.reason == "chain replaced"
            case state:
                pytest.fail(f"{state} is not an end")
    assert session.failing == []
    assert verdict(replace(session.history, chain=tuple(first)))["verdict"] == "valid", "as the first chain shows it"


def test_before_anything_was_signed_another_chain_makes_no_difference() -> None:
    assert same(replaced_at(6.0)[0])
