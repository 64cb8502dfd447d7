"""In privacy mode no row leaves its peer: every block of a session with real rows is read."""

from functools import partial
from typing import Any

import pytest
import torch
from tests.helpers.swarms import Run, run

from learnae.runtime.torch_learning import TorchLearning

pytestmark = pytest.mark.slow

TABLE: dict[str, Any] = {
    "peers": 4,
    "data": {"rows": 200, "validation_rows": 50, "judging_rows": 50, "test_rows": 200},
    "work": {"slices": 2, "patience": 2},
    "model": {"hidden": [8]},
    "groups": [{"count": 2}, {"count": 1, "computes": False}, {"count": 1, "has_rows": False}],
}


def rows_found(session: Run) -> set[str]:
    """The kinds of rows that are in any block: of training, validation or test."""
    learning = session.simulation.setup.learning
    assert isinstance(learning, TorchLearning)
    split = learning.split
    kinds = {
        "training": torch.cat([rows.train for rows in split.peers]),
        "validation": torch.cat([rows.validation for rows in split.peers]),
        "test": split.test,
    }
    blocks = list(session.simulation.swarm.blocks.values())
    found = set()
    for kind, rows in kinds.items():
        features = learning.table.select(rows.unsqueeze(0))[0][0]
        if any(row.numpy().tobytes() in block for row in features for block in blocks):
            found.add(kind)
    return found


@pytest.mark.parametrize(("privacy", "kinds"), [(True, set()), (False, {"training"})])
def test_only_training_rows_leave_their_peers_and_only_in_open_sessions(privacy: bool, kinds: set[str]) -> None:
    session = run(TABLE | {"privacy": privacy}, learning=partial(TorchLearning, threads=1))
    assert session.failing == []
    assert rows_found(session) == kinds
