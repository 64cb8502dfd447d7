"""Shapley values on games whose values are known, and against pyDVL."""

import asyncio
import itertools
import json
import random
import subprocess
import sys
from collections.abc import Callable

import pytest

from learnae.analysis.shapley import (
    NOBODY,
    Coalition,
    coalitions,
    contributions,
    estimates,
    exact,
    gini,
    leave_one_out,
    orders,
    pearson,
    spearman,
)

Game = Callable[[Coalition], float]


def airport(costs: dict[str, float]) -> Game:
    """Planes share a runway, which must be as long as the largest needs."""
    return lambda coalition: max((costs[player] for player in coalition), default=0.0)


def gloves(left: set[str]) -> Game:
    """A pair of gloves is worth 1."""
    return lambda coalition: float(min(len(coalition & left), len(coalition - left)))


def random_game(players: list[str], seed: int) -> Game:
    rng = random.Random(seed)
    values = {coalition: rng.random() if coalition else 0.0 for coalition in coalitions(players)}
    return values.__getitem__


AIRPORT = airport({"a": 8.0, "b": 11.0, "c": 13.0, "d": 18.0})


def test_shares_of_the_airport_game_are_the_known_ones() -> None:
    known = {"a": 2.0, "b": 3.0, "c": 4.0, "d": 9.0}
    assert exact(list("abcd"), AIRPORT) == pytest.approx(known)


def test_the_rare_glove_is_worth_most() -> None:
    assert exact(list("abc"), gloves({"a"})) == pytest.approx({"a": 2 / 3, "b": 1 / 6, "c": 1 / 6})


@pytest.mark.parametrize("seed", range(5))
def test_shares_are_the_mean_over_all_orders_and_add_up(seed: int) -> None:
    players = list("abcde")
    game = random_game(players, seed)
    shares = exact(players, game)
    assert sum(shares.values()) == pytest.approx(game(frozenset(players)))
    samples = [asyncio.run(_added(list(order), game, 0.0)) for order in itertools.permutations(players)]
    assert {player: one.value for player, one in estimates(players, samples).items()} == pytest.approx(shares)


async def _added(
    order: list[str], game: Game, tolerance: float, asked: list[Coalition] | None = None
) -> dict[str, float]:
    async def value(coalition: Coalition) -> float:
        if asked is not None:
            asked.append(coalition)
        return game(coalition)

    return await contributions(order, game(NOBODY), game(frozenset(order)), tolerance, value)


def test_an_order_ends_within_the_tolerance_and_its_shares_still_add_up() -> None:
    asked: list[Coalition] = []
    added = asyncio.run(_added(list("abcd"), airport({"a": 10.0, "b": 9.0, "c": 10.5, "d": 10.2}), 0.6, asked))
    assert asked == [frozenset("a")]
    assert added == pytest.approx({"a": 10.0, "b": 0.5 / 3, "c": 0.5 / 3, "d": 0.5 / 3})


def test_the_value_of_all_is_never_asked_for_again() -> None:
    asked: list[Coalition] = []
    asyncio.run(_added(list("abcd"), AIRPORT, 0.0, asked))
    assert asked == [frozenset("a"), frozenset("ab"), frozenset("abc")]


def test_sampled_shares_come_near_within_their_errors() -> None:
    players = list("abcdef")
    game = random_game(players, 9)
    shares = exact(players, game)
    samples = [asyncio.run(_added(order, game, 0.0)) for order in orders(players, 400, 1)]
    for player, estimate in estimates(players, samples).items():
        assert 0 < estimate.error < 0.05
        assert abs(estimate.value - shares[player]) < 4 * estimate.error


def test_orders_are_seeded_and_more_of_them_begin_with_the_same() -> None:
    players = list("abcdef")
    assert orders(players, 10, 1)[:4] == orders(players, 4, 1)
    assert orders(players, 10, 1) != orders(players, 10, 2)


def test_leaving_one_out() -> None:
    assert leave_one_out(list("abcd"), AIRPORT) == pytest.approx({"a": 0.0, "b": 0.0, "c": 0.0, "d": 5.0})


def test_measures_of_income() -> None:
    assert gini([1.0, 1.0, 1.0]) == pytest.approx(0.0)
    assert gini([0.0, 0.0, 0.0, 1.0]) == pytest.approx(0.75)
    assert gini([0.0, 0.0]) is None
    assert pearson([1.0, 2.0, 3.0], [2.0, 4.0, 6.0]) == pytest.approx(1.0)
    assert pearson([1.0, 1.0], [2.0, 4.0]) is None
    assert spearman([1.0, 2.0, 30.0], [1.0, 5.0, 6.0]) == pytest.approx(1.0)
    assert spearman([1.0, 1.0, 2.0], [5.0, 5.0, 9.0]) == pytest.approx(1.0)


PYDVL = """
import json
from pydvl.valuation.games import ShoesGame, SymmetricVotingGame

games = [ShoesGame(2, 4), ShoesGame(1, 6), ShoesGame(4, 4), SymmetricVotingGame(6)]
print(json.dumps([[float(value) for value in game.shapley_values().values] for game in games]))
"""


@pytest.mark.slow
def test_shares_are_those_of_pydvl_on_its_games() -> None:
    run = ["-m", "uv", "run", "-q", "--no-project", "--isolated", "--with", "pydvl==0.10.0", "python", "-c", PYDVL]
    done = subprocess.run([sys.executable, *run], capture_output=True, text=True, timeout=280)
    assert done.returncode == 0, done.stderr
    theirs = json.loads(done.stdout)
    players = list("abcdefgh")
    games: list[tuple[int, Game]] = [
        (6, gloves(set("ab"))),
        (7, gloves(set("a"))),
        (8, gloves(set("abcd"))),
        (6, lambda coalition: float(len(coalition) > 3)),
    ]
    for (count, game), values in zip(games, theirs, strict=True):
        assert list(exact(players[:count], game).values()) == pytest.approx(values, abs=1e-9)
