"""The machine's limit: only the batched matrix products of this work, at its shapes, on all cores.  Learns nothing.

A step is, per layer, the product forward, that for the gradient of the weights and, above the first layer, that for the
gradient of the inputs, over all peers of a thread at once.  Narrow layers are padded as in LEARNAE, which is faster.
"""

import os
from concurrent.futures import ThreadPoolExecutor

import torch
from bench.rivals.work import State, Work, program

from learnae.learn.mlp import MIN_WIDTH


def train(work: Work) -> list[State]:
    threads = min(os.cpu_count() or 1, work.peers)
    shares = [work.peers * (i + 1) // threads - work.peers * i // threads for i in range(threads)]
    with ThreadPoolExecutor(threads) as executor:
        list(executor.map(lambda peers: _products(work, peers), shares))
    return []


def _products(work: Work, peers: int) -> None:
    batch, rows = work.settings.batch, work.labels.shape[1]
    widths = (work.features.shape[-1], *(max(width, MIN_WIDTH) for width in (*work.settings.hidden, 2)))
    layers = []
    for number, (inputs, outputs) in enumerate(zip(widths, widths[1:], strict=False)):
        x, weight, y = (torch.rand(peers, *shape) for shape in ((batch, inputs), (inputs, outputs), (batch, outputs)))
        products = [(x, weight), (x.transpose(1, 2), y)] + [(y, weight.transpose(1, 2))] * (number > 0)
        layers += [(left, right, torch.bmm(left, right)) for left, right in products]
    for _ in range(work.settings.passes * (rows // batch)):
        for left, right, out in layers:
            torch.bmm(left, right, out=out)


if __name__ == "__main__":
    program(train)
