"""The plain training loop that times are compared with: 20 peers x 10,000 rows x 20 passes, and nothing around it.

    .venv/bin/python bench/loop.py [--peers 20]

An MLP 28-64-64-2, SGD with momentum, batches of 100, one thread, written as such loops usually are.  Imports and
reading the rows do not count.  ``--peers 5`` trains a quarter of the peers and reports four times what they take.
"""

import argparse
import time
from dataclasses import dataclass

import torch
from torch import Tensor, nn

from learnae.learn.datasets.sources import load_dataset
from learnae.session.settings import DataSettings

PEERS, ROWS, PASSES, BATCH = 20, 10_000, 20, 100


@dataclass(frozen=True)
class Loop:
    """Seconds of the whole loop, by the clock and of the processor."""

    wall: float
    processor: float


def measure(peers: int = PEERS) -> Loop:
    threads = torch.get_num_threads()
    torch.set_num_threads(1)  # more threads make these small matrices slower
    table = load_dataset(DataSettings())
    parts = [table.select(torch.arange(ROWS) + ROWS * peer) for peer in range(peers)]
    began, used = time.perf_counter(), time.process_time()
    for features, labels in parts:
        train(features, labels)
    wall, processor = time.perf_counter() - began, time.process_time() - used
    torch.set_num_threads(threads)
    return Loop(wall * PEERS / peers, processor * PEERS / peers)


def train(features: Tensor, labels: Tensor) -> nn.Module:
    network = nn.Sequential(nn.Linear(28, 64), nn.ReLU(), nn.Linear(64, 64), nn.ReLU(), nn.Linear(64, 2))
    optimizer = torch.optim.SGD(network.parameters(), lr=0.05, momentum=0.9)
    for _ in range(PASSES):
        for rows in torch.split(torch.randperm(ROWS), BATCH):
            optimizer.zero_grad()
            loss = nn.functional.cross_entropy(network(features[rows]), labels[rows])
            loss.backward()  # type: ignore[no-untyped-call]
            optimizer.step()
    return network


if __name__ == "__main__":
    parser = argparse.ArgumentParser()
    parser.add_argument("--peers", type=int, default=PEERS)
    taken = measure(parser.parse_args().peers)
    print(f"plain loop: {taken.wall:.1f} s, of the processor {taken.processor:.1f} s")
