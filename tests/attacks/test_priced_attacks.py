"""What attacks of the simulator bring, in multiples of an honest peer's income: a bound for each claim of the docs."""

from functools import cache
from statistics import fmean
from typing import Any

import pytest
from tests.helpers.swarms import Run, groups, run

from learnae.analysis.money import Account, accounts
from learnae.runs.coalitions import simulate_coalition
from learnae.runtime.torch_learning import TorchLearning

pytestmark = pytest.mark.slow

SEEDS = (1, 2)
PEERS = 8
NO_ROWS = {"has_rows": False}


@cache
def ended(seed: int, *attack: tuple[str, Any]) -> Run:
    rows = {"rows": 1500, "validation_rows": 500, "test_rows": 500}
    table = {"peers": PEERS, "seed": seed, "data": rows, "work": {"passes": 2}, "evaluation_peers": 0}
    session = run(
        table | groups(dict(attack), {}), journals=False, learning=lambda session: TorchLearning(session, threads=1)
    )
    assert session.failing == []
    return session


def swarms(attack: dict[str, Any]) -> list[tuple[list[Account], list[Account]]]:
    """Attackers and others, for each seed."""
    sessions = [accounts(ended(seed, *attack.items()).history) for seed in SEEDS]
    return [(peers[: attack["count"]], peers[attack["count"] :]) for peers in sessions]


def received(peers: list[Account]) -> float:
    return fmean(peer.received_ether for peer in peers)


def income(attack: dict[str, Any]) -> float:
    """Of an attacker, in multiples of an honest peer's."""
    return fmean(received(attackers) / received(others) for attackers, others in swarms(attack))


def copies(forgery: str) -> dict[str, Any]:
    return {"count": 2, "policy": "copycat", "forgery": forgery} | NO_ROWS


def test_exact_copies_earn_nothing() -> None:
    """So a peer cannot run ahead of others' announcements, either."""
    assert income(copies("copy")) == 0.0


def test_what_is_made_of_others_models_sells_and_costs_its_maker_nothing() -> None:
    """No defence stops it: some of these peers sell, though none of them trains or pays."""
    forgeries = ("perturbed", "mean", "best-mix", "delta", "noisy-delta")
    assert max(income(copies(forgery)) for forgery in forgeries) > 0.1
    for forgery in forgeries:
        assert income(copies(forgery)) < 2.0
        assert not any(peer.sent for attackers, _ in swarms(copies(forgery)) for peer in attackers)


def test_a_sleeper_keeps_what_it_would_owe() -> None:
    found = swarms({"count": 2, "policy": "sleeper", "forgery": "perturbed"})
    spent = [[fmean(peer.sent_ether for peer in side) for side in sides] for sides in found]
    assert sum(sleeper for sleeper, _ in spent) < sum(honest for _, honest in spent)


def test_sybils_multiply_the_income_of_their_trainer() -> None:
    """It trains as much as each of the others, and its identities receive more than any of them."""
    attack = {"count": 4, "policy": "sybil", "leader": "p04"} | NO_ROWS
    shares = []
    for sybils, (leader, *others) in swarms(attack):
        shares.append(sum(peer.received_ether for peer in (*sybils, leader)) / received(others))
        assert not any(peer.sent for peer in sybils)
    assert fmean(shares) > 1.0


def test_an_under_reporter_pays_one_row_of_gain_for_each_average() -> None:
    attack = {"count": 2, "policy": "under-reporter"}
    for attackers, others in swarms(attack):
        each = [peer.sent_ether / peer.sent for peer in (*attackers, *others)]
        assert all(paid == pytest.approx(0.052 / 500) for paid in each[:2])
        assert fmean(each[2:]) > 2 * each[0]


@pytest.mark.parametrize("forgery", ["perturbed", "best-mix", "delta"])
def test_honest_peers_lose_no_more_than_two_points_of_test_accuracy(forgery: str) -> None:
    """They adopt nothing that is worse on their own rows: what they lose is money."""
    differences = []
    for seed, (_, others) in zip(SEEDS, swarms(copies(forgery)), strict=True):
        session = ended(seed, *copies(forgery).items()).simulation.session
        alone = simulate_coalition(TorchLearning(session, threads=1), frozenset(peer.name for peer in others))
        differences.append(fmean(peer.test or 0.0 for peer in others) - alone.mean)
    assert fmean(differences) > -0.02
