"""Twenty Kubo nodes: Store and Gossip keep their promises, and each peer's block, word and signature reaches all."""

import asyncio
from collections.abc import Iterator
from pathlib import Path

import pytest
from tests.adapters.gossips import SESSION, GossipSuite, Listener, acquainted, model, told
from tests.adapters.kubo_nodes import Nodes
from tests.adapters.stores import StoreSuite
from tests.adapters.test_kubo import World

from learnae.adapters.kubo import Kubo, KuboGossip
from learnae.messages.wire import cid_of
from learnae.ports import Gossip

pytestmark = pytest.mark.real

PEERS = 20


async def connected(nodes: Nodes) -> list[Kubo]:
    return [await Kubo.connect("127.0.0.1", node.rpc_port) for node in nodes]


async def closed(kubos: list[Kubo]) -> None:
    for kubo in kubos:
        await kubo.close()


@pytest.fixture(scope="module")
def shared(tmp_path_factory: pytest.TempPathFactory) -> Iterator[World]:
    with asyncio.Runner() as runner:
        world = World(runner, tmp_path_factory.mktemp("gossip"), count=PEERS)
        yield world
        world.close()


@pytest.fixture(scope="module")
def nodes(shared: World) -> Nodes:
    return shared.nodes


class TestStoreOfTwenty(StoreSuite):
    """Nodes of their own for each test: it takes some away, and no block may be left from the one before."""

    @pytest.fixture
    def world(self, tmp_path: Path) -> Iterator[World]:
        with asyncio.Runner() as runner:
            world = World(runner, tmp_path, count=PEERS)
            yield world
            world.close()


class TestGossipOfTwenty(GossipSuite):
    @pytest.fixture
    def world(self, shared: World) -> World:
        shared.renew()
        return shared


def test_each_peers_block_is_fetched_by_every_other(nodes: Nodes) -> None:
    async def story() -> None:
        kubos = await connected(nodes)
        blocks = {await kubo.put(block): block for kubo, block in ((k, k.peer_id.encode() * 500) for k in kubos)}
        hints = [await kubo.addresses() for kubo in kubos]

        async def fetch_all(kubo: Kubo) -> list[bytes]:
            return [await kubo.get(cid, hint) for cid, hint in zip(blocks, hints, strict=True)]

        for found in await asyncio.gather(*map(fetch_all, kubos)):
            assert found == list(blocks.values())
        await closed(kubos)

    asyncio.run(story())


def test_each_peers_announcements_are_heard_by_every_other_with_their_sender(nodes: Nodes) -> None:
    async def story() -> None:
        kubos = await connected(nodes)
        gossips: list[Gossip] = [KuboGossip(kubo, SESSION) for kubo in kubos]
        listeners = [Listener(gossip) for gossip in gossips]
        async with asyncio.TaskGroup() as group:
            tasks = [group.create_task(listener.listen()) for listener in listeners]
            await acquainted(gossips, listeners)
            for round in range(5):
                await asyncio.gather(
                    *(
                        told(gossip, model(PEERS * round + index + 1), *(each for each in listeners if each is not own))
                        for index, (gossip, own) in enumerate(zip(gossips, listeners, strict=True))
                    )
                )
            for task in tasks:
                task.cancel()
        for index, listener in enumerate(listeners):
            assert listener.heard == {
                (kubo.peer_id, model(PEERS * round + other + 1))
                for other, kubo in enumerate(kubos)
                for round in range(5)
                if other != index
            }
            assert not listener.gossip.dropped
        await closed(kubos)

    asyncio.run(story())


def test_each_peers_signature_is_verified_by_every_other_and_by_nobody_for_another(nodes: Nodes) -> None:
    async def story() -> None:
        kubos = await connected(nodes)
        for index, kubo in enumerate(kubos):
            claim = cid_of(kubo.peer_id.encode()).encode()
            signature = await kubo.sign(claim)
            assert all(other.verify(kubo.peer_id, claim, signature) for other in kubos)
            assert not kubo.verify(kubos[index - 1].peer_id, claim, signature)
        assert len({kubo.peer_id for kubo in kubos}) == PEERS
        await closed(kubos)

    asyncio.run(story())
