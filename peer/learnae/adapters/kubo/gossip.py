"""``ports.Gossip`` on the pubsub of one Kubo node.

Gossipsub verifies the sender of a message.  It drops messages of one publisher that overtake each other, so there is
one publication at a time and a pause before the next.  Without the pause, 1 message in 20 of a burst was lost; with it,
none on an idle machine and 1 in 50 on a busy one.  Announcements are therefore repeated.
"""

import asyncio
from collections import Counter
from collections.abc import AsyncGenerator, AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import replace
from functools import lru_cache, partial

import aiohttp

from learnae.adapters.kubo.rpc import KuboRpc, text_field
from learnae.async_streams import merge
from learnae.errors import BadMessage, PortError, Reason
from learnae.messages.foreign_json import from_json
from learnae.messages.ids import base64url, from_base64url
from learnae.messages.wire import MAX_MESSAGE, decode, encode, topic_of, topics
from learnae.protocol.events import Announcement
from learnae.protocol.types import Cid, PeerId

Received = tuple[PeerId, Announcement]

LINE_FACTOR = 4  # a line of the node is so many times as long as a message: base64, and an envelope
MAX_LINE = LINE_FACTOR * MAX_MESSAGE  # bytes
PUBLISH_ATTEMPTS = 5
PUBLISH_PAUSE = 0.01  # s between two publications
KNOWN = 128  # newest messages, whose repetition is not decoded again
RECONNECT_MIN = 0.1  # s until a broken subscription is renewed; doubles up to
RECONNECT_MAX = 5.0


class KuboGossip:
    """The announcements of one session.  ``addresses``: of the node, which its own announcements tell."""

    def __init__(
        self, kubo: KuboRpc, session: Cid, addresses: tuple[str, ...] = (), max_message: int = MAX_MESSAGE
    ) -> None:
        self.dropped: Counter[Reason] = Counter()
        self._kubo, self._session, self._addresses = kubo, session, addresses
        self._max_message = max_message
        self._decode = lru_cache(KNOWN)(partial(decode, longest=max_message))
        self._publishing = asyncio.Lock()
        self._published_at = 0.0  # s, of the event loop's clock

    async def publish(self, announcement: Announcement) -> None:
        topic = topic_of(announcement)
        message = encode(replace(announcement, addresses=announcement.addresses or self._addresses))
        clock = asyncio.get_running_loop().time
        async with self._publishing:
            await asyncio.sleep(self._published_at + PUBLISH_PAUSE - clock())
            for attempts_left in reversed(range(PUBLISH_ATTEMPTS)):
                try:
                    await self._kubo.call("pubsub/pub", message, arg=base64url(topic.encode()))
                    self._published_at = clock()
                    return
                except PortError as error:
                    if "validation ignored" not in str(error) or not attempts_left:
                        raise

    def subscribe(self) -> AsyncIterator[Received]:
        return merge([self._receive(topic) for topic in topics(self._session)])

    async def _receive(self, topic: str) -> AsyncGenerator[Received, None]:
        """Announcements of other peers on one topic; renews the subscription whenever it ends."""
        wait = RECONNECT_MIN
        while True:
            try:
                async with self._subscription(topic) as content:
                    wait = RECONNECT_MIN
                    async for line in split_lines(content, LINE_FACTOR * self._max_message):
                        if received := self._parse(line):
                            yield received
            except (aiohttp.ClientError, TimeoutError):
                pass
            await asyncio.sleep(wait)
            wait = min(2 * wait, RECONNECT_MAX)

    @asynccontextmanager
    async def _subscription(self, topic: str) -> AsyncIterator[aiohttp.StreamReader]:
        client = self._kubo.client
        unlimited = aiohttp.ClientTimeout(total=None, sock_connect=self._kubo.call_timeout)
        arguments = {"arg": base64url(topic.encode())}
        async with client.session.post(
            client.api_endpoint("pubsub/sub"), params=arguments, timeout=unlimited
        ) as response:
            response.raise_for_status()
            yield response.content

    def _parse(self, line: bytes | None) -> Received | None:
        """The announcement of another peer.  The node also repeats its own messages, which are ignored."""
        try:
            sender, message = parse_envelope(line)
            return None if sender == self._kubo.peer_id else (sender, self._decode(message))
        except BadMessage as error:
            self.dropped[error.reason] += 1
            return None


def parse_envelope(line: bytes | None) -> tuple[PeerId, bytes]:
    """Sender and message of one line of ``pubsub/sub``; None for a line that was too long.  Raises BadMessage."""
    if line is None:
        raise BadMessage(Reason.OVERSIZE)
    try:
        envelope = from_json(line.decode())
        return PeerId(text_field(envelope, "from")), from_base64url(text_field(envelope, "data"))
    except (ValueError, RecursionError, PortError):
        raise BadMessage(Reason.INVALID_RESPONSE) from None


async def split_lines(content: aiohttp.StreamReader, longest: int = MAX_LINE) -> AsyncIterator[bytes | None]:
    """Yield one line at a time; None for a line longer than ``longest``, whose rest is skipped.  Memory is bounded."""
    line = bytearray()
    async for chunk in content.iter_any():
        *ended, rest = chunk.split(b"\n")
        for part in ended:
            line += part
            yield bytes(line) if len(line) <= longest else None
            line.clear()
        line += rest
        del line[longest + 1 :]
