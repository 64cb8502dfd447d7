"""``ports.Store``, ``ports.Gossip`` and ``ports.IdentityKey`` on one Kubo node, through its RPC (aioipfs).

Bare HTTP only for what aioipfs lacks: ``key/sign``, a ``cat`` that stops at what a block may have, a subscription that
outlives long lines, garbage and restarts of the node, and a publication that can be cancelled (aioipfs's first asks for
the node's version, and swallows whatever happens meanwhile, deadlines included).

- Every call ends within its deadline.  A node that is away is UNREACHABLE at once, one that hangs is TIMEOUT.  aioipfs
  ignores its own ``timeout=`` and answers None where a connection broke: both are made errors here.
- The node is trusted, other peers are not: a block is taken only if it has the CID that was asked for.
- Who sent a message is what gossipsub verified.  It drops messages of one publisher that overtake each other, so that
  there is one publication at a time and a pause before the next.  Without it 1 message in 20 of a burst was lost, with
  it none while the machine was idle and still 1 in 50 while it was not: announcements are repeated.
"""

import asyncio
import base64
from collections import Counter
from collections.abc import AsyncGenerator, AsyncIterator
from contextlib import asynccontextmanager
from io import BytesIO
from typing import Any, TypeVar

import aiohttp
import aioipfs
from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey

from learnae.errors import BadMessage, PortError, Reason
from learnae.messages.codec import from_json
from learnae.messages.ids import public_key
from learnae.messages.wire import MAX_ADDRESSES, MAX_BLOCK, cid_of, decode, encode, topics
from learnae.protocol.types import Announcement, Cid, IdentityAnnouncement, PeerId

T = TypeVar("T")
Heard = tuple[PeerId, Announcement]

PATIENCE = 5.0  # s a call may take
DIAL = 2.0  # s to reach a peer
RAW = "bafkrei"  # begins every CIDv1, raw, sha2-256
SIGNED = b"libp2p-key signed message:"  # what ``key/sign`` puts before the message
LINE = 8192  # bytes of a message as the node writes it: MAX_MESSAGE in base64 and the envelope fit four times
ANSWER = 1 << 16  # bytes of JSON
METRICS = 1 << 22  # bytes
PUBLISH_TRIES = 5
PAUSE = 0.01  # s between two publications
RECONNECT = (0.1, 5.0)  # s until a broken subscription is tried again: at first, and at most


class Kubo:
    """The store and the key of one node.  ``patience``: s a call may take; a ``get`` takes up to two of them
    and twice ``DIAL``, and no more than ``fetch_timeout``."""

    def __init__(self, client: aioipfs.AsyncIPFS, peer_id: PeerId, patience: float) -> None:
        self.client, self._peer_id, self.patience = client, peer_id, patience
        self.fetch_timeout = 2 * (patience + DIAL)

    @staticmethod
    async def connect(host: str, port: int, patience: float = PATIENCE) -> "Kubo":
        """Raises PortError: UNREACHABLE, TIMEOUT, NONSENSE (no Kubo, or its key is not Ed25519)."""
        client = aioipfs.AsyncIPFS(host=host, port=port)
        try:
            async with answering(patience):
                peer = PeerId(text_in(await client.core.id(), "ID"))
                public_key(peer)
        except BaseException:
            await client.close()
            raise
        return Kubo(client, peer, patience)

    async def close(self) -> None:
        await self.client.close()

    # Store

    async def put(self, block: bytes) -> Cid:
        """Pinned, so that the node keeps it and serves it."""
        if len(block) > MAX_BLOCK:
            raise PortError(Reason.OVERSIZE)
        cid = cid_of(block)
        async with answering(self.patience):
            added = await self.client.core.add_bytes(
                block, cid_version=1, raw_leaves=True, chunker=f"size-{MAX_BLOCK}", pin=True
            )
        if text_in(added, "Hash") != cid:
            raise PortError(Reason.INVALID_RESPONSE, f"the node calls {cid} {added['Hash']}")
        return cid

    async def get(self, cid: Cid, hints: tuple[str, ...] = ()) -> bytes:
        """From wherever it is found; the peer at the hints is dialled first, and again before the second try."""
        if not cid.startswith(RAW):
            raise PortError(Reason.MALFORMED, f"{cid} names no raw block")
        async with answering(self.fetch_timeout):
            return await self._found(cid, hints)

    async def _found(self, cid: Cid, hints: tuple[str, ...]) -> bytes:
        await self.dial(hints)
        try:
            return await self._fetch(cid)
        except PortError as error:
            if error.reason not in (Reason.TIMEOUT, Reason.NOT_FOUND):
                raise
        await self.dial(hints)
        return await self._fetch(cid)

    async def dial(self, hints: tuple[str, ...]) -> None:
        """All at once, until one answers; whoever cannot be reached is nobody's error."""
        complete = [hint for hint in hints if hint.startswith("/") and "/p2p/" in hint]
        if complete:
            try:
                async with answering(min(DIAL, self.patience)):
                    table(await self.client.swarm.connect(complete))  # a list: the argument is repeated
            except PortError as error:
                if error.reason is Reason.UNREACHABLE:  # the node itself
                    raise

    async def _fetch(self, cid: Cid) -> bytes:
        block = await self._post("cat", MAX_BLOCK, arg=cid, length=str(MAX_BLOCK + 1))  # the node stops reading there
        if cid_of(block) != cid:
            raise PortError(Reason.INVALID_RESPONSE, f"{cid} is {cid_of(block)}")
        return block

    # IdentityKey

    @property
    def peer_id(self) -> PeerId:
        return self._peer_id

    async def sign(self, message: bytes) -> str:
        return text_in(await self.rpc("key/sign", message, key="self"), "Signature")

    def verify(self, peer: PeerId, message: bytes, signature: str) -> bool:
        return verified(peer, message, signature)

    # the node

    async def metrics(self) -> bytes:
        """The node's own, in Prometheus' text format.  Raises PortError: UNREACHABLE, TIMEOUT, NONSENSE, OVERSIZE."""
        url = f"http://{self.client.host}:{self.client.port}/debug/metrics/prometheus"
        async with answering(self.patience), self.client.session.get(url) as response:
            response.raise_for_status()
            return await read(response, METRICS)

    async def addresses(self) -> tuple[str, ...]:
        """Where other peers can dial it, sorted; loopback only if there is nothing else."""
        async with answering(self.patience):
            found = table(await self.client.core.id()).get("Addresses")
        listed = sorted(each for each in (found if isinstance(found, list) else ()) if isinstance(each, str))
        outside = [each for each in listed if not each.startswith(("/ip4/127.", "/ip6/::1/"))]
        return tuple((outside or listed)[:MAX_ADDRESSES])

    async def rpc(self, path: str, body: bytes | None = None, **arguments: str) -> Any:
        """For what is not left to aioipfs: the JSON answered, or None for none."""
        async with answering(self.patience):
            answer = await self._post(path, ANSWER, body, **arguments)
            return from_json(answer.decode()) if answer else None

    async def _post(self, path: str, most: int, body: bytes | None = None, **arguments: str) -> bytes:
        form = aiohttp.FormData()
        if body is not None:
            form.add_field("data", BytesIO(body), filename="data")
        url = self.client.api_endpoint(path)
        async with (
            answering(self.patience),
            self.client.session.post(url, params=arguments, data=form if body is not None else None) as response,
        ):
            answer = await read(response, most)
            if response.status != 200:
                absent = path == "cat" and b"not found" in answer
                reason = Reason.NOT_FOUND if absent else Reason.INVALID_RESPONSE
                raise PortError(reason, f"{path}: HTTP {response.status} {answer[:200]!r}")
            return answer


class KuboGossip:
    """The announcements of one session, on one node's pubsub."""

    def __init__(self, kubo: Kubo, session: Cid) -> None:
        self.dropped: Counter[Reason] = Counter()
        self._kubo, self._session, self._turn = kubo, session, asyncio.Lock()
        self._published_at = 0.0  # s, of the event loop's clock

    async def publish(self, announcement: Announcement) -> None:
        identity, model = topics(self._session)
        topic = identity if isinstance(announcement, IdentityAnnouncement) else model
        message = encode(announcement)
        clock = asyncio.get_running_loop().time
        async with self._turn:
            await asyncio.sleep(self._published_at + PAUSE - clock())
            for tries_left in reversed(range(PUBLISH_TRIES)):
                try:
                    await self._kubo.rpc("pubsub/pub", message, arg=base64url(topic.encode()))
                    self._published_at = clock()
                    return
                except PortError as error:
                    if "validation ignored" not in str(error) or not tries_left:
                        raise

    def subscribe(self) -> AsyncIterator[Heard]:
        return merged([self._heard(topic) for topic in topics(self._session)])

    async def _heard(self, topic: str) -> AsyncGenerator[Heard, None]:
        """What others say on one topic; subscribes again, and again, whenever the node lets go of it."""
        wait, longest = RECONNECT
        while True:
            try:
                async with self._subscription(topic) as content:
                    wait, _ = RECONNECT
                    async for line in lines(content):
                        if heard := self._read(line):
                            yield heard
            except (aiohttp.ClientError, TimeoutError):
                pass
            await asyncio.sleep(wait)
            wait = min(2 * wait, longest)

    @asynccontextmanager
    async def _subscription(self, topic: str) -> AsyncIterator[aiohttp.StreamReader]:
        client, name = self._kubo.client, base64url(topic.encode())
        forever = aiohttp.ClientTimeout(total=None, sock_connect=self._kubo.patience)
        async with client.session.post(
            client.api_endpoint("pubsub/sub"), params={"arg": name}, timeout=forever
        ) as response:
            response.raise_for_status()
            yield response.content

    def _read(self, line: bytes | None) -> Heard | None:
        """What another peer announced; the node repeats what was said here, too."""
        try:
            sender, message = opened(line)
            return None if sender == self._kubo.peer_id else (sender, decode(message))
        except BadMessage as error:
            self.dropped[error.reason] += 1
            return None


def verified(peer: PeerId, message: bytes, signature: str) -> bool:
    """Needs no node: the id is the key.  Only the spelling that ``sign`` writes is taken."""
    try:
        raw = from_base64url(signature)
        Ed25519PublicKey.from_public_bytes(public_key(peer)).verify(raw, SIGNED + message)
    except (ValueError, InvalidSignature):
        return False
    return base64url(raw) == signature


def opened(line: bytes | None) -> tuple[PeerId, bytes]:
    """Sender and message of one line of ``pubsub/sub``; None: longer than any may be.  Raises BadMessage."""
    if line is None:
        raise BadMessage(Reason.OVERSIZE)
    try:
        envelope = from_json(line.decode())
        return PeerId(text_in(envelope, "from")), from_base64url(text_in(envelope, "data"))
    except (ValueError, RecursionError, PortError):
        raise BadMessage(Reason.INVALID_RESPONSE) from None


async def read(response: aiohttp.ClientResponse, most: int) -> bytes:
    """The body.  Raises PortError: OVERSIZE as soon as there is more of it, and leaves the rest unread."""
    body = bytearray()
    async for chunk in response.content.iter_any():
        body += chunk
        if len(body) > most:
            raise PortError(Reason.OVERSIZE, f"more than {most} bytes")
    return bytes(body)


async def lines(content: aiohttp.StreamReader) -> AsyncIterator[bytes | None]:
    """Never holds more than one of them; None: it was longer than ``LINE``, and the rest of it was skipped."""
    line = bytearray()
    async for chunk in content.iter_any():
        *ended, rest = chunk.split(b"\n")
        for part in ended:
            line += part
            yield bytes(line) if len(line) <= LINE else None
            line.clear()
        line += rest
        del line[LINE + 1 :]


async def merged(streams: list[AsyncGenerator[T, None]]) -> AsyncGenerator[T, None]:
    """Whatever comes next from any of them."""
    waiting = {asyncio.ensure_future(anext(stream)): stream for stream in streams}
    try:
        while True:
            done, _ = await asyncio.wait(waiting, return_when=asyncio.FIRST_COMPLETED)
            for future in done:
                stream = waiting.pop(future)
                item = future.result()
                waiting[asyncio.ensure_future(anext(stream))] = stream
                yield item
    finally:
        for future in waiting:
            future.cancel()
        await asyncio.gather(*waiting, return_exceptions=True)


@asynccontextmanager
async def answering(seconds: float) -> AsyncIterator[None]:
    """A deadline, and what may go wrong with an RPC as a PortError."""
    try:
        async with asyncio.timeout(seconds):
            yield
    except TimeoutError:
        raise PortError(Reason.TIMEOUT, f"no answer in {seconds:g} s") from None
    except aiohttp.ClientConnectionError as error:
        raise PortError(Reason.UNREACHABLE, str(error)) from None
    except aioipfs.APIError as error:
        absent = "not found" in str(error.message)
        raise PortError(Reason.NOT_FOUND if absent else Reason.INVALID_RESPONSE, str(error.message)) from None
    except (aiohttp.ClientError, aioipfs.RPCAccessDenied, ValueError, RecursionError) as error:
        raise PortError(Reason.INVALID_RESPONSE, str(error)) from None


def table(answer: object) -> dict[str, Any]:
    """A JSON object.  aioipfs answers None where the connection broke."""
    if answer is None:
        raise PortError(Reason.UNREACHABLE, "the connection broke")
    if not isinstance(answer, dict):
        raise PortError(Reason.INVALID_RESPONSE, f"{answer!r:.200}")
    return answer


def text_in(answer: object, field: str) -> str:
    """A text field of a JSON object."""
    value = table(answer).get(field)
    if not isinstance(value, str):
        raise PortError(Reason.INVALID_RESPONSE, f"no {field} in {answer!r:.200}")
    return value


def base64url(data: bytes) -> str:
    """Multibase, as Kubo writes topics, messages and signatures: ``u`` and base64url without padding."""
    return "u" + base64.urlsafe_b64encode(data).decode().rstrip("=")


def from_base64url(text: str) -> bytes:
    """Raises ValueError."""
    if not text.startswith("u") or not text.isascii():
        raise ValueError("not base64url")
    return base64.b64decode(text[1:].encode() + b"==", altchars=b"-_")
