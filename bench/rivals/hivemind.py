"""Hivemind: every peer is a real process with its own network node; pairs average after each pass.  Decentralised.

It is no simulator: peers find each other through a distributed hash table on this machine and wait for each other.
"""

import multiprocessing
from collections.abc import Sequence
from concurrent.futures import ProcessPoolExecutor
from pathlib import Path
from typing import Any

import hivemind
import torch
from bench.rivals.work import State, Work, copy_of, program

START = 120.0  # s that a network node may take; many start at once
MATCHMAKING, REQUEST = 1.0, 0.5  # s to wait for a partner before a group forms, and for an answer meanwhile
TOGETHER: list[Any] = []  # the barrier at which peers wait for all others, in each process


def peer(folder: Path, number: int, initial_peers: Sequence[str]) -> State:
    torch.set_num_threads(1)
    work = Work.load(folder)
    network = work.network()
    try:
        dht = hivemind.DHT(initial_peers=initial_peers, start=True, startup_timeout=START)
        averager = hivemind.averaging.DecentralizedAverager(
            [tensor.detach().clone() for tensor in network.parameters()],
            dht,
            start=True,
            prefix="rivals",
            target_group_size=2,
            min_matchmaking_time=MATCHMAKING,
            request_timeout=REQUEST,
        )
        TOGETHER[0].wait()
        for done in range(work.settings.passes):
            work.train(network, number, done)
            with averager.get_tensors() as shared:
                _copy(network.parameters(), shared)
            averager.step(timeout=30, allow_retries=False)  # without a partner the model stays as it is
            with averager.get_tensors() as shared:
                _copy(shared, network.parameters())
        TOGETHER[0].wait()
    except BaseException:
        TOGETHER[0].abort()  # so that the others end, too
        raise
    averager.shutdown()
    dht.shutdown()
    return copy_of(network)


@torch.no_grad()
def _copy(source: Any, target: Any) -> None:
    for one, other in zip(source, target, strict=True):
        other.copy_(one)


def train(work: Work) -> list[State]:
    first = hivemind.DHT(start=True, startup_timeout=START)
    addresses = [str(address) for address in first.get_visible_maddrs()]
    context = multiprocessing.get_context("fork")  # torch is imported once
    together = context.Barrier(work.peers)
    with ProcessPoolExecutor(work.peers, context, TOGETHER.append, (together,)) as executor:
        started = [executor.submit(peer, work.folder, number, addresses) for number in range(work.peers)]
        states = [future.result() for future in started]
    first.shutdown()
    return states


if __name__ == "__main__":
    program(train, "hivemind")
