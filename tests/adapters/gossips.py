"""The suite of ``ports.Gossip``.  An implementation supplies the fixture ``world``: three peers of one session."""

import asyncio
import json
import random
from collections.abc import AsyncIterator, Coroutine
from contextlib import asynccontextmanager, suppress
from typing import Any, Protocol, TypeVar

import pytest

from learnae.errors import BadMessage, Reason
from learnae.messages.wire import MAX_ADDRESSES, MAX_MESSAGE, cid_of, decode, encode
from learnae.ports import Gossip
from learnae.protocol.events import Announcement, IdentityAnnouncement, ModelAnnouncement
from learnae.protocol.types import Address, Claim, ModelRef, PeerId, Poid, TxHash, Weights

T = TypeVar("T")
Heard = tuple[PeerId, Announcement]

SESSION = cid_of(b"session")
CREATOR = PeerId("12D3KooWGeL24KSEtyWknPG1uT2FL329Dao3V6y3wcfpF9wiKUwY")
ADDRESS = f"/ip4/10.1.2.3/tcp/4001/p2p/{CREATOR}"
PROBE = 1_000_000  # steps from here on are of announcements that only ask who listens


def model(step: int, *addresses: str) -> ModelAnnouncement:
    return ModelAnnouncement(SESSION, ModelRef(CREATOR, step, Weights(cid_of(b"%d" % step), "0" * 64)), addresses)


def identity(number: int) -> IdentityAnnouncement:
    poid, contract = Poid(CREATOR, Address("0x" + "ab" * 20)), Address("0x" + "cd" * 20)
    claim = Claim(poid, contract, TxHash(f"0x{number:064x}"), "ab" * 32, "u")
    return IdentityAnnouncement(SESSION, claim, ())


GARBAGE = {
    "nothing": b"",
    "a newline": b"\n",
    "zeros": bytes(100),
    "no text": bytes(range(256)),
    "no JSON": b"{",
    "no object": b"[1]",
    "nesting": b"[" * 2000,
    "a number too many": b"1e999",
    "not a number": b"NaN",
    "too long": b"x" * (MAX_MESSAGE + 1),
    "far too long": b"x" * 500_000,
    "another version": encode(model(1)).replace(b'"v":1', b'"v":2'),
    "an unknown field": encode(model(1)).replace(b'"v":1', b'"v":1,"w":1'),
    "another spelling": encode(model(1)).replace(b",", b", "),
    "an envelope": json.dumps({"from": CREATOR, "data": "uAAAA", "seqno": "uAA", "topicIDs": []}).encode(),
    "an error of the node's": b'{"Message": "stop", "Code": 0, "Type": "error"}',
}


class GossipWorld(Protocol):
    gossips: list[Gossip]  # three at least, each of another peer, all of ``SESSION``
    peers: list[PeerId]

    def shout(self, index: int, message: bytes) -> Coroutine[Any, Any, None]:
        """Whatever a peer might say, to those who listen for models."""
        ...

    def wait(self, coroutine: Coroutine[Any, Any, T]) -> T: ...


class Listener:
    """Remembers what one peer hears."""

    def __init__(self, gossip: Gossip) -> None:
        self.gossip = gossip
        self.heard: set[Heard] = set()
        self.probes: set[PeerId] = set()
        self._changed = asyncio.Event()

    @property
    def said(self) -> set[Announcement]:
        return {announcement for _, announcement in self.heard}

    async def listen(self) -> None:
        async for sender, announcement in self.gossip.subscribe():
            if isinstance(announcement, ModelAnnouncement) and announcement.model.step >= PROBE:
                self.probes.add(sender)
            else:
                self.heard.add((sender, announcement))
            self._changed.set()

    async def until(self, announcement: Announcement | None = None, probes: int = 0, seconds: float = 1.0) -> None:
        """It, or probes of so many peers, were heard; TimeoutError."""
        async with asyncio.timeout(seconds):
            while (announcement and announcement not in self.said) or len(self.probes) < probes:
                self._changed.clear()
                await self._changed.wait()


@asynccontextmanager
async def listening(world: GossipWorld) -> AsyncIterator[list[Listener]]:
    """All of them, once each has heard all others."""
    listeners = [Listener(gossip) for gossip in world.gossips]
    async with asyncio.TaskGroup() as group:
        tasks = [group.create_task(listener.listen()) for listener in listeners]
        await acquainted(world.gossips, listeners)
        yield listeners
        for task in tasks:
            task.cancel()


async def acquainted(gossips: list[Gossip], listeners: list[Listener]) -> None:
    """Announce until everybody has heard everybody, as peers do."""
    others, step = len(gossips) - 1, PROBE
    async with asyncio.timeout(60):
        while any(len(listener.probes) < others for listener in listeners):
            step += 1
            for gossip in gossips:
                await gossip.publish(model(step))
            with suppress(TimeoutError):
                for listener in listeners:
                    await listener.until(probes=others, seconds=0.3)


async def told(gossip: Gossip, announcement: Announcement, *listeners: Listener) -> None:
    """Say it until they have heard it: any one message may be lost."""
    async with asyncio.timeout(60):
        while any(announcement not in listener.said for listener in listeners):
            await gossip.publish(announcement)
            with suppress(TimeoutError):
                for listener in listeners:
                    await listener.until(announcement)


def legal(message: bytes) -> bool:
    try:
        decode(message)
    except BadMessage:
        return False
    return True


def count(listener: Listener) -> int:
    return sum(listener.gossip.dropped.values())


class GossipSuite:
    """Announcements are idempotent state: what is told, is told until it is heard."""

    def test_what_one_peer_announces_all_others_hear_and_know_from_whom(self, world: GossipWorld) -> None:
        async def story() -> None:
            async with listening(world) as listeners:
                said = (model(7, ADDRESS), identity(7))
                for each in said:
                    await told(world.gossips[0], each, *listeners[1:])
                for listener in listeners[1:]:
                    assert listener.heard == {(world.peers[0], each) for each in said}

        world.wait(story())

    def test_nobody_hears_itself(self, world: GossipWorld) -> None:
        async def story() -> None:
            async with listening(world) as listeners:
                await told(world.gossips[0], model(1), *listeners[1:])
                await told(world.gossips[1], model(2), listeners[0])
                assert listeners[0].heard == {(world.peers[1], model(2))}

        world.wait(story())

    def test_many_announcements_at_once_are_all_heard(self, world: GossipWorld) -> None:
        async def story() -> None:
            async with listening(world) as listeners:
                said = [model(step) for step in range(1, 21)] + [identity(number) for number in range(20)]
                await asyncio.gather(
                    *(
                        told(world.gossips[n % 3], each, *(other for m, other in enumerate(listeners) if m != n % 3))
                        for n, each in enumerate(said)
                    )
                )
                for index, listener in enumerate(listeners):
                    assert listener.heard == {(world.peers[n % 3], e) for n, e in enumerate(said) if n % 3 != index}

        world.wait(story())

    def test_the_longest_announcement_arrives(self, world: GossipWorld) -> None:
        async def story() -> None:
            long = model(1, *[f"/ip6/{':'.join(['1234'] * 8)}/tcp/65535/p2p/{CREATOR}"] * MAX_ADDRESSES)
            assert len(encode(long)) <= MAX_MESSAGE
            async with listening(world) as listeners:
                await told(world.gossips[2], long, listeners[0])
                assert listeners[0].heard == {(world.peers[2], long)}

        world.wait(story())

    @pytest.mark.parametrize("garbage", GARBAGE.values(), ids=GARBAGE)
    def test_garbage_is_counted_and_not_heard(self, world: GossipWorld, garbage: bytes) -> None:
        async def story() -> None:
            async with listening(world) as listeners:
                said = set[Announcement]()
                while 0 in map(count, listeners[1:]):
                    said.add(model(len(said) + 1))
                    await world.shout(0, garbage)
                    await told(world.gossips[0], model(len(said)), *listeners[1:])
                for listener in listeners[1:]:
                    assert listener.said == said and count(listener) <= len(said)

        world.wait(story())

    def test_among_spoilt_announcements_nothing_is_heard_that_was_not_said(self, world: GossipWorld) -> None:
        dice, said = random.Random(11), encode(model(3, ADDRESS))

        def spoilt() -> bytes:
            message = bytearray(said)
            for _ in range(dice.randint(1, 6)):
                message[dice.randrange(len(message))] = dice.randrange(256)
            return bytes(message[: dice.choice((len(message), dice.randrange(len(message))))])

        async def story() -> None:
            async with listening(world) as listeners:
                messages = [spoilt() for _ in range(100)]
                for each in messages:
                    await world.shout(0, each)
                await told(world.gossips[0], identity(9), listeners[1])
                assert listeners[1].said <= {identity(9)} | {decode(each) for each in messages if legal(each)}
                assert {sender for sender, _ in listeners[1].heard} == {world.peers[0]}
                assert 50 < count(listeners[1]) <= 100
                assert set(listeners[1].gossip.dropped) <= {Reason.MALFORMED, Reason.VERSION}

        world.wait(story())

    def test_whoever_stops_listening_leaves_nothing_behind(self, world: GossipWorld) -> None:
        async def story() -> None:
            before = asyncio.all_tasks()
            async with listening(world):
                pass
            assert asyncio.all_tasks() == before

        world.wait(story())
