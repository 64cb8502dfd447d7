"""What each peer of a session contributed, beside what it earned."""

import asyncio
import csv
import json
from collections.abc import Callable, Coroutine, Iterable, Sequence
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path
from statistics import fmean
from typing import Any, TypeVar

from learnae.analysis.shapley import (
    MAX_EXACT,
    NOBODY,
    Coalition,
    Estimate,
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
from learnae.runs.coalitions import CoalitionResult, Coalitions
from learnae.session.roster import names
from learnae.session.settings import Session

VALUE, FIGURE = "value.json", "value.png"

T = TypeVar("T")
Progress = Callable[[str, int, int], None]


class Worth(StrEnum):
    """What a coalition is worth."""

    MEMBERS = "members"  # the mean test accuracy of its members
    PUBLIC = "public"  # the test accuracy of the mean of their models

    def of(self, result: CoalitionResult) -> float:
        return result.mean if self is Worth.MEMBERS else result.public


@dataclass(frozen=True)
class PeerValue:
    """A row of the result.  Accuracies are on test data; money is in ETH, without gas."""

    peer: str
    shapley: float
    shapley_error: float  # standard error; 0 if exact
    leave_one_out: float
    alone: float
    in_swarm: float
    earned: float
    spent: float

    @property
    def gain(self) -> float:
        """What the peer gains by collaboration."""
        return self.in_swarm - self.alone


@dataclass(frozen=True)
class Valuation:
    """The values of all peers in the session of one seed.  ``simulated``: number of coalitions."""

    seed: int
    worth: Worth
    nobody: float
    everybody: float
    peers: Sequence[PeerValue]
    simulated: int

    @property
    def measures(self) -> dict[str, float | None]:
        """A measure is None where it is not defined, such as the Gini coefficient if nobody earned anything."""
        income, share = [peer.earned for peer in self.peers], [peer.shapley for peer in self.peers]
        gains = [peer.gain for peer in self.peers]
        return {
            "correlation of income and value": pearson(income, share),
            "correlation of their ranks": spearman(income, share),
            "Gini coefficient of income": gini(income),
            "collaboration gain, mean": fmean(gains),
            "collaboration gain, least": min(gains),
            "collaboration gain, greatest": max(gains),
        }

    def to_json(self) -> dict[str, Any]:
        peers = [{**vars(peer), "gain": peer.gain} for peer in self.peers]
        return {**vars(self), "peers": peers, "measures": self.measures}


async def valuation(
    session: Session,
    folder: Path,
    worth: Worth,
    permutations: int,
    tolerance: float,
    jobs: int,
    progress: Progress,
) -> Valuation:
    """Simulate the coalitions that are needed, and compute the values.

    ``progress`` is called with what is counted, how many are done, and how many there are.  Raises InputError.
    """
    players = names(session.peers)
    everybody = frozenset(players)
    async with Coalitions(session, folder, jobs) as game:

        async def value_of(coalition: Coalition) -> float:
            return worth.of(await game.result(coalition))

        few = session.peers <= MAX_EXACT
        needed = [NOBODY, everybody, *(frozenset({one}) for one in players), *(everybody - {one} for one in players)]
        wanted = coalitions(players) if few else needed
        await _counted(map(value_of, wanted), "coalitions", progress)
        values = {coalition: worth.of(result) for coalition, result in game.results.items()}
        if few:
            shares = {name: Estimate(share, 0.0, 1) for name, share in exact(players, values.__getitem__).items()}
        else:
            turns = asyncio.Semaphore(2 * jobs)

            async def one_order(order: Sequence[str]) -> dict[str, float]:
                async with turns:
                    return await contributions(order, values[NOBODY], values[everybody], tolerance, value_of)

            chosen = orders(players, permutations, session.seed)
            shares = estimates(players, await _counted(map(one_order, chosen), "orders", progress))
        left_out, together = leave_one_out(players, values.__getitem__), game.results[everybody]
        peers = [
            PeerValue(
                name,
                shares[name].value,
                shares[name].error,
                left_out[name],
                values[frozenset({name})],
                together.accuracy[name],
                together.earned[name],
                together.spent[name],
            )
            for name in players
        ]
        return Valuation(session.seed, worth, values[NOBODY], values[everybody], peers, len(game.results))


def write(valuation: Valuation, folder: Path) -> None:
    """Write value.json, value.csv and the figure."""
    (folder / VALUE).write_text(json.dumps(valuation.to_json(), indent=2) + "\n", encoding="utf-8")
    with (folder / "value.csv").open("w", newline="", encoding="utf-8") as file:
        writer = csv.DictWriter(file, [*vars(valuation.peers[0])])
        writer.writeheader()
        writer.writerows(map(vars, valuation.peers))
    draw(valuation, folder / FIGURE)


def draw(valuation: Valuation, path: Path) -> None:
    """Income against value, one point per peer, with standard errors."""
    from learnae.analysis.figures.plot import styled
    from learnae.analysis.figures.spec import BLUE, INK

    with styled(7, 4.5) as canvas:
        axes = canvas.subplots()
        x, y = [peer.shapley for peer in valuation.peers], [peer.earned for peer in valuation.peers]
        axes.errorbar(x, y, xerr=[peer.shapley_error for peer in valuation.peers], fmt="o", color=BLUE, elinewidth=1)
        for peer in valuation.peers:
            axes.annotate(peer.peer, (peer.shapley, peer.earned), (4, 4), textcoords="offset points", color=INK)
        axes.set_title("What peers earned, and what they contributed")
        axes.set_xlabel("Shapley value (test score)")
        axes.set_ylabel("ETH earned")
        canvas.savefig(path, metadata={"Software": None})


# private


async def _counted(work: Iterable[Coroutine[Any, Any, T]], what: str, progress: Progress) -> list[T]:
    """The results of all, in order."""
    tasks = [asyncio.ensure_future(one) for one in work]
    for number, finished in enumerate(asyncio.as_completed(tasks), 1):
        await finished
        progress(what, number, len(tasks))
    return [task.result() for task in tasks]
