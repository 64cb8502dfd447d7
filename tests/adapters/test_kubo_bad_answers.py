"""The Kubo adapter against whatever else may answer on that port, and against lines no node would write: no Kubo."""

import asyncio
import json
import random
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager

import aiohttp
import pytest
from aiohttp import web
from tests.adapters.gossips import CREATOR, GARBAGE, SESSION, Listener, identity, model
from tests.helpers.ports import free_port

from learnae.adapters.kubo import Kubo, KuboGossip
from learnae.adapters.kubo.gossip import MAX_LINE, parse_envelope, split_lines
from learnae.errors import BadMessage, PortError, Reason
from learnae.messages.ids import base64url, from_base64url
from learnae.messages.wire import MAX_BLOCK, cid_of, encode, topics
from learnae.protocol.types import PeerId

Answer = Callable[[web.Request], Awaitable[web.StreamResponse]]

SIGNER = PeerId("12D3KooWLCceG1JTjm3NFnCYdZHkxC6Bs4dG8T2WCy9xT8jr512X")  # a real node's, and what it answered
SIGNATURE = "uE2yKd-JDR1JC0fUdu6Sw-Qg6SCrD8eFU6S7BMUkMHPIEWtgYLv_C9mITFUNH6ZEC-YNptmHvPo9hAgLb2F9KDw"
PATIENCE = 30.0  # s: here every node answers


@asynccontextmanager
async def serving(**answers: Answer | bytes) -> AsyncIterator[int]:
    """An HTTP server that is no Kubo; ``id`` is answered as Kubo does unless said otherwise."""
    known = json.dumps({"ID": SIGNER, "Addresses": None, "AgentVersion": "kubo/0.43.0/"}).encode()

    async def answer(request: web.Request) -> web.StreamResponse:
        found = ({"id": known} | answers).get(request.path.removeprefix("/api/v0/").replace("/", "_"))
        if isinstance(found, bytes):
            return web.Response(body=found, content_type="application/json")
        return await found(request) if found else web.Response(status=404)

    server = web.Server(answer)  # type: ignore[arg-type]
    runner = web.ServerRunner(server)
    await runner.setup()
    site = web.TCPSite(runner, "127.0.0.1", port := free_port())
    await site.start()
    try:
        yield port
    finally:
        await runner.cleanup()


@asynccontextmanager
async def client(**answers: Answer | bytes) -> AsyncIterator[Kubo]:
    async with serving(**answers) as port:
        kubo = await Kubo.connect("127.0.0.1", port, PATIENCE)
        try:
            yield kubo
        finally:
            await kubo.close()


def status(number: int, body: str = "") -> Answer:
    async def answer(request: web.Request) -> web.StreamResponse:
        return web.Response(status=number, text=body)

    return answer


async def broken_off(request: web.Request) -> web.StreamResponse:
    response = web.StreamResponse()
    await response.prepare(request)
    assert request.transport
    request.transport.abort()
    return response


async def reason(call: Awaitable[object]) -> Reason:
    with pytest.raises(PortError) as failure:
        await call
    return failure.value.reason


# who answers


@pytest.mark.parametrize(
    "id",
    [
        b"",
        b"null",
        b"[]",
        b"{}",
        b"<html>",
        b'{"ID": 7}',
        b'{"ID": ""}',
        b'{"ID": "QmYyQSo1c1Ym7orWxLYvCrM2EmxFTANf8wXmmE7DWjhx5N"}',
        b"\xff",
        status(404),
        status(403),
        status(500, "out of order"),
        status(200, "not JSON"),
        broken_off,
    ],
)
def test_what_is_no_kubo_is_not_connected_to(id: Answer | bytes) -> None:
    async def story() -> None:
        async with serving(id=id) as port:
            found = await reason(Kubo.connect("127.0.0.1", port, PATIENCE))
            assert found in (Reason.INVALID_RESPONSE, Reason.UNREACHABLE)

    asyncio.run(story())


def test_where_nothing_listens_nothing_is_reached() -> None:
    async def story() -> None:
        assert await reason(Kubo.connect("127.0.0.1", free_port(), PATIENCE)) is Reason.UNREACHABLE

    asyncio.run(story())


@pytest.mark.parametrize(
    "answer", [b"", b"null", b"[]", b"7", b"{}", b'{"Hash": null}', b"<html>", status(500), status(418), broken_off]
)
def test_nonsense_is_an_error_whatever_was_asked(answer: Answer | bytes) -> None:
    async def story() -> None:
        names = ("add", "cat", "key_sign", "swarm_connect")
        async with client(**dict.fromkeys(names, answer)) as kubo:
            asked = (kubo.put(b"weights"), kubo.sign(b"claim"), kubo.get(cid_of(b"weights")))
            assert {await reason(call) for call in asked} <= {Reason.INVALID_RESPONSE, Reason.UNREACHABLE}

    asyncio.run(story())


def test_a_node_that_lies_about_a_block_is_not_believed() -> None:
    async def story() -> None:
        async with client(cat=b"others", add=b'{"Hash": "bafy"}') as kubo:
            assert await reason(kubo.get(cid_of(b"weights"))) is Reason.INVALID_RESPONSE
            assert await reason(kubo.put(b"weights")) is Reason.INVALID_RESPONSE

    asyncio.run(story())


async def endless(request: web.Request) -> web.StreamResponse:
    """Until nobody reads any more."""
    response = web.StreamResponse()
    await response.prepare(request)
    while True:
        await response.write(bytes(1 << 16))


def test_of_an_endless_block_no_more_is_asked_than_may_be() -> None:
    asked = []

    async def cat(request: web.Request) -> web.StreamResponse:
        asked.append(request.query["length"])
        return web.Response(body=bytes(int(request.query["length"])))

    async def story() -> None:
        async with client(cat=cat) as kubo:
            assert await reason(kubo.get(cid_of(b"weights"))) is Reason.OVERSIZE

    asyncio.run(story())
    assert asked == [str(MAX_BLOCK + 1)]


def test_of_an_answer_without_end_no_more_is_read_than_may_be() -> None:
    async def story() -> None:
        async with client(cat=endless, key_sign=endless, _debug_metrics_prometheus=endless) as kubo:
            for call in (kubo.get(cid_of(b"weights")), kubo.sign(b"claim"), kubo.metrics()):
                assert await reason(call) is Reason.OVERSIZE  # and not after a deadline

    asyncio.run(story())


def test_a_block_that_a_node_does_not_find_is_not_found() -> None:
    async def story() -> None:
        async with client(cat=status(500, '{"Message": "block was not found locally (offline)"}')) as kubo:
            assert await reason(kubo.get(cid_of(b"weights"))) is Reason.NOT_FOUND

    asyncio.run(story())


@pytest.mark.parametrize("addresses", ["null", "[]", "[7, null]", "7"])
def test_a_node_may_have_no_address(addresses: str) -> None:
    async def story() -> None:
        async with client(id=f'{{"ID": "{SIGNER}", "Addresses": {addresses}}}'.encode()) as kubo:
            assert await kubo.addresses() == ()

    asyncio.run(story())


# publications


def test_a_publication_that_overtook_another_is_tried_again() -> None:
    tries = []

    async def pub(request: web.Request) -> web.StreamResponse:
        tries.append(request.query["arg"])
        error = json.dumps({"Message": "validation ignored", "Code": 0, "Type": "error"})
        return web.Response(status=200 if len(tries) == 3 else 500, text="" if len(tries) == 3 else error)

    async def story() -> None:
        async with client(pubsub_pub=pub) as kubo:
            await KuboGossip(kubo, SESSION).publish(model(1))
            await KuboGossip(kubo, SESSION).publish(identity(1))

    with pytest.raises(PortError, match="validation ignored"):
        asyncio.run(story())
    assert len(tries) == 3 + 5
    assert {from_base64url(each).decode().rpartition("/")[2] for each in tries} == {"model", "identity"}


def test_a_node_without_pubsub_is_not_asked_twice() -> None:
    async def story() -> None:
        async with client(pubsub_pub=status(500, "experimental pubsub feature not enabled")) as kubo:
            assert await reason(KuboGossip(kubo, SESSION).publish(model(1))) is Reason.INVALID_RESPONSE

    asyncio.run(story())


# subscriptions


def line(message: bytes, sender: str = CREATOR) -> bytes:
    body = {"from": sender, "data": base64url(message), "seqno": "uAAAA", "topicIDs": []}
    return json.dumps(body).encode() + b"\n"


def test_a_subscription_that_is_refused_broken_off_or_ended_is_begun_again() -> None:
    """And what is said across the break is heard, however it is cut into packets."""
    tries = []

    async def sub(request: web.Request) -> web.StreamResponse:
        tries.append(request.query["arg"])
        if len(tries) < 4:
            return await (status(500), broken_off, status(200, "\n{}\n\xff\n"))[len(tries) - 1](request)
        response = web.StreamResponse()
        await response.prepare(request)
        step = len(tries)
        said = line(b"x" * 3 * MAX_LINE) + line(encode(model(step))) + b"{" + b"\n" + line(encode(model(step)), SIGNER)
        for start in range(0, len(said), 100):
            await response.write(said[start : start + 100])
        return response

    async def story() -> None:
        async with client(pubsub_sub=sub) as kubo:
            listener = Listener(KuboGossip(kubo, SESSION))
            listen = asyncio.create_task(listener.listen())
            for step in (4, 5, 6):
                await listener.until(model(step), seconds=5)
            listen.cancel()
            await asyncio.wait([listen])
            assert {sender for sender, _ in listener.heard} == {CREATOR}  # not what its own node said
            assert set(listener.gossip.dropped) == {Reason.OVERSIZE, Reason.INVALID_RESPONSE}

    asyncio.run(story())
    assert len(set(tries)) == len(topics(SESSION))


class Content(aiohttp.StreamReader):
    """A body that arrives in these pieces."""

    def __init__(self, pieces: list[bytes]) -> None:
        self.pieces = pieces

    def iter_any(self) -> "aiohttp.streams.AsyncStreamIterator[bytes]":
        pieces = iter(self.pieces)

        async def read() -> bytes:
            return next(pieces, b"")

        return aiohttp.streams.AsyncStreamIterator(read)


def test_lines_are_the_same_however_they_arrive() -> None:
    dice = random.Random(3)
    whole = (
        b"\n".join(
            bytes([65 + n % 26]) * dice.choice([0, 1, 50, MAX_LINE, MAX_LINE + 1, 3 * MAX_LINE]) for n in range(60)
        )
        + b"\n"
    )
    expected = [each if len(each) <= MAX_LINE else None for each in whole.split(b"\n")[:-1]]

    async def read(pieces: list[bytes]) -> list[bytes | None]:
        return [each async for each in split_lines(Content(pieces))]

    for _ in range(30):
        cuts = sorted(dice.randrange(len(whole)) for _ in range(dice.randint(0, 200)))
        pieces = [whole[a:b] for a, b in zip([0, *cuts], [*cuts, len(whole)], strict=True) if a < b]
        assert asyncio.run(read(pieces)) == expected


def test_whatever_a_line_holds_it_is_a_message_or_a_bad_one() -> None:
    dice, good, kept = random.Random(4), line(encode(model(1)))[:-1], 0
    for _ in range(5000):
        spoilt = bytearray(good)
        for _ in range(dice.randint(0, 3)):
            spoilt[dice.randrange(len(spoilt))] = dice.randrange(256)
        try:
            sender, message = parse_envelope(bytes(spoilt[: dice.choice([len(spoilt), dice.randrange(len(spoilt))])]))
            kept += 1
        except BadMessage as error:
            assert error.reason is Reason.INVALID_RESPONSE
    assert 500 < kept < 4500


@pytest.mark.parametrize("garbage", GARBAGE.values(), ids=GARBAGE)
def test_garbage_is_no_envelope(garbage: bytes) -> None:
    if garbage == GARBAGE["an envelope"]:
        assert parse_envelope(garbage) == (CREATOR, b"\0\0\0")
    else:
        with pytest.raises(BadMessage):
            parse_envelope(garbage)


# signatures


def test_a_signature_a_real_node_made_is_verified_without_any() -> None:
    async def story() -> None:
        async with client() as kubo:
            assert kubo.verify(SIGNER, b"hello", SIGNATURE)
            assert not kubo.verify(SIGNER, b"hellp", SIGNATURE)
            assert not kubo.verify(CREATOR, b"hello", SIGNATURE)

    asyncio.run(story())
