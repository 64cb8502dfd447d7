"""The baselines of a session (``learn.baselines``), run and scored: what ``baselines.json`` holds beside a run."""

import statistics
from collections.abc import Callable, Sequence
from typing import Any

import torch

from learnae.adapters.memory import keys
from learnae.config import Session
from learnae.core.types import Cid
from learnae.drivers.learning import TorchLearning
from learnae.learn.baselines import Baselines
from learnae.learn.jobs import ScoreJob
from learnae.learn.model import mlp
from learnae.learn.models import Models, seed_of
from learnae.roster import names, roster


def baselines(session: Session, learning: TorchLearning, tick: Callable[[str], None]) -> dict[str, Any]:
    """Test accuracy {mean, min, max} over the peers that train, by baseline."""
    members = roster(session.groups, session.peers, lambda name: keys(f"{session.seed} {name}"))
    training = [i for i, member in enumerate(members) if member.traits.has_rows and member.traits.trains]
    block = learning.initial_block(names(session.peers)[training[0]])
    models = Models(mlp(session.model, *learning.table.shape), {Cid("initial"): block}, learning.pool.models)
    initial = models.get(Cid("initial")).weights

    def dice(peer: int, visit: int) -> int:
        return seed_of(str(session.seed), members[training[peer]].peer, visit)

    rows = [learning.split.peers[index] for index in training]
    run = Baselines(learning.pool, learning.table, session, rows, initial, dice, tick)
    return {
        "alone": _scored(learning, run.alone()),
        "always-average": _scored(learning, run.always_average()),
        "pooled": _scored(learning, [run.pooled()]),
    }


def _scored(learning: TorchLearning, weights: Sequence[torch.Tensor]) -> dict[str, float]:
    network, test = mlp(learning.session.model, *learning.table.shape), learning.split.test
    tickets = [learning.pool.submit(ScoreJob(network, each, learning.table, test)) for each in weights]
    found = [ticket.result().correct / len(test) for ticket in tickets]
    return {"mean": statistics.fmean(found), "min": min(found), "max": max(found)}
