"""What a follower and a sensor do when nodes of the Tangle fail; the nodes are objects, the bridge is a broker."""

import asyncio
from collections.abc import Iterable

import aiomqtt
import pytest
from tests.adapters.feeds import PATIENCE

from learnae.adapters.mqtt.broker import mqtt_broker
from learnae.adapters.tangle import NodeAddress, TangleFeed
from learnae.adapters.tangle import feed as tangle_feed
from learnae.adapters.tangle.blocks import GENESIS, TAGGED_DATA, Block, to_hex
from learnae.errors import PortError, Reason

TAG = b"tag"


def raw_block(data: bytes, parent: bytes = GENESIS) -> bytes:
    payload = TAGGED_DATA.to_bytes(4, "little") + bytes([len(TAG)]) + TAG + len(data).to_bytes(4, "little") + data
    return b"\x02\x01" + parent + len(payload).to_bytes(4, "little") + payload + bytes(8)


class Node:
    """Has neither tips nor blocks, and refuses what is posted."""

    def __init__(self, url: str, *given: object) -> None:
        self.url = url

    async def tips(self) -> list[bytes]:
        return []

    async def post(self, tag: bytes, data: bytes, parents: Iterable[bytes]) -> bytes:
        raise PortError(Reason.UNREACHABLE, self.url)

    async def block(self, block_id: bytes) -> Block:
        raise PortError(Reason.NOT_FOUND)

    async def is_solid(self, block_id: bytes) -> bool:
        return True


def test_a_message_is_posted_to_any_new_node_that_takes_it(monkeypatch: pytest.MonkeyPatch) -> None:
    class Last(Node):
        async def post(self, tag: bytes, data: bytes, parents: Iterable[bytes]) -> bytes:
            if self.url != "http://taker":
                return await super().post(tag, data, parents)
            taken.append(data)
            return bytes(32)

    async def story(urls: list[str]) -> None:
        feed = TangleFeed([NodeAddress(url, "127.0.0.1", 1) for url in urls], TAG)
        try:
            await feed.publish(b"data")
        finally:
            await feed.close()

    taken: list[bytes] = []
    monkeypatch.setattr(tangle_feed, "TangleRest", Last)
    asyncio.run(story(["http://taker", "http://a", "http://b"]))  # the first to be asked is the second
    assert taken == [b"data"]
    with pytest.raises(PortError):
        asyncio.run(story(["http://a", "http://b"]))


def test_a_walk_goes_on_after_a_block_that_arrived_while_nodes_were_asked_for_it(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    first, second = raw_block(b"first"), raw_block(b"second")
    monkeypatch.setattr(tangle_feed, "WALK_INTERVAL", 0.0)

    async def story(port: int) -> None:
        arrived, asked = asyncio.Event(), asyncio.Event()

        class Late(Node):
            async def tips(self) -> list[bytes]:
                return [Block.parse(second if arrived.is_set() else first).id]

            async def block(self, block_id: bytes) -> Block:
                if block_id == Block.parse(second).id:
                    return Block.parse(second)
                asked.set()
                await arrived.wait()
                raise PortError(Reason.NOT_FOUND)

        monkeypatch.setattr(tangle_feed, "TangleRest", Late)
        feed = TangleFeed([NodeAddress("", "127.0.0.1", port)], TAG)
        try:
            stream = await feed.follow()
            await asked.wait()
            async with aiomqtt.Client("127.0.0.1", port) as bridge:
                await bridge.publish(f"blocks/tagged-data/{to_hex(TAG)}", first)
            assert await anext(stream) == b"first"
            arrived.set()
            assert await anext(stream) == b"second"
        finally:
            await feed.close()

    async def whole() -> None:
        async with mqtt_broker() as port, asyncio.timeout(PATIENCE):
            await story(port)

    asyncio.run(whole())


def test_a_follower_that_forgets_old_blocks_walks_a_little_way_back_and_asks_for_each_block_once(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    for name, value in {"WALK_INTERVAL": 0.0, "MAX_KNOWN": 40, "MAX_WALK": 10}.items():
        monkeypatch.setattr(tangle_feed, name, value)
    chain = [Block.parse(raw_block(b"0"))]
    for number in range(1, 150):
        chain.append(Block.parse(raw_block(b"%d" % number, chain[-1].id)))
    blocks, fetched = {block.id: block for block in chain}, list[bytes]()

    async def story(port: int) -> None:
        ended, tips = asyncio.Event(), iter(chain[50:])

        class Whole(Node):
            async def tips(self) -> list[bytes]:
                if (tip := next(tips, None)) is None:
                    ended.set()
                    await asyncio.Event().wait()
                assert tip
                return [tip.id]

            async def block(self, block_id: bytes) -> Block:
                fetched.append(block_id)
                return blocks[block_id]

        monkeypatch.setattr(tangle_feed, "TangleRest", Whole)
        feed = TangleFeed([NodeAddress("", "127.0.0.1", port)], TAG)
        await feed.follow()
        await ended.wait()
        await feed.close()

    async def whole() -> None:
        async with mqtt_broker() as port, asyncio.timeout(PATIENCE):
            await story(port)

    asyncio.run(whole())
    assert len(fetched) == len(set(fetched)) and set(fetched) == {block.id for block in chain[40:]}
