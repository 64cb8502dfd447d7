"""Sessions in which each identity locks a stake: it comes back, and identities without it earn nothing."""

from typing import Any

from tests.helpers.swarms import SMALL, Run, groups, run

from learnae.analysis.fee_pool import pool_calls
from learnae.analysis.money import accounts, flows, left_in_pool
from learnae.protocol.blockchain import POOL
from learnae.protocol.decisions import DebtState
from learnae.protocol.types import ETHER, Address
from learnae.records.chain_export import Balances
from learnae.runtime.simulator import Simulator

STAKE = ETHER // 50
STAKED: dict[str, Any] = SMALL | {"defence": {"stake": "0.02", "window": 200}}
KINDS = ("deposit", "report", "withdrawal")


def calls(session: Run, name: str) -> tuple[str, ...]:
    """The kinds of the pool's transactions that succeeded, in order."""
    wallet = session.wallet(name)
    made = (call for call in pool_calls(session.history) if call.transaction.sender == wallet)
    return tuple(call.kind for call in made if call.succeeds)


def held(session: Run, wallet: Address) -> int:
    return session.history.exports(Balances)[-1].balances.get(wallet, 0)


def test_peers_pay_as_without_stakes_and_each_stake_comes_back_at_the_end() -> None:
    session = run(STAKED)
    assert session.failing == [] and session.ended_by == "quiet"
    assert {calls(session, name) for name in session.history.roster} == {KINDS}
    assert held(session, POOL) == 0 and not any(left_in_pool(session.history).values())
    assert all(call.paid == STAKE == call.stake for call in pool_calls(session.history) if call.kind == "withdrawal")
    states = [state for name in session.history.roster for state in session.debt_states(name)]
    assert states and set(states) == {DebtState.FINAL}
    assert sum(peer.received for peer in accounts(session.history)) == len(states)


def test_models_of_identities_without_a_stake_are_never_averaged() -> None:
    session = run(STAKED | groups({"count": 4}, {"count": 2, "stakes": False}))
    assert session.failing == [] and session.ended_by == "quiet"
    assert calls(session, "p04") == calls(session, "p05") == ()
    creators = {fact.creator for name in ("p00", "p01", "p02", "p03") for fact in session.attempts(name)}
    assert creators and creators.isdisjoint({session.host("p04").config.peer, session.host("p05").config.peer})
    paid = {(flow.payer, flow.payee) for flow in flows(session.history) if flow.payer not in ("p04", "p05")}
    assert paid and {payee for _, payee in paid}.isdisjoint({"p04", "p05"}), "those without buy from each other alone"


def test_a_profiteer_waits_for_stakes_before_it_takes_its_first_model() -> None:
    session = run(STAKED | groups({"count": 5}, {"count": 1, "has_rows": False}))
    assert session.failing == [] and session.attempts("p05")


def test_fees_and_stakes_go_together() -> None:
    session = run(STAKED | {"defence": {"kind": "profiles", "stake": "0.02", "window": 200}})
    assert session.failing == []
    paid = [call.paid for call in pool_calls(session.history) if call.kind == "withdrawal"]
    assert len(paid) == 6 and min(paid) >= STAKE and 0 <= 6 * (STAKE + ETHER // 100) - sum(paid) <= 6


def test_killed_in_each_phase_a_peer_gets_its_stake_back_once() -> None:
    def kills(simulator: Simulator) -> None:
        for second in range(1, 16):
            simulator.at(second + 0.2, lambda: simulator.kill("p00"))
            simulator.at(second + 0.5, lambda: simulator.start("p00"))

    session = run(STAKED, kills)
    assert session.failing == [] and calls(session, "p00") == KINDS


def test_the_stake_of_a_peer_that_never_returns_is_kept_and_the_others_have_theirs_after_the_window() -> None:
    session = run(
        STAKED | {"max_duration": 400.0, "linger": 100.0, "defence": {"stake": "0.02", "window": 60}},
        lambda simulator: simulator.at(6.0, lambda: simulator.kill("p00")),
    )
    assert set(session.failing) == {"every_peer_finished", "no_debt_left_open"}, "its own"
    assert calls(session, "p00") == ("deposit",)
    assert {calls(session, name) for name in session.history.roster if name != "p00"} == {KINDS}
    assert held(session, POOL) == STAKE == left_in_pool(session.history)["p00"]


def test_a_replaced_chain_holds_the_stakes_anew() -> None:
    session = run(STAKED, lambda simulator: simulator.at(8.0, simulator.replace_chain))
    assert session.failing == [] and calls(session, "p00") == KINDS


def test_after_a_rollback_each_stake_is_locked_and_comes_back_once() -> None:
    session = run(STAKED, lambda simulator: simulator.at(8.0, lambda: simulator.roll_back(1000)))
    assert session.failing == [] and calls(session, "p00") == KINDS


def test_models_of_a_peer_that_never_returns_to_a_replaced_chain_had_a_stake() -> None:
    def lost(simulator: Simulator) -> None:
        simulator.at(7.0, lambda: simulator.kill("p05"))
        simulator.at(9.0, simulator.replace_chain)

    session = run(STAKED | {"work": {"slices": 6, "patience": 8}, "max_duration": 400.0, "linger": 60.0}, lost)
    assert "models_have_stakes" not in session.failing and calls(session, "p05") == ()
    assert session.host("p05").config.peer in {fact.creator for fact in session.attempts("p01")}
