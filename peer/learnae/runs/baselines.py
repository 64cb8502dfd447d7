"""The content of ``baselines.json``: the same peers alone, always averaging, pooled ... (``learn.baselines``)."""

from collections.abc import Callable, Mapping
from typing import Any

from learnae.learn.aggregation import ROBUST
from learnae.learn.baselines import Baselines
from learnae.learn.weight_store import derive_seed
from learnae.runtime.memory_session import memory_keys
from learnae.runtime.torch_learning import TorchLearning
from learnae.session.roster import names, roster
from learnae.session.settings import Session


def run_baselines(
    session: Session,
    learning: TorchLearning,
    summary: Mapping[str, Any],
    tick: Callable[[str], None],
    aggregated: bool = False,
) -> dict[str, Any]:
    """Test accuracy {mean, min, max} over the peers that train, by baseline, with the swarm's from ``summary``.

    ``own``: mean accuracy on held-out rows of each peer's own distribution.  ``aggregated``: also those that combine
    several models at once.
    """
    members = roster(session.groups, session.peers, memory_keys(session), session.privacy)
    training = [i for i, member in enumerate(members) if member.trains]

    def slice_seed(peer: int, visit: int) -> int:
        return derive_seed(str(session.seed), members[training[peer]].peer, visit)

    rows = [learning.split.peers[index] for index in training]
    initial = learning.initial_block(names(session.peers)[training[0]])
    run = Baselines(learning.pool, learning.table, session, rows, initial, slice_seed, tick)
    weights = {"alone": run.alone(), "always-average": run.always_average(), "pooled": [run.pooled()]}
    if aggregated:
        weights |= {"fedavg": run.fedavg(), "gauntlet": run.gauntlet()}
        weights |= {name: run.robust(name, rule) for name, rule in ROBUST.items()}
    test = [learning.split.test] * len(rows)
    scores: dict[str, dict[str, float | None]]
    scores = {name: {**run.accuracy(models, test)} for name, models in weights.items()}
    if session.data.own_distributions:
        own = [learning.split.own_test[index] for index in training]
        scores = {name: score | {"own": run.accuracy(weights[name], own)["mean"]} for name, score in scores.items()}
    scores["swarm"] = {"mean": summary["accuracy_test_mean"], "min": summary["accuracy_test_min"], "max": None}
    if session.data.own_distributions:
        scores["swarm"]["own"] = summary["accuracy_own_mean"]
    return scores
