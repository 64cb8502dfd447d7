"""How long a model takes from its announcement to being fetched and verified by another peer: two real Kubo nodes.

Each of 100 models (25 kB) is stored, then announced, one after the other.  The clock runs from before the announcement
is published until the other peer has heard it, dialled its publisher, fetched the block, and found CID, creator, step,
session, shape and digest as announced.  The goal is a median of at most 150 ms.

    python bench/announce.py [--models 100]
"""

import argparse
import asyncio
import statistics
import sys
import tempfile
import time
from pathlib import Path

import torch

sys.path.insert(0, str(Path(__file__).parents[1]))  # the nodes are those of the tests

from tests.adapters.kubo_nodes import IPFS, Nodes

from learnae.adapters.kubo import Kubo, KuboGossip
from learnae.learn.cache import BlockMetadata, ModelCache
from learnae.learn.model import create_network
from learnae.learn.network import Network
from learnae.learn.serialization import encode_block, weights_digest
from learnae.learn.weight_store import WeightStore
from learnae.messages.wire import cid_of
from learnae.protocol.events import ModelAnnouncement
from learnae.protocol.types import Cid, ModelRef, Weights
from learnae.session.session_file import parse

SESSION = cid_of(b"bench/announce")
GOAL = 150.0  # ms


async def publish(kubo: Kubo, gossip: KuboGossip, network: Network, step: int) -> float:
    """When the announcement was begun."""
    weights = network.random_weights(torch.Generator().manual_seed(step))
    cid = await kubo.put(encode_block(network, weights, BlockMetadata(SESSION, kubo.peer_id, step)))
    model = ModelRef(kubo.peer_id, step, Weights(cid, weights_digest(weights)))
    announcement = ModelAnnouncement(SESSION, model, await kubo.addresses())
    began = time.perf_counter()
    await gossip.publish(announcement)
    return began


async def measure(nodes: Nodes, count: int) -> list[float]:
    """Milliseconds of each model; the first, which also waits for the nodes to find each other, is not counted."""
    publisher, receiver = [await Kubo.connect("127.0.0.1", node.rpc_port) for node in nodes]
    network = create_network(parse({"peers": 2}).model)
    blocks: dict[Cid, bytes] = {}
    models = WeightStore(network, blocks, ModelCache(1))
    gossip, heard = KuboGossip(publisher, SESSION), aiter(KuboGossip(receiver, SESSION).subscribe())
    arrival = asyncio.ensure_future(anext(heard))
    step = 1
    while not arrival.done():
        await publish(publisher, gossip, network, step)
        await asyncio.wait([arrival], timeout=0.2)
    found: list[float] = []
    for step in range(2, count + 2):
        arrival = asyncio.ensure_future(anext(heard))
        began = await publish(publisher, gossip, network, step)
        async with asyncio.timeout(10):
            sender, announcement = await arrival
            while not isinstance(announcement, ModelAnnouncement) or announcement.model.step < step:
                sender, announcement = await anext(heard)
        model = announcement.model
        blocks[model.weights.cid] = await receiver.get(model.weights.cid, announcement.addresses)
        models.get_announced(model.weights.cid, SESSION, model)
        assert sender == model.creator == publisher.peer_id
        found.append(1000 * (time.perf_counter() - began))
        blocks.clear()
    await publisher.close()
    await receiver.close()
    return found


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--models", type=int, default=100)
    count = parser.parse_args().models
    if not IPFS.exists():
        print("announce: skipped, there is no Kubo: run `make tools`")
        return
    with tempfile.TemporaryDirectory() as folder:
        nodes = Nodes(Path(folder), 2)
        try:
            found = sorted(asyncio.run(measure(nodes, count)))
        finally:
            nodes.stop()
    median, last = statistics.median(found), found[round(0.95 * (len(found) - 1))]
    print(f"announced to verified, {count} models of 25 kB, 2 Kubo nodes (goal: median at most {GOAL:.0f} ms)")
    print(f"median {median:.1f} ms, min {found[0]:.1f} ms, p95 {last:.1f} ms, max {found[-1]:.1f} ms")


if __name__ == "__main__":
    main()
