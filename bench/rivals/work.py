"""The work that all rivals do, as files in a folder, and what each program around a rival reports.

This module and the programs run in the environments of the rivals, so they import only torch and NumPy.

Shapes: P peers, n training rows per peer, t test rows, F features.
"""

import json
import sys
import time
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass
from functools import cached_property
from importlib.metadata import version
from pathlib import Path

import numpy as np
import torch
from torch import Tensor, nn

SETTINGS, INITIAL = "settings.json", "initial.pt"
ARRAYS = ("features", "labels", "test_features", "test_labels")

State = dict[str, Tensor]  # of a network, by name


@dataclass(frozen=True)
class Settings:
    """How to train: SGD with momentum, a fresh optimizer for each pass."""

    passes: int
    batch: int
    learning_rate: float
    momentum: float
    hidden: tuple[int, ...]
    seed: int


@dataclass(frozen=True, eq=False)
class Work:
    """The rows of every peer, the test rows and the common initial weights."""

    folder: Path
    settings: Settings
    initial: State

    @cached_property
    def features(self) -> Tensor:  # (P, n, F) float32
        return self._array("features")

    @cached_property
    def labels(self) -> Tensor:  # (P, n) int64
        return self._array("labels")

    @property
    def peers(self) -> int:
        return len(self.labels)

    def network(self) -> nn.Sequential:
        """A network with the initial weights."""
        widths = (self.features.shape[-1], *self.settings.hidden, 2)
        layers: list[nn.Module] = []
        for inputs, outputs in zip(widths, widths[1:], strict=False):
            layers += [nn.Linear(inputs, outputs), nn.ReLU()]
        network = nn.Sequential(*layers[:-1])
        network.load_state_dict(self.initial)
        return network

    def train(self, network: nn.Module, peer: int, number: int) -> None:
        """One pass of a peer over its rows, as a training loop is usually written."""
        chosen = self.settings
        optimizer = torch.optim.SGD(network.parameters(), lr=chosen.learning_rate, momentum=chosen.momentum)
        generator = torch.Generator().manual_seed((chosen.seed * 1000 + peer) * 1000 + number)
        features, labels = self.features[peer], self.labels[peer]
        for rows in torch.split(torch.randperm(len(labels), generator=generator), chosen.batch):
            optimizer.zero_grad()
            torch.autograd.backward(nn.functional.cross_entropy(network(features[rows]), labels[rows]))
            optimizer.step()

    def accuracy(self, state: State) -> float:
        network = self.network()
        network.load_state_dict(state)
        with torch.inference_mode():
            predicted = network(self._array("test_features")).argmax(1)
        return float((predicted == self._array("test_labels")).float().mean())

    @classmethod
    def load(cls, folder: Path) -> "Work":
        written = json.loads((folder / SETTINGS).read_text(encoding="utf-8"))
        settings = Settings(**{**written, "hidden": tuple(written["hidden"])})
        return cls(folder, settings, torch.load(folder / INITIAL))

    def _array(self, name: str) -> Tensor:
        return torch.from_numpy(np.load(self.folder / f"{name}.npy"))


def save(folder: Path, settings: Settings, initial: State, *arrays: Tensor) -> None:
    """``arrays``: in the order of ``ARRAYS``."""
    folder.mkdir(parents=True, exist_ok=True)
    (folder / SETTINGS).write_text(json.dumps(asdict(settings)), encoding="utf-8")
    torch.save({name: tensor.clone() for name, tensor in initial.items()}, folder / INITIAL)
    for name, array in zip(ARRAYS, arrays, strict=True):
        np.save(folder / f"{name}.npy", array.numpy())


def copy_of(network: nn.Module) -> State:
    return {name: tensor.detach().clone() for name, tensor in network.state_dict().items()}


def program(train: Callable[[Work], Sequence[State]], package: str = "torch") -> None:
    """Run ``train`` on the work of the command line and write what came of it: ``python -m PROGRAM FOLDER RESULT``.

    The clock runs from the rows in memory to the final models.  It includes everything that the rival starts, and
    neither imports nor the accuracies on the test rows.  ``train`` returns the models of the peers, or the only one.
    """
    torch.set_num_threads(1)  # more threads make these small matrices slower
    work = Work.load(Path(sys.argv[1]))
    torch.optim.SGD([nn.Parameter(torch.zeros(1))])  # the first optimizer imports torch's compiler, which takes seconds
    count = work.features.shape[0] * work.labels.shape[1]  # reads both arrays
    began = time.perf_counter()
    models = train(work)
    seconds = time.perf_counter() - began
    found = {
        "version": version(package),
        "rows": count,
        "seconds": seconds,
        "accuracies": [work.accuracy(state) for state in models],
    }
    Path(sys.argv[2]).write_text(json.dumps(found), encoding="utf-8")
