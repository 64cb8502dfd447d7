"""Sessions in which the last peer, one without rows, trains on the rows by which it judges, and sells the models."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from statistics import fmean
from typing import Any

from tests.helpers.swarms import Run, run

from learnae.learn.datasets.dataset import Dataset, PeerRows
from learnae.runtime.torch_learning import TorchLearning
from learnae.session.session_file import parse
from learnae.session.settings import Session


@dataclass(frozen=True)
class Outcome:
    """Means over the seeds."""

    income: float  # ETH, of the attacker
    trainers_income: float  # ETH per trainer
    buyers_accuracy: float  # on test rows, of the other peers without rows


@dataclass(frozen=True)
class JudgingAttack:
    """``settings``: a session, without its groups.  ``buyers``: peers without rows, besides the attacker."""

    settings: dict[str, Any]
    trainers: int
    buyers: int
    table: Dataset | None = None

    def outcome(self, seeds: Sequence[int], repeats: int, one_block: bool = False) -> Outcome:
        """``repeats``: how often the attacker trains on each of its rows in one pass; 0: it is an ordinary peer.

        ``one_block``: all peers without rows judge by the same rows, as before each had a block of its own.
        """
        outcomes = [self._outcome(seed, repeats, one_block) for seed in seeds]
        return Outcome(
            fmean(each.income for each in outcomes),
            fmean(each.trainers_income for each in outcomes),
            fmean(each.buyers_accuracy for each in outcomes),
        )

    def _outcome(self, seed: int, repeats: int, one_block: bool) -> Outcome:
        ordinary = self._session(seed, attackers=0)

        def learning(session: Session) -> TorchLearning:
            return _Learning(parse(ordinary), self.trainers, repeats, one_block, self.table)

        ended = run(self._session(seed, attackers=1) if repeats else ordinary, journals=False, learning=learning)
        *others, income = [ended.received(name) / 1e18 for name in ended.history.roster]
        accuracies = _accuracies(ended)[self.trainers : -1]
        return Outcome(income, fmean(others[: self.trainers]), fmean(accuracies))

    def _session(self, seed: int, attackers: int) -> dict[str, Any]:
        """The attacker's role is that of a trainer, because it trains."""
        judges = {"count": self.buyers + 1 - attackers, "has_rows": False}
        groups = [{"count": self.trainers}, judges, *[{"count": 1}] * attackers]
        return self.settings | {"peers": self.trainers + self.buyers + 1, "groups": groups, "seed": seed}


class _Learning(TorchLearning):
    """Everybody holds the rows of the session without the attack."""

    def __init__(self, ordinary: Session, trainers: int, repeats: int, one_block: bool, table: Dataset | None) -> None:
        super().__init__(ordinary, threads=1, table=table)
        *others, attacker = self.split.peers
        if one_block:
            others[trainers:] = [attacker] * (len(others) - trainers)
        block = attacker.validation
        attacker = PeerRows(block.repeat(repeats), block)
        self.split = replace(self.split, peers=(*others, attacker))


def _accuracies(ended: Run) -> list[float]:
    """On test rows, by peer."""
    peers = [host.peer for host in ended.simulation.simulator.hosts.values()]
    models = [(index, kept.cid) for index, peer in enumerate(peers) if peer and (kept := peer.status().weights)]
    assert len(models) == len(peers)
    learning, blocks = ended.simulation.setup.learning, ended.simulation.swarm.blocks
    return [score.accuracy for score, *_ in learning.evaluate(models, blocks)]
