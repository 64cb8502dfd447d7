"""Write the work: the rows, test rows and initial weights of LEARNAE's own session, for all rivals."""

from pathlib import Path

import torch
from bench.rivals import work
from torch import Tensor

from learnae.learn.datasets.partition import load_partitioned
from learnae.learn.model import create_network
from learnae.learn.serialization import decode_block
from learnae.learn.weight_store import initial_block
from learnae.session.session_file import load, to_toml
from learnae.session.settings import Session

SESSION = Path(__file__).parents[1] / "sim.toml"
FILE = "session.toml"  # in the folder of the work


def prepare(folder: Path, session_file: Path = SESSION) -> None:
    """``session_file``: one slice, any number of passes over it, equal rows."""
    session = load(session_file)
    table, parts = load_partitioned(session)
    network = create_network(session.model, *table.shape)
    initial = decode_block(network, initial_block(session, str(session.seed), "", table.shape)).weights
    model = session.model
    settings = work.Settings(
        session.work.passes, model.batch, model.learning_rate, model.momentum, model.hidden, session.seed
    )
    rows = torch.stack([peer.train for peer in parts.peers])
    test = table.select(parts.test)
    tensors: list[Tensor] = [*table.select(rows), *test]
    work.save(folder, settings, network.tensors(initial), *tensors)
    (folder / FILE).write_text(to_toml(session), encoding="utf-8")


def session_of(folder: Path) -> Session:
    return load(folder / FILE)
