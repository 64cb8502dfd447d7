"""Blocks of the Tangle as bytes, and a REST interface that answers what no HORNET would."""

import asyncio
import json
from collections.abc import Awaitable, Callable

import aiohttp
import pytest
from aiohttp import web
from hypothesis import given
from hypothesis import strategies as st
from tests.helpers.ports import free_port

from learnae.adapters.tangle.blocks import GENESIS, Block
from learnae.adapters.tangle.rest import MAX_ANSWER, TangleRest
from learnae.errors import PortError, Reason

# A block that a HORNET 2.0.1 stored, and its id.
STORED = bytes.fromhex(
    "0201000000000000000000000000000000000000000000000000000000000000000010000000050000000374616704000000646174610000000000000000"
)
STORED_ID = bytes.fromhex("7f77b2ef0af5c6f00bc47c9a5c84828d87978d7a5ee214964db7b6ea33975736")


def test_a_stored_block_is_read_as_the_node_reads_it() -> None:
    assert Block.parse(STORED) == Block(STORED_ID, (GENESIS,), b"tag", b"data")


def test_a_milestone_has_parents_and_no_data() -> None:
    milestone = b"\x02\x01" + GENESIS + (5).to_bytes(4, "little") + (7).to_bytes(4, "little") + b"x" + bytes(8)
    assert (Block.parse(milestone).parents, Block.parse(milestone).data) == ((GENESIS,), None)


@given(st.integers(0, len(STORED) - 1), st.binary(max_size=8))
def test_a_block_that_ends_too_early_or_late_is_refused(size: int, more: bytes) -> None:
    with pytest.raises(ValueError):
        Block.parse(STORED[:size])
    if more:
        with pytest.raises(ValueError):
            Block.parse(STORED + more)


@given(st.binary(max_size=200))
def test_bytes_are_a_block_or_refused(raw: bytes) -> None:
    try:
        block = Block.parse(raw)
    except ValueError:
        return
    assert 1 <= len(block.parents) <= 8


def reason(answer: web.Response, call: Callable[[TangleRest], Awaitable[object]]) -> Reason:
    """Why a call fails whose node answers this to everything."""

    async def story() -> Reason:
        async def handle(_: web.BaseRequest) -> web.Response:
            return answer

        runner = web.ServerRunner(web.Server(handle))
        await runner.setup()
        await web.TCPSite(runner, "127.0.0.1", port := free_port()).start()
        try:
            async with aiohttp.ClientSession() as session:
                with pytest.raises(PortError) as failed:
                    await call(TangleRest(f"http://127.0.0.1:{port}", session, 2.0))
                return failed.value.reason
        finally:
            await runner.cleanup()

    return asyncio.run(story())


@pytest.mark.parametrize(
    "body",
    [b"", b"[]", b"{}", b"not JSON", b'{"blockId": 1}', b'{"blockId": "0x00"}', b'{"blockId": "' + b"z" * 66 + b'"}'],
)
def test_an_answer_without_a_block_id_is_invalid(body: bytes) -> None:
    assert reason(web.Response(status=201, body=body), lambda node: node.post(b"t", b"", [GENESIS])) is (
        Reason.INVALID_RESPONSE
    )


@pytest.mark.parametrize("tips", [None, "0x00", [1], ["0x00"], [["0x"]]])
def test_tips_that_are_no_block_ids_are_invalid(tips: object) -> None:
    assert reason(web.Response(text=json.dumps({"tips": tips})), TangleRest.tips) is Reason.INVALID_RESPONSE


@pytest.mark.parametrize("raw", [b"", b"\x02" * 50, STORED + b"\x00", bytes(MAX_ANSWER + 1)])
def test_a_block_that_is_none_is_invalid(raw: bytes) -> None:
    assert reason(web.Response(body=raw), lambda node: node.block(STORED_ID)) is Reason.INVALID_RESPONSE


def test_another_block_than_the_one_asked_for_is_invalid() -> None:
    assert reason(web.Response(body=STORED), lambda node: node.block(GENESIS)) is Reason.INVALID_RESPONSE


def test_a_block_that_the_node_lacks_is_not_found() -> None:
    assert reason(web.Response(status=404), lambda node: node.block(STORED_ID)) is Reason.NOT_FOUND


def test_a_node_that_is_not_there_is_unreachable() -> None:
    async def story() -> None:
        async with aiohttp.ClientSession() as session:
            with pytest.raises(PortError) as failed:
                await TangleRest(f"http://127.0.0.1:{free_port()}", session, 2.0).tips()
            assert failed.value.reason is Reason.UNREACHABLE

    asyncio.run(story())
