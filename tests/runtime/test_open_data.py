"""Sessions without privacy: who publishes rows, who trains on them, and what is refused."""

from collections import Counter
from typing import Any

import pytest
from tests.helpers.swarms import Run, run, small

from learnae.protocol.decisions import Adopted, Averaged, DebtChanged, DebtState, Trained
from learnae.protocol.replay import digest, new_peer, replay
from learnae.protocol.row_types import RowsPublished
from learnae.protocol.types import ETHER, PeerId
from learnae.runtime.simulator import Simulator

PROVIDER, PROFITEER = {"computes": False}, {"has_rows": False}
KEEPER = PROVIDER | PROFITEER


def crashes(simulator: Simulator) -> None:
    for name in simulator.hosts:
        simulator.crash_points |= {(name, number, 1) for number in range(3, 60, 9)}


def open_session(*groups: dict[str, Any], **changes: Any) -> dict[str, Any]:
    return small(*groups, privacy=False, **changes)


@pytest.fixture(scope="module")
def session() -> Run:
    return run(open_session({"count": 1}, {"count": 2, **PROVIDER}, {"count": 2, **PROFITEER}, {"count": 1, **KEEPER}))


def trained(session: Run, name: str) -> list[Trained]:
    return [fact for record, fact in session.history.facts(Trained) if record.peer == name]


def published(session: Run, *names: str) -> set[str]:
    return {str(fact.cid) for record, fact in session.history.facts(RowsPublished) if record.peer in names}


def test_an_open_session_is_valid(session: Run) -> None:
    assert session.failing == []


def test_it_ends_as_soon_as_nothing_can_happen_any_more(session: Run) -> None:
    last = max(record.t for record in session.history.of(Trained, Averaged, RowsPublished, DebtChanged))
    slow = run(open_session({"count": 2}, {"count": 2, **PROVIDER}, {"count": 2, **PROFITEER}, linger=1000.0))
    assert session.ended_by == slow.ended_by == "quiet"
    assert session.history.seconds - last < 5
    assert slow.history.seconds < 1000


def test_every_peer_with_rows_publishes_each_slice_once_and_nobody_else_does(session: Run) -> None:
    assert [len(published(session, f"p{index:02}")) for index in range(6)] == [4, 4, 4, 0, 0, 0]


def test_profiteers_begin_with_the_initial_weights_and_train_on_every_block_once(session: Run) -> None:
    for name in ("p03", "p04"):
        first = next(fact for record, fact in session.history.facts(Adopted) if record.peer == name)
        assert first.creator is None
        blocks = [str(fact.rows) for fact in trained(session, name)]
        assert sorted(blocks) == sorted(published(session, "p00", "p01", "p02"))


def test_a_trainer_trains_on_its_own_slices_and_on_those_of_others(session: Run) -> None:
    units = trained(session, "p00")
    assert sorted(fact.slice for fact in units if fact.rows is None) == [0, 1, 2, 3]
    assert {str(fact.rows) for fact in units if fact.rows} == published(session, "p01", "p02")


def test_providers_pay_profiteers_and_earn_nothing(session: Run) -> None:
    assert session.received("p03") + session.received("p04") > 0
    assert session.received("p01") == session.received("p02") == session.received("p05") == 0


ROLES = {"count": 1}, {"count": 2, **PROVIDER}, {"count": 2, **PROFITEER}, {"count": 1, **KEEPER}
BATCHED = {"payment": {"settle": "batched", "threshold": "0.001"}}


@pytest.mark.parametrize("settle", [{}, BATCHED], ids=["each", "batched"])
def test_where_rows_have_a_price_the_chain_pays_exactly_what_their_creators_are_owed(settle: dict[str, Any]) -> None:
    priced = run(open_session(*ROLES, reward={"data": "0.05"}, **settle))
    assert priced.failing == []
    debts = [changes[-1][1] for changes in priced.history.debts.values()]
    owed: Counter[str] = Counter()
    for debt in debts:
        assert debt.state in (DebtState.FINAL, DebtState.DECLINED) and (debt.wei == 0 or not debt.reason)
        owed[debt.creator] += debt.wei
    creators = {entry.peer: name for name, entry in priced.history.roster.items()}
    assert {creators[PeerId(peer)]: wei for peer, wei in owed.items()} == {
        name: priced.received(name) for name in ("p00", "p01", "p02", "p03", "p04")
    }
    for_rows = [debt.wei for debt in debts if debt.shares and creators[debt.creator] == "p01"]
    assert priced.received("p01") == sum(for_rows) > 0


def test_what_a_peer_owes_for_rows_is_bounded_by_its_whole_gain() -> None:
    priced = run(open_session(*ROLES, reward={"data": "0.05"}))
    for name in ("p00", "p03", "p04"):
        scores = [score for record, score in priced.history.kept if record.peer == name]
        gain = max(score.accuracy for score in scores) - scores[0].accuracy
        debts = [changes[-1][1] for (payer, _), changes in priced.history.debts.items() if payer == name]
        assert 0 < sum(debt.wei for debt in debts if debt.shares) <= 0.05 * gain * ETHER


def test_a_peer_that_crashes_where_rows_have_a_price_pays_for_each_block_once() -> None:
    priced = run(open_session(*ROLES, reward={"data": "0.05"}), crashes)
    assert priced.failing == []


def test_a_keeper_holds_all_rows(session: Run) -> None:
    held = {str(cid) for cid, holders in session.simulation.swarm.holders.items() if "p05" in holders}
    assert published(session, "p00", "p01", "p02") <= held


def test_the_number_of_blocks_is_limited_per_creator_and_in_all() -> None:
    groups = {"count": 2, **PROVIDER}, {"count": 4, **PROFITEER}
    few = run(open_session(*groups, network={"max_row_blocks_per_creator": 1}))
    assert {len(trained(few, f"p{index:02}")) for index in range(2, 6)} == {2}
    fewer = run(open_session(*groups, network={"max_row_blocks": 3}))
    assert {len(trained(fewer, f"p{index:02}")) for index in range(2, 6)} == {3}


def test_the_same_seed_gives_the_same_open_session_and_its_journals_replay(session: Run) -> None:
    again = run(open_session({"count": 1}, {"count": 2, **PROVIDER}, {"count": 2, **PROFITEER}, {"count": 1, **KEEPER}))
    assert again.lines == session.lines
    for host in session.simulation.simulator.hosts.values():
        replay(host.config, host.journal.replay())
        peer = new_peer(host.config)
        assert [digest(peer.handle(event)) for event, _ in host.journal.entries] == [d for _, d in host.journal.entries]


def test_a_peer_that_crashes_anywhere_in_an_open_session_ends_as_valid() -> None:
    session = run(open_session({"count": 2}, {"count": 2, **PROVIDER}, {"count": 2, **PROFITEER}), crashes)
    assert session.failing == []


def test_in_privacy_mode_no_rows_are_published() -> None:
    session = run(small({"count": 4}, {"count": 1, **PROVIDER}, {"count": 1, **KEEPER}))
    assert not published(session, *session.history.roster)
    assert not [block for block in session.simulation.swarm.blocks.values() if block.startswith(b"rows ")]
