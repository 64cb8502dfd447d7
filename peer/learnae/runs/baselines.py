"""The baselines of a session (``learn.baselines``), put together: what ``baselines.json`` holds beside a run."""

from collections.abc import Callable, Mapping
from typing import Any

from learnae.learn.baselines import Baselines
from learnae.learn.weight_store import derive_seed
from learnae.runtime.memory_session import memory_keys
from learnae.runtime.torch_learning import TorchLearning
from learnae.session.roster import names, roster
from learnae.session.settings import Session


def baselines(
    session: Session, learning: TorchLearning, summary: Mapping[str, Any], tick: Callable[[str], None]
) -> dict[str, Any]:
    """The swarm of a verdict's ``summary`` among its baselines.

    Test accuracy {mean, min, max} over the peers that train, by baseline; ``own``: on rows like each peer's.
    """
    members = roster(session.groups, session.peers, memory_keys(session))
    training = [i for i, member in enumerate(members) if member.group.has_rows and member.group.trains]

    def dice(peer: int, visit: int) -> int:
        return derive_seed(str(session.seed), members[training[peer]].peer, visit)

    rows = [learning.split.peers[index] for index in training]
    initial = learning.initial_block(names(session.peers)[training[0]])
    run = Baselines(learning.pool, learning.table, session, rows, initial, dice, tick)
    weights = {"alone": run.alone(), "always-average": run.always_average(), "pooled": [run.pooled()]}
    test = [learning.split.test] * len(rows)
    found: dict[str, dict[str, float | None]]
    found = {name: {**run.accuracy(each, test)} for name, each in weights.items()}
    if session.data.own_distributions:
        own = [learning.split.own_test[index] for index in training]
        found = {name: score | {"own": run.accuracy(weights[name], own)["mean"]} for name, score in found.items()}
    found["swarm"] = {"mean": summary["accuracy_test_mean"], "min": summary["accuracy_test_min"], "max": None}
    if session.data.own_distributions:
        found["swarm"]["own"] = summary["accuracy_own_mean"]
    return found
