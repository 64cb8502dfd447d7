"""Measure the shipped rows: print the numbers of the data card, README.md, as Markdown.

    python data/measure.py                  # about one minute on one core

The file's rows are shuffled, so the first 200,000 train, the next 20,000 choose the epoch, the rest is held out.
"""

from __future__ import annotations

import argparse
import hashlib
import sys
import zipfile
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple, NoReturn

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn
from torch.nn.functional import cross_entropy

Numbers = NDArray[np.float64]

TRAIN, VALIDATION = 200_000, 20_000
WIDE, WIDE_EPOCHS = (128, 128, 128), 8
SMALL, SMALL_EPOCHS, SLICES = (64, 64), {1_000: 60, 10_000: 30, 200_000: 10}, 5


class Rows(NamedTuple):
    x: Tensor  # (R, 28) the features and the scaled mass
    y: Tensor  # (R,) 1 = signal
    mass: NDArray[np.int16]  # (R,)
    features: Numbers  # (R, 27) in GeV, radians and counts
    names: tuple[str, ...]  # (27,)

    def part(self, start: int, stop: int | None) -> tuple[Tensor, Tensor]:
        return self.x[start:stop], self.y[start:stop]


def load(path: Path) -> Rows:
    with np.load(path) as file:
        features, mass, label = file["features"].astype(np.float64), file["mass"], file["label"]
        mean, std, names = file["mean"], file["std"], tuple(map(str, file["names"]))
    scaled = (mass - mass.mean()) / mass.std()
    x = torch.from_numpy(np.column_stack([features, scaled]).astype(np.float32))
    return Rows(x, torch.from_numpy(label.astype(np.int64)), mass, features * std + mean, names)


def network(hidden: tuple[int, ...], dice: torch.Generator) -> nn.Sequential:
    """28 - hidden - 2 with ReLU, weights uniform within 1 / sqrt(inputs): larger ones cost .02 of AUC at 500 GeV."""
    layers: list[nn.Module] = []
    sizes = (28, *hidden, 2)
    for wide, narrow in zip(sizes, sizes[1:], strict=False):
        linear = nn.Linear(wide, narrow)
        for weights in (linear.weight, linear.bias):
            nn.init.uniform_(weights, -(wide**-0.5), wide**-0.5, generator=dice)
        layers += [linear, nn.ReLU()]
    return nn.Sequential(*layers[:-1])


def batches(rows: int, size: int, dice: torch.Generator) -> Iterator[Tensor]:
    order = torch.randperm(rows, generator=dice)
    for start in range(0, rows, size):
        yield order[start : start + size]


def margins(net: nn.Module, x: Tensor) -> Numbers:
    """(R,) positive where the network says signal."""
    with torch.no_grad():
        out = net(x)
    result: Numbers = (out[:, 1] - out[:, 0]).double().numpy()
    return result


def accuracy(net: nn.Module, x: Tensor, y: Tensor) -> float:
    return float(((margins(net, x) > 0) == y.numpy().astype(bool)).mean())


def auc(margin: Numbers, label: NDArray[np.int64]) -> float:
    """The chance that a signal row has a larger margin than a background row."""
    background = np.sort(margin[label == 0])
    signal = margin[label == 1]
    below, upto = (np.searchsorted(background, signal, side) for side in ("left", "right"))
    return float((below + upto).mean() / 2 / len(background))


def train_wide(x: Tensor, y: Tensor) -> nn.Module:
    """A net that is large enough for these rows: AdamW, one cycle of the learning rate."""
    dice = torch.Generator().manual_seed(0)
    net = network(WIDE, dice)
    optimiser = torch.optim.AdamW(net.parameters(), weight_decay=1e-3)
    steps = WIDE_EPOCHS * -(-len(x) // 500)
    schedule = torch.optim.lr_scheduler.OneCycleLR(optimiser, max_lr=3e-3, total_steps=steps)
    for _ in range(WIDE_EPOCHS):
        for rows in batches(len(x), 500, dice):
            optimiser.zero_grad()
            torch.autograd.backward(cross_entropy(net(x[rows]), y[rows]))
            optimiser.step()
            schedule.step()
    return net


def small_accuracy(data: Rows, start: int, size: int) -> float:
    """The paper's net and SGD on `size` rows: held-out accuracy at the epoch that validates best."""
    x, y = data.part(start, start + size)
    dice = torch.Generator().manual_seed(start)
    net = network(SMALL, dice)
    optimiser = torch.optim.SGD(net.parameters(), lr=0.05, momentum=0.9)
    scores: list[tuple[float, float]] = []
    for _ in range(SMALL_EPOCHS[size]):
        for rows in batches(size, 100, dice):
            optimiser.zero_grad()
            torch.autograd.backward(cross_entropy(net(x[rows]), y[rows]))
            optimiser.step()
        validation, held_out = data.part(TRAIN, TRAIN + VALIDATION), data.part(TRAIN + VALIDATION, None)
        scores.append((accuracy(net, *validation), accuracy(net, *held_out)))
    return max(scores)[1]


def report(data: Rows) -> Iterator[str]:
    """The lines of the data card's tables."""
    masses, label = np.unique(data.mass), data.y.numpy()
    yield "| mass | signal | background |\n|---:|---:|---:|"
    for mass in masses:
        signal, background = (int(((data.mass == mass) & (label == kind)).sum()) for kind in (1, 0))
        yield f"| {mass} | {signal:,} | {background:,} |"

    held_out = slice(TRAIN + VALIDATION, None)
    net = train_wide(*data.part(0, TRAIN))
    margin, label, mass_of = margins(net, data.x[held_out]), label[held_out], data.mass[held_out]
    yield f"\nNet {'-'.join(map(str, (28, *WIDE, 2)))}, {WIDE_EPOCHS} epochs of AdamW, {len(label):,} held-out rows:\n"
    yield "| mass | AUC |\n|---:|---:|"
    for mass in masses:
        yield f"| {mass} | {auc(margin[mass_of == mass], label[mass_of == mass]):.3f} |"
    yield f"| all | {auc(margin, label):.3f} |"
    yield f"\nIts accuracy: {((margin > 0) == label.astype(bool)).mean():.4f}."

    yield f"\nNet {'-'.join(map(str, (28, *SMALL, 2)))}, SGD .05/.9, batch 100, best epoch by validation:\n"
    yield "| training rows | nets | accuracy | lowest | highest |\n|---:|---:|---:|---:|---:|"
    for size in SMALL_EPOCHS:
        found = [small_accuracy(data, start, size) for start in range(0, TRAIN, size)[:SLICES]]
        yield f"| {size:,} | {len(found)} | {np.mean(found):.4f} | {min(found):.4f} | {max(found):.4f} |"

    yield "\n| feature | lowest | highest | mean | spread |\n|---|---:|---:|---:|---:|"
    for name, column in zip(data.names, data.features.T, strict=True):
        values = (column.min(), column.max(), column.mean(), column.std())
        yield f"| {name} | " + " | ".join(f"{round(value, 2) + 0.0:.2f}" for value in values) + " |"


class Parser(argparse.ArgumentParser):
    def error(self, message: str) -> NoReturn:
        self.exit(2, f"measure.py: {message}\n")


def main() -> int:
    parser = Parser(description="Print the numbers of the data card.")
    default = Path(__file__).parents[1] / "peer" / "learnae" / "resources" / "hepmass_like.npz"
    parser.add_argument("file", nargs="?", type=Path, default=default, help="default: the shipped rows")
    path = parser.parse_args().file
    try:
        data = load(path)
    except (OSError, KeyError, ValueError, zipfile.BadZipFile) as error:
        parser.error(f"{path.name} cannot be read: {error}.")
    if len(data.y) <= TRAIN + VALIDATION:
        parser.error(f"{path.name} has {len(data.y):,} rows, more than {TRAIN + VALIDATION:,} are needed.")
    torch.set_num_threads(1)  # two threads round differently and gain nothing with nets this small
    print(f"`{path.name}`: {len(data.y):,} rows, {path.stat().st_size:,} bytes, sha256")
    print(f"`{hashlib.sha256(path.read_bytes()).hexdigest()}`\n")
    for line in report(data):
        print(line, flush=True)
    return 0


if __name__ == "__main__":
    sys.exit(main())
