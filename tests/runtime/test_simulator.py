"""A swarm in virtual time: the same for the same seed, whatever the network and its peers do."""

from collections import Counter
from functools import partial

import pytest
from tests.helpers.swarms import finished, first, run, small

from learnae.errors import DriverError, Reason
from learnae.protocol.decisions import (
    Averaged,
    DebtChanged,
    DebtState,
    Published,
    Trained,
    WorkBegan,
    WorkChanged,
    WorkState,
)
from learnae.records.history import PeerCrashed, PeerRestarted
from learnae.runtime.simulator import TICK, Simulator
from learnae.session.faults import CUT, Link

# the same again


def test_the_same_seed_gives_the_same_history_and_the_same_chain_byte_for_byte() -> None:
    table = small(network={"loss": 0.1}, seed=5)
    once, again = run(table), run(table)
    assert once.lines == again.lines
    assert once.chain_lines == again.chain_lines
    assert once.verdict == again.verdict


def test_another_seed_gives_another_history() -> None:
    assert run(small(seed=5)).lines[1:] != run(small(seed=6)).lines[1:]


def test_keeping_journals_changes_nothing() -> None:
    assert run(small(), journals=True).lines == run(small(), journals=False).lines


def test_the_same_faults_at_the_same_time_give_the_same_history() -> None:
    def faults(simulator: Simulator) -> None:
        simulator.at(5.0, partial(simulator.crash, "p01"))
        simulator.at(9.0, partial(simulator.start, "p01"))
        simulator.at(7.0, partial(simulator.roll_back, 3))

    assert run(small(), faults).lines == run(small(), faults).lines


# endings


def test_a_session_ends_as_soon_as_nothing_can_happen_any_more() -> None:
    session = run(small(linger=600.0, work={"slices": 4, "patience": 5, "idle_after": 600.0}))
    assert session.ended_by == "quiet"
    assert session.verdict["verdict"] == "valid"
    assert finished(session)
    last = max(record.t for record, _ in (*session.history.facts(DebtChanged), *session.history.facts(Averaged)))
    assert last <= session.history.seconds <= last + 2 * TICK


@pytest.mark.parametrize("lost", ["announcement", "peer"])
def test_where_something_is_missing_a_session_ends_when_all_have_been_quiet_for_the_time_set(lost: str) -> None:
    def lose(simulator: Simulator) -> None:
        if lost == "peer":
            simulator.at(5.0, partial(simulator.kill, "p01"))
        else:
            simulator.net.links["p00", "p01"] = CUT

    session = run(small(linger=7.0), lose)
    last = max(record.t for record, _ in session.history.facts(WorkChanged))
    assert session.ended_by == "quiet"
    assert session.history.seconds >= last + 7.0


def test_a_session_that_does_not_end_is_closed_and_its_open_debts_are_named() -> None:
    session = run(small(max_duration=5.0))
    assert session.ended_by == session.verdict["ended_by"] == "max_duration"
    assert session.history.seconds == 5.0
    assert "every_peer_finished" in session.failing
    assert set(session.failing) <= {"every_peer_finished", "no_debt_left_open"}


def test_a_short_session_makes_no_payment_and_gives_up_its_debts() -> None:
    """Blocks are so slow that no claim is ever mined."""
    session = run(small(max_duration=30.0, chain={"block_time": 60.0}, start={"timeout": 0.0}))
    states = Counter(state for name in session.history.roster for state in session.debt_states(name))
    assert set(states) == {DebtState.UNCLAIMED}
    assert session.payments() == []


# pace and start


def test_a_pace_is_the_minimum_duration_of_every_slice_and_attempt() -> None:
    session = run(small(pace={"slice": 11.0, "attempt": 7.0}, max_duration=3600.0))
    for name in session.history.roster:
        begins = [
            (record.t, fact.work)
            for record, fact in session.history.facts(WorkChanged)
            if record.peer == name and fact.work in (WorkState.TRAINING, WorkState.MERGING)
        ]
        for (begun, work), (next_begun, _) in zip(begins, begins[1:], strict=False):
            assert next_begun - begun >= (11.0 if work is WorkState.TRAINING else 7.0) - 1e-9
    assert session.verdict["verdict"] == "valid"


def test_a_stretched_session_does_the_same_slices() -> None:
    quick, slow = run(small()), run(small(pace={"slice": 30.0, "attempt": 30.0}))
    assert slow.history.seconds > 5 * quick.history.seconds
    assert Counter(r.peer for r, _ in quick.history.facts(Trained)) == Counter(
        r.peer for r, _ in slow.history.facts(Trained)
    )


def test_work_begins_when_the_expected_identities_are_known() -> None:
    session = run(small())
    began = {record.peer: fact for record, fact in session.history.facts(WorkBegan)}
    assert {(fact.identities >= 6, fact.timed_out) for fact in began.values()} == {(True, False)}
    assert all(first(session, name, Trained) > first(session, name, WorkBegan) for name in session.history.roster)


def test_work_begins_after_the_timeout_if_too_few_are_known() -> None:
    session = run(small({"count": 5}, {"count": 1, "joins_at": 100.0}, start={"timeout": 12.0}))
    began = {record.peer: (record.t, fact) for record, fact in session.history.facts(WorkBegan)}
    assert {fact.timed_out for name, (_, fact) in began.items() if name != "p05"} == {True}
    assert {t for name, (t, _) in began.items() if name != "p05"} == {12.0}


def test_a_few_identities_are_enough_if_the_session_says_so() -> None:
    session = run(small({"count": 5}, {"count": 1, "joins_at": 100.0}, start={"peers": 3, "timeout": 12.0}))
    began = {record.peer: fact for record, fact in session.history.facts(WorkBegan)}
    assert not began["p00"].timed_out and began["p00"].identities >= 3


# the network


def test_announcements_that_are_lost_are_repeated() -> None:
    session = run(small(network={"loss": 0.5}))
    assert session.verdict["verdict"] == "valid"
    assert all(session.attempts(name) for name in session.history.roster)


def test_a_peer_hears_its_neighbours_only() -> None:
    session = run(small(peers=12, network={"degree": 2}))
    for name, host in session.simulation.simulator.hosts.items():
        neighbours = {other.config.peer for other in host.listeners}
        assert len(neighbours) == 2
        assert {fact.creator for fact in session.attempts(name)} <= neighbours
    assert session.verdict["verdict"] == "valid"


def test_a_cut_link_carries_neither_announcements_nor_models() -> None:
    def cut(simulator: Simulator) -> None:
        for name in simulator.hosts:
            simulator.net.links |= {("p00", name): CUT, (name, "p00"): CUT}

    session = run(small(start={"timeout": 5.0}), cut)
    assert session.attempts("p00") == []
    peer = session.host("p00").config.peer
    assert all(fact.creator != peer for _, fact in session.history.facts(Averaged))
    assert finished(session)
    assert session.verdict["verdict"] == "valid"


def test_two_halves_that_were_split_exchange_models_again() -> None:
    halves = ({"p00", "p01", "p02"}, {"p03", "p04", "p05"})
    parted = {(a, b) for x, y in (halves, halves[::-1]) for a in x for b in y}

    def part(simulator: Simulator) -> None:
        simulator.at(0.0, partial(simulator.net.links.update, dict.fromkeys(parted, CUT)))
        simulator.at(20.0, simulator.net.links.clear)

    session = run(small(start={"timeout": 5.0}, linger=15.0), part)
    names = {host.config.peer: name for name, host in session.simulation.simulator.hosts.items()}
    across = [
        record.t
        for record, fact in session.history.facts(Averaged)
        if (record.peer in halves[0]) != (names[fact.creator] in halves[0])
    ]
    assert across and min(across) > 20.0
    assert session.verdict["verdict"] == "valid"


def test_delays_make_a_session_longer_and_no_less_sound() -> None:
    def delay(simulator: Simulator) -> None:
        simulator.net.everywhere = Link(delay=3.0)

    session = run(small(), delay)
    assert session.history.seconds > run(small()).history.seconds
    assert session.verdict["verdict"] == "valid"


def test_every_announcement_that_is_dropped_is_counted_by_its_reason() -> None:
    session = run(small())
    dropped = sum((Counter(host.dropped) for host in session.simulation.simulator.hosts.values()), Counter[str]())
    assert set(dropped) <= {Reason.REPEAT, Reason.STALE}  # stale: overtaken by a newer one
    assert dropped[Reason.REPEAT] > 0
    strangers = run(small(peers=8, network={"max_peers": 3}))
    assert any(host.dropped.get(Reason.PEER_LIMIT) for host in strangers.simulation.simulator.hosts.values())
    assert strangers.verdict["verdict"] == "valid"


def test_a_model_is_still_served_when_its_creator_is_gone() -> None:
    """Resilience through data duplication (section 1.2): who has fetched a block serves it."""
    away = "p05"

    def leave(simulator: Simulator) -> None:
        simulator.at(30.0, partial(simulator.crash, away))

    late = {"count": 1, "joins_at": 60.0}
    session = run(small({"count": 1}, late, {"count": 4}, start={"timeout": 3.0}, linger=60.0), leave)
    gone = session.host(away).config.peer
    last = [fact.cid for record, fact in session.history.facts(Published) if record.peer == away][-1]
    holders = set(session.simulation.swarm.holders[last])
    assert away in holders and len(holders) > 1
    assert gone not in {fact.creator for fact in session.attempts("p01")}  # nobody repeats what it announced
    assert session.attempts("p01")


def test_a_block_is_fetched_from_any_peer_that_has_it() -> None:
    def faults(simulator: Simulator) -> None:
        """p00's links to p01 carry announcements and no blocks back: it has p00's models from the others."""
        simulator.net.links["p01", "p00"] = CUT

    session = run(small(), faults)
    creator = session.host("p00").config.peer
    assert creator in {fact.creator for fact in session.attempts("p01")}
    assert session.verdict["verdict"] == "valid"


# crashes


@pytest.mark.parametrize("away", [0.0, 4.0, 25.0])
def test_a_peer_that_is_killed_and_started_again_finishes(away: float) -> None:
    def crash(simulator: Simulator) -> None:
        simulator.at(6.0, partial(simulator.crash, "p01"))
        simulator.at(6.0 + away, partial(simulator.start, "p01"))

    session = run(small(linger=30.0), crash)
    assert [record.t for record, _ in session.history.facts(PeerCrashed)] == [6.0]
    assert [record.t for record, _ in session.history.facts(PeerRestarted)] == [6.0 + away]
    assert sum(record.peer == "p01" for record, _ in session.history.facts(Trained)) == 4
    assert finished(session)
    assert session.verdict["verdict"] == "valid"


@pytest.mark.parametrize("victim", ["p00", "p03"])
@pytest.mark.parametrize("at", [0.5, 4.0, 10.0])
def test_no_peer_is_essential(victim: str, at: float) -> None:
    """Section 1.1: none of them is essential to the training process."""

    def kill(simulator: Simulator) -> None:
        simulator.at(at, partial(simulator.crash, victim))

    session = run(small(), kill)
    assert session.ended_by == "quiet"
    assert set(session.failing) <= {"every_peer_finished", "no_debt_left_open"}
    assert all(
        state.terminal for name in session.history.roster if name != victim for state in session.debt_states(name)
    )


def test_a_peer_comes_back_only_where_journals_are_kept() -> None:
    def crash(simulator: Simulator) -> None:
        simulator.at(6.0, partial(simulator.crash, "p01"))
        simulator.at(7.0, partial(simulator.start, "p01"))

    with pytest.raises(DriverError, match="no journals"):
        run(small(), crash, journals=False)


# the chain


def test_work_goes_on_while_the_chain_is_away_and_payments_catch_up() -> None:
    def away(simulator: Simulator) -> None:
        simulator.at(6.0, simulator.ledger.stall)
        simulator.at(60.0, simulator.ledger.resume)

    session = run(small(), away)
    before = [record.t for record, _ in session.history.facts(Averaged)]
    assert [t for t in before if 6.0 < t < 60.0]
    final = [record.t for record, fact in session.history.facts(DebtChanged) if fact.state is DebtState.FINAL]
    assert max(final) > 60.0 and not [t for t in final if 8.0 < t < 60.0]
    assert session.verdict["verdict"] == "valid"


def test_what_cannot_be_paid_from_the_wallet_is_declined() -> None:
    session = run(small(chain={"balance": "0.002"}))
    reasons = Counter(
        changes[-1][1].reason for changes in session.history.debts.values() if changes[-1][1].reason is not None
    )
    assert set(reasons) == {str(Reason.FUNDS)}
    assert session.payments()
    assert session.verdict["verdict"] == "valid"


def test_batched_payments_move_the_same_money_in_fewer_transactions() -> None:
    """Each payment names the models that it is for, and all of them together name each model once."""
    sessions = [run(small(payment={"settle": settle, "threshold": "0.005"})) for settle in ("each", "batched")]
    owed, paid = [], []
    for session in sessions:
        assert session.verdict["verdict"] == "valid"
        debts = [changes[-1][1] for changes in session.history.debts.values()]
        assert {debt.state for debt in debts} == {DebtState.FINAL}
        assert sorted(cid for *_, cids, _ in session.payments() for cid in cids.split()) == sorted(
            debt.cid for debt in debts
        )
        owed.append(sum(debt.wei for debt in debts))
        paid.append(sum(wei for *_, wei in session.payments()))
    assert owed == paid
    each, batched = (len(session.payments()) for session in sessions)
    assert batched < 0.75 * each


def test_crashes_and_a_rollback_pay_no_batch_twice() -> None:
    def trouble(simulator: Simulator) -> None:
        simulator.at(6.0, lambda: simulator.roll_back(1000))
        for name in simulator.hosts:
            simulator.at(8.2, partial(simulator.kill, name))
            simulator.at(8.2, partial(simulator.start, name))

    session = run(small(payment={"settle": "batched", "threshold": "0.003"}), trouble)
    assert session.verdict["verdict"] == "valid"
    assert len(session.payments()) < len(session.history.debts)


def test_no_peer_spends_more_than_its_cap() -> None:
    session = run(small(reward={"cap": "0.001"}))
    for name in session.history.roster:
        assert sum(wei for payer, *_, wei in session.payments() if payer == session.wallet(name)) <= 10**15
    assert "cap" in {changes[-1][1].reason for changes in session.history.debts.values()}
    assert session.verdict["verdict"] == "valid"


def test_a_payee_that_reverts_is_refused_once_and_costs_no_payment() -> None:
    def refuse(simulator: Simulator) -> None:
        simulator.ledger.reverting.add(simulator.hosts["p00"].config.wallet)

    session = run(small(), refuse)
    assert session.received("p00") == 0
    states = {c[-1][1].state for c in session.history.debts.values() if c[-1][1].payee == session.wallet("p00")}
    assert states == {DebtState.REFUSED}
    assert session.verdict["verdict"] == "valid"
