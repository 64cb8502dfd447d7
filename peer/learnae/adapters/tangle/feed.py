"""``ports.Feed`` over the nodes of a Tangle, each a HORNET with its bridge to MQTT (inx-mqtt).

A message is the data of one block, and the feed is a tag.  A message is confirmed once a second node has its block and
everything that the block refers to: the first alone keeps it only in memory, so a crash of that node may lose it.  A
node does not send a block again that did not reach its peers, but they fetch it once a new block refers to it.

Nodes have no index by tag.  New blocks come from a bridge; what it missed is found by walking from the tips of all
nodes to unknown parents until there are none.  So a follower also receives what was published before it came, but at
most ``MAX_WALK`` blocks: it remembers only the newest that it has seen.
"""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Sequence
from itertools import cycle
from typing import TypeVar

import aiohttp
import aiomqtt

from learnae.adapters.tangle.blocks import GENESIS, MAX_TAG, Block, to_hex
from learnae.adapters.tangle.rest import NodeAddress, TangleRest
from learnae.async_streams import Unread
from learnae.errors import DOWN, PortError, Reason
from learnae.messages.wire import MAX_READING

T = TypeVar("T")
CALL_TIMEOUT = 5.0  # s
FIRST_PAUSE, LAST_PAUSE = 0.005, 0.2  # s between two questions for a block
WALK_INTERVAL = 0.5  # s
RETRY_INTERVAL = 0.2  # s
KEEPALIVE = 10  # s
MAX_SEARCHES = 20  # for a block that no node has
MAX_UNREAD = 1000  # messages that wait to be read
MAX_KNOWN = 100_000  # blocks that are remembered
MAX_WALK = MAX_KNOWN // 4  # blocks; fewer than are forgotten at once, or each walk would begin anew


class TangleFeed:
    """``nodes``: those of one network.  A node without others confirms alone.  Must be made in an event loop.

    ``call_timeout``: s per call, and until a second node has a block.
    """

    def __init__(self, nodes: Sequence[NodeAddress], tag: bytes, call_timeout: float = CALL_TIMEOUT) -> None:
        if not nodes or not 0 < len(tag) <= MAX_TAG:
            raise ValueError(f"{len(nodes)} nodes, a tag of {len(tag)} bytes")
        self._addresses, self._tag, self._timeout = nodes, tag, call_timeout
        self._session = aiohttp.ClientSession(connector=aiohttp.TCPConnector(limit=0))
        self._nodes = [TangleRest(node.url, self._session, call_timeout) for node in nodes]
        self._known = dict.fromkeys([GENESIS])  # the newest last
        self._wanted: dict[bytes, int] = {}  # parents that are unknown, and how often no node had them
        self._received = Unread[bytes](MAX_UNREAD)
        self._listening = asyncio.Event()
        self._up = set[TangleRest]()  # nodes that answered when they were last asked
        self._tasks: list[asyncio.Task[None]] = []
        self._closed = False

    @property
    def nodes_up(self) -> int:
        return len(self._up)

    async def publish(self, message: bytes) -> None:
        if len(message) > MAX_READING:
            raise PortError(Reason.OVERSIZE, f"{len(message)} bytes")
        if self._closed:
            raise PortError(Reason.UNREACHABLE, "the feed is closed")
        node, block = await self._post(message)
        await self._wait_until_confirmed(node, block)

    async def follow(self) -> AsyncIterator[bytes]:
        if not self._closed:
            self._tasks = [asyncio.create_task(self._listen()), asyncio.create_task(self._walk())]
            await self._listening.wait()
        return self._received.read()

    async def close(self) -> None:
        self._closed = True
        self._listening.set()
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        self._up.clear()
        await self._session.close()
        self._received.close()

    # publishing

    async def _post(self, message: bytes) -> tuple[TangleRest, bytes]:
        """Post the message to a node that has tips, or else to one that answers; each message to the next node.

        A node that began anew has no tips.  It regains what it lost because blocks that others get refer to it.
        """
        self._nodes = nodes = [*self._nodes[1:], self._nodes[0]]
        new: list[TangleRest] = []
        failure = PortError(Reason.UNREACHABLE)
        for node in nodes:
            try:
                if tips := await node.tips():
                    return node, await node.post(self._tag, message, tips)
                new.append(node)
            except PortError as error:
                failure = error
        for node in new:
            try:
                return node, await node.post(self._tag, message, [GENESIS])
            except PortError as error:
                failure = error
        raise failure

    async def _wait_until_confirmed(self, node: TangleRest, block: bytes) -> None:
        others = [other for other in self._nodes if other is not node]
        if not others:
            return
        pause = FIRST_PAUSE
        try:
            async with asyncio.timeout(self._timeout):
                while not any(await asyncio.gather(*(self._has(other, block) for other in others))):
                    await asyncio.sleep(pause)
                    pause = min(2 * pause, LAST_PAUSE)
        except TimeoutError:
            raise PortError(Reason.TIMEOUT, f"no second node has it in {self._timeout:g} s") from None

    async def _has(self, node: TangleRest, block: bytes) -> bool:
        try:
            return await node.is_solid(block)
        except PortError:
            return False

    # following

    async def _listen(self) -> None:
        """Receive new blocks from the bridge of one node; if it fails, from that of the next."""
        topic = f"blocks/tagged-data/{to_hex(self._tag)}"
        for node in cycle(self._addresses):
            try:
                async with (
                    asyncio.timeout(self._timeout) as connecting,
                    aiomqtt.Client(
                        node.mqtt_host, node.mqtt_port, keepalive=KEEPALIVE, max_queued_incoming_messages=MAX_UNREAD
                    ) as client,
                ):
                    await client.subscribe(topic)
                    connecting.reschedule(None)
                    self._listening.set()
                    async for received in client.messages:
                        await self._take_raw(received.payload)
            except (aiomqtt.MqttError, TimeoutError):
                await asyncio.sleep(RETRY_INTERVAL)

    async def _take_raw(self, payload: object) -> None:
        if isinstance(payload, bytes):
            try:
                block = Block.parse(payload)
            except ValueError:
                return  # not a block
            await self._take(block)

    async def _take(self, block: Block) -> None:
        if block.id in self._known:
            return
        self._known[block.id] = None
        if len(self._known) > MAX_KNOWN:
            self._known = dict.fromkeys([GENESIS, *list(self._known)[MAX_KNOWN // 2 :]])
        self._wanted.pop(block.id, None)
        for parent in block.parents:
            if parent not in self._known:
                self._wanted.setdefault(parent, 0)
        if block.tag == self._tag and block.data is not None:
            await self._received.put(block.data)

    async def _walk(self) -> None:
        while True:
            for node in self._nodes:
                try:
                    tips = await self._noted(node, node.tips())
                except PortError:
                    continue
                self._wanted |= {tip: 0 for tip in tips if tip not in self._known and tip not in self._wanted}
            searched: set[bytes] = set()
            while missing := self._wanted.keys() - searched:
                if len(searched) > MAX_WALK:
                    self._wanted.clear()
                    break
                searched |= missing
                for block_id in missing:
                    if block_id in self._wanted:  # it may have arrived meanwhile
                        await self._search(block_id)
            await asyncio.sleep(WALK_INTERVAL)

    async def _noted(self, node: TangleRest, answer: Awaitable[T]) -> T:
        """The answer of a node, which is noted to be up or down.  Raises PortError."""
        try:
            answered = await answer
        except PortError as error:
            (self._up.discard if error.reason in DOWN else self._up.add)(node)
            raise
        self._up.add(node)
        return answered

    async def _search(self, block_id: bytes) -> None:
        """Ask the nodes for a block.  One that none of them has is given up: anybody can refer to anything."""
        lacking = 0
        for node in self._nodes:
            try:
                await self._take(await self._noted(node, node.block(block_id)))
                return
            except PortError as error:
                lacking += error.reason is Reason.NOT_FOUND
        if lacking == len(self._nodes) and block_id in self._wanted:  # it may have arrived meanwhile
            self._wanted[block_id] += 1
            if self._wanted[block_id] >= MAX_SEARCHES:
                del self._wanted[block_id]
