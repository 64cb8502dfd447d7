"""Defaults that fit a table of the user's own: how many peers, how many rows each, and how often they train.

The defaults of the settings fit the shipped data, which has 280,000 rows.  Here they are upper limits: a small table is
divided among fewer peers, which train more often on smaller batches.  What a session file sets, stays.
"""

from collections.abc import Callable, Mapping
from typing import Any

from learnae.protocol.policies import Role
from learnae.session.roster import group_of_each_peer
from learnae.session.settings import LARGE_SOURCES, DataSettings, Session

CountRows = Callable[[DataSettings], int | None]  # None: the defaults fit these rows

FITTED = {
    "data": ("test_rows", "judging_rows", "validation_rows", "own_test_rows", "rows"),
    "work": ("slices", "passes"),
    "model": ("batch", "epochs", "learning_rate"),
}
MIN_PEERS, ROWS_PER_PEER = 4, 250  # fewer peers than by default, so that each holds so many rows
MIN_ROWS = 10  # to judge by
MIN_FITTED_ROWS = 2  # to train on, however small the table
SLICE, STEPS = 50, 5  # rows per slice, and batches in it, at least where there are enough rows
TRAINED = 10_000  # rows that a peer trains on, repetitions included, before it has gone through its slices ...
MAX_PASSES, EPOCHS = 5, 2_000  # ... and how much of that is repeated at once
MAX_EPOCHS = 10
SMALL_BATCH, SLOW = 50, 0.02  # below this batch, the default learning rate makes sgd unstable


def is_fitted(data: DataSettings) -> bool:
    """Whether sizes that are not set follow from the number of rows."""
    return data.path is not None or data.source not in LARGE_SOURCES


def is_complete(table: Mapping[str, Any]) -> bool:
    """Whether a session file sets all that would be fitted."""
    return "peers" in table and all(name in table.get(block, {}) for block, names in FITTED.items() for name in names)


def fitted(table: Mapping[str, Any], session: Session, total: int) -> dict[str, Any]:
    """A session file, completed for a table of ``total`` rows.  ``session``: the file with the usual defaults."""
    blocks = {block: dict(table.get(block, {})) for block in FITTED}

    def fit(block: str, name: str, value: int, least: int = 1) -> int:
        """The value of a setting: as in the file, or ``value``, between ``least`` and the usual default."""
        usual: int = getattr(getattr(session, block), name)
        if name not in blocks[block]:
            blocks[block][name] = min(usual, max(least, value))
            return int(blocks[block][name])
        return usual

    test = fit("data", "test_rows", total // 5)
    judging = fit("data", "judging_rows", total // 20, MIN_ROWS)
    fixed = {"peers", "groups", "faults"} & table.keys()
    peers = session.peers if fixed else min(session.peers, max(MIN_PEERS, (total - test) // ROWS_PER_PEER))
    roles = [group.role for group in group_of_each_peer(session.groups, peers)]
    holders = max(1, sum(map(roles.count, (Role.TRAINER, Role.PROVIDER, Role.SENSOR))))
    share = max(0, total - test - judging * max(1, roles.count(Role.PROFITEER))) // holders
    validation = fit("data", "validation_rows", share // 4, MIN_ROWS)
    own_test = fit("data", "own_test_rows", share // 5)
    rows = fit(
        "data", "rows", share - validation - (own_test if session.data.own_distributions else 0), MIN_FITTED_ROWS
    )
    slices = fit("work", "slices", rows // SLICE, 2)
    if "passes" not in blocks["work"]:
        blocks["work"]["passes"] = min(MAX_PASSES, max(1, TRAINED // rows))
    batch = fit("model", "batch", rows // slices // STEPS, STEPS)
    if "epochs" not in blocks["model"]:
        blocks["model"]["epochs"] = min(MAX_EPOCHS, max(session.model.epochs, EPOCHS // rows))
    slow = batch < SMALL_BATCH and session.model.optimizer == "sgd"
    blocks["model"].setdefault("learning_rate", SLOW if slow else session.model.learning_rate)
    return {**table, "peers": peers, **blocks}
