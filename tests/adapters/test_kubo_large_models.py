"""Models of many chunks, fetched through a node that has hostile lists and incomplete chunks: no Kubo."""

import asyncio
import hashlib
from collections import Counter
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import pytest
from aiohttp import web
from tests.adapters.test_kubo_bad_answers import client, reason

from learnae.adapters.kubo import Kubo, store
from learnae.adapters.kubo.store import PIN_NAME
from learnae.errors import PortError, Reason
from learnae.messages.chunk_list import ChunkList, list_cid
from learnae.messages.wire import MAX_BLOCK, cid_of
from learnae.protocol.types import Cid

LARGE = hashlib.shake_256(b"model").digest(2 * MAX_BLOCK + 100)
CHUNKS = [LARGE[at : at + MAX_BLOCK] for at in range(0, len(LARGE), MAX_BLOCK)]
LIST = ChunkList.of(LARGE)


@asynccontextmanager
async def holding(list: bytes, *chunks: bytes, max_size: int = len(LARGE)) -> AsyncIterator[tuple[Kubo, Counter[str]]]:
    """A node that has a list and chunks, and what is requested of it."""
    blocks, requested = {list_cid(list): list} | {cid_of(chunk): chunk for chunk in chunks}, Counter[str]()

    async def answer(request: web.Request) -> web.StreamResponse:
        requested[cid := request.query["arg"]] += 1
        if cid not in blocks:
            return web.Response(status=500, text='{"Message": "block was not found locally (offline)"}')
        return web.Response(body=blocks[Cid(cid)])

    async with client(cat=answer, block_get=answer) as kubo:
        kubo.max_size = max_size
        yield kubo, requested


def test_a_large_model_is_fetched_as_its_list_and_each_of_its_chunks_once() -> None:
    async def story() -> None:
        async with holding(LIST.block, *CHUNKS) as (kubo, requested):
            assert await kubo.get(cid_of(LARGE)) == LARGE
            assert requested == Counter([cid_of(LARGE), *LIST.chunks])

    asyncio.run(story())


@pytest.mark.parametrize(
    ("list", "reason_of_refusal"),
    [
        (ChunkList(64 * MAX_BLOCK, LIST.chunks[:1] * 64).block, Reason.OVERSIZE),
        (ChunkList(2 * MAX_BLOCK + 101, LIST.chunks).block, Reason.OVERSIZE),
        (LIST.block + b"0", Reason.MALFORMED),
        (b"", Reason.MALFORMED),
        (bytes(MAX_BLOCK), Reason.OVERSIZE),
    ],
)
def test_of_a_list_that_promises_too_much_or_the_wrong_chunks_no_chunk_is_fetched(
    list: bytes, reason_of_refusal: Reason
) -> None:
    async def story() -> None:
        async with holding(list, *CHUNKS) as (kubo, requested):
            assert await reason(kubo.get(list_cid(list))) is reason_of_refusal
            assert requested.keys() == {list_cid(list)}

    asyncio.run(story())


def test_in_a_session_of_small_models_no_list_is_fetched() -> None:
    async def story() -> None:
        async with holding(LIST.block, *CHUNKS, max_size=MAX_BLOCK) as (kubo, requested):
            assert await reason(kubo.get(cid_of(LARGE))) is Reason.OVERSIZE
            assert not requested

    asyncio.run(story())


def test_a_model_with_a_missing_chunk_is_not_found() -> None:
    async def story() -> None:
        async with holding(LIST.block, *CHUNKS[:2]) as (kubo, _):
            assert await reason(kubo.get(cid_of(LARGE))) is Reason.NOT_FOUND

    asyncio.run(story())


def test_a_chunk_of_another_size_than_its_list_promises_is_refused() -> None:
    async def story() -> None:
        list = ChunkList(2 * MAX_BLOCK, (cid_of(b"small"), LIST.chunks[1])).block
        async with holding(list, b"small", CHUNKS[1]) as (kubo, _):
            assert await reason(kubo.get(list_cid(list))) is Reason.MALFORMED

    asyncio.run(story())


def test_another_list_or_chunk_than_was_requested_is_refused() -> None:
    async def story() -> None:
        async with client(block_get=LIST.block, cat=CHUNKS[0]) as kubo:
            assert await reason(kubo.get(cid_of(LARGE + b"0"))) is Reason.INVALID_RESPONSE
            assert await reason(kubo.get(cid_of(LARGE))) is Reason.INVALID_RESPONSE

    asyncio.run(story())


def test_a_chunk_that_hangs_is_requested_again_while_there_is_time() -> None:
    async def story() -> None:
        async with holding(LIST.block, *CHUNKS) as (kubo, requested):
            deadlines: list[float] = []

            async def post(path: str, max_bytes: int, deadline: float | None = None, **arguments: Any) -> bytes:
                if arguments["arg"] == LIST.chunks[1] and deadline:
                    deadlines.append(deadline)
                    if len(deadlines) == 1:
                        raise PortError(Reason.TIMEOUT)
                return await Kubo.post(kubo, path, max_bytes, deadline=deadline, **arguments)

            kubo.post = post  # type: ignore[assignment,method-assign]
            assert await kubo.get(cid_of(LARGE)) == LARGE
            assert deadlines == [kubo.fetch_timeout / 2, kubo.fetch_timeout]

    asyncio.run(story())


def test_a_restarted_peer_unpins_the_oldest_models_of_its_earlier_processes_and_no_other_pin(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(store, "MAX_PINNED", 3 * (MAX_BLOCK + 1))
    models = [bytes([number]) * (MAX_BLOCK + 1) for number in range(5)]
    foreign = cid_of(LARGE)
    pins, adding = {str(foreign): ""}, ""

    async def add(request: web.Request) -> web.StreamResponse:
        async for _ in request.content.iter_any():
            pass
        pins[adding] = request.query["pin-name"]
        return web.json_response({"Hash": adding})

    async def pin_ls(request: web.Request) -> web.StreamResponse:
        named = {cid: {"Type": "recursive", "Name": name} for cid, name in reversed(pins.items()) if name}
        return web.json_response({"Keys": named | {foreign: {"Type": "recursive", "Name": f"my {PIN_NAME}"}}})

    async def pin_rm(request: web.Request) -> web.StreamResponse:
        del pins[request.query["arg"]]
        return web.json_response({"Pins": [request.query["arg"]]})

    async def story() -> None:
        nonlocal adding
        for life in (models[:3], models[3:]):
            async with client(add=add, pin_ls=pin_ls, pin_rm=pin_rm) as kubo:
                for model in life:
                    adding = cid_of(model)
                    await kubo.put(model)
        assert set(pins) == {foreign, *map(cid_of, models[2:])}

    asyncio.run(story())
