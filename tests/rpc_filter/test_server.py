"""The filter over HTTP, between a client and a node in this process."""

import asyncio
import json
import time
from collections.abc import Awaitable, Callable, Collection
from contextlib import suppress
from typing import Any

import pytest

from learnae.adapters.evm.rpc import http_node
from learnae.errors import PortError, Reason
from learnae.rpc_filter import server as filtering
from learnae.rpc_filter.server import MAX_ANSWER, MAX_CONNECTIONS_PER_ADDRESS, RpcFilter

CHAIN_ID = {"jsonrpc": "2.0", "id": 1, "method": "eth_chainId", "params": []}
SHORT = 0.2  # s


class FakeNode:
    """``length``: the one that it announces, if it is wrong.  ``silent``: no answer.  ``asked``: requests so far.

    ``host_port``: at which the filter before it listens to the host.
    """

    def __init__(self) -> None:
        self.answer = b'{"jsonrpc":"2.0","id":1,"result":"0x7a69"}'
        self.length: int | None = None
        self.silent, self.host_port = False, 0
        self.asked: list[Any] = []

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        with suppress(ConnectionError, asyncio.IncompleteReadError):
            head = await reader.readuntil(b"\r\n\r\n")
            length = int(head.lower().partition(b"content-length: ")[2].split()[0])
            self.asked.append(json.loads(await reader.readexactly(length)))
            if self.silent:
                await reader.read()
            writer.write(f"HTTP/1.1 200 OK\r\nContent-Length: {self.length or len(self.answer)}\r\n\r\n".encode())
            writer.write(self.answer)
            await writer.drain()
        writer.close()


def filtered(
    test: Callable[[FakeNode, int], Awaitable[None]],
    control: Collection[str] = (),
    clock: Callable[[], float] = time.monotonic,
) -> None:
    async def run() -> None:
        node = FakeNode()
        async with await asyncio.start_server(node.serve, "127.0.0.1", 0) as behind:
            address = behind.sockets[0].getsockname()[:2]
            before = RpcFilter(address, control, SHORT, clock)
            async with (
                await before.listen("127.0.0.1", 0) as server,
                await before.listen_to_host("127.0.0.1", 0) as for_host,
            ):
                node.host_port = for_host.sockets[0].getsockname()[1]
                await test(node, server.sockets[0].getsockname()[1])

    asyncio.run(run())


async def post(
    port: int, content: object, kind: str = "application/json", method: str = "POST", sender: str = "127.0.0.1"
) -> tuple[int, bytes]:
    body = content if isinstance(content, bytes) else json.dumps(content).encode()
    reader, writer = await asyncio.open_connection("127.0.0.1", port, local_addr=(sender, 0))
    head = f"{method} / HTTP/1.1\r\nContent-Type: {kind}\r\nContent-Length: {len(body)}\r\n\r\n"
    writer.write(head.encode() + body)
    answer = await reader.read()
    writer.close()
    await writer.wait_closed()
    return int(answer.split()[1]), answer.partition(b"\r\n\r\n")[2]


def test_a_peers_request_reaches_the_node_and_its_answer_the_peer() -> None:
    async def test(node: FakeNode, port: int) -> None:
        assert await post(port, CHAIN_ID) == (200, node.answer)
        assert node.asked == [CHAIN_ID]
        peer = http_node(f"http://127.0.0.1:{port}", 0x7A69)
        await peer.connect()
        await peer.close()

    filtered(test)


def test_a_cheat_is_answered_with_an_error_and_never_reaches_the_node() -> None:
    async def test(node: FakeNode, port: int) -> None:
        status, body = await post(port, CHAIN_ID | {"method": "anvil_setBalance"})
        assert status == 200 and json.loads(body)["error"]["code"] == -32601
        assert "'anvil_setBalance'" in json.loads(body)["error"]["message"]
        assert (await post(port, [CHAIN_ID]))[0] == 400
        assert node.asked == []

    filtered(test)


def test_a_web_page_of_another_site_cannot_send_requests() -> None:
    async def test(node: FakeNode, port: int) -> None:
        assert (await post(port, CHAIN_ID, "text/plain"))[0] == 415
        assert (await post(port, CHAIN_ID, method="OPTIONS"))[0] == 405
        assert (await post(port, CHAIN_ID, method="GET"))[0] == 405
        assert node.asked == []

    filtered(test)


def test_a_node_that_is_away_or_answers_nonsense_is_a_bad_gateway() -> None:
    async def test(node: FakeNode, port: int) -> None:
        node.length = MAX_ANSWER + 1
        assert (await post(port, CHAIN_ID))[0] == 502
        node.length = -1
        assert (await post(port, CHAIN_ID))[0] == 502

    filtered(test)

    async def away() -> None:
        async with await RpcFilter(("127.0.0.1", 1)).listen("127.0.0.1", 0) as server:
            assert await failure(server.sockets[0].getsockname()[1]) is Reason.UNREACHABLE  # as if it were the chain

    asyncio.run(away())


async def failure(port: int) -> Reason:
    """Of a peer's request."""
    peer = http_node(f"http://127.0.0.1:{port}", 0x7A69)
    try:
        await peer.connect()
    except PortError as error:
        return error.reason
    finally:
        await peer.close()
    raise AssertionError


def test_an_answer_that_ends_early_is_not_taken_for_a_whole_one() -> None:
    async def test(node: FakeNode, port: int) -> None:
        node.length = len(node.answer) + 1
        assert await failure(port) is Reason.UNREACHABLE

    filtered(test)


def test_a_node_that_does_not_answer_is_given_up(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(filtering, "NODE_TIMEOUT", SHORT)

    async def test(node: FakeNode, port: int) -> None:
        node.silent = True
        assert (await post(port, CHAIN_ID))[0] == 504

    filtered(test)


def test_connections_of_one_pod_do_not_take_the_places_of_another() -> None:
    async def test(node: FakeNode, port: int) -> None:
        idle = [
            await asyncio.open_connection("127.0.0.1", port, local_addr=("127.0.0.3", 0))
            for _ in range(MAX_CONNECTIONS_PER_ADDRESS + 5)
        ]
        assert (await post(port, CHAIN_ID))[0] == 200
        answers = [(await reader.read()).partition(b" ")[2][:3] for reader, _ in idle]
        assert answers.count(b"503") == 5 and answers.count(b"408") == MAX_CONNECTIONS_PER_ADDRESS
        for _, writer in idle:
            writer.close()

    filtered(test)


def test_a_flood_of_one_pod_is_refused_and_not_the_requests_of_others(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(filtering, "MAX_REQUESTS", 5)
    monkeypatch.setattr(filtering, "MAX_TRANSACTIONS", 2)
    now, send = [0.0], CHAIN_ID | {"method": "eth_sendRawTransaction", "params": ["0x00"]}

    async def test(node: FakeNode, port: int) -> None:
        sent = [(await post(port, send, sender="127.0.0.3"))[0] for _ in range(4)]
        asked = [(await post(port, CHAIN_ID, sender="127.0.0.3"))[0] for _ in range(6)]
        assert (sent, asked) == ([200, 200, 429, 429], [200] * 5 + [429])
        assert (await post(port, send, sender="127.0.0.4"))[0] == 200
        assert [(await post(node.host_port, send, sender="127.0.0.2"))[0] for _ in range(4)] == [200] * 4  # the host
        assert (await post(node.host_port, send, sender="127.0.0.3"))[0] == 429
        published = [(await post(port, send, sender="127.0.0.2"))[0] for _ in range(4)]  # whoever dials that port
        assert published == [200, 200, 429, 429]
        now.append(now.pop() + filtering.WINDOW)
        assert (await post(port, send, sender="127.0.0.3"))[0] == 200

    filtered(test, ("127.0.0.2",), lambda: now[0])
