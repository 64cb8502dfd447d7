"""How the agent is asked: over HTTP, on a kernel that is only remembered."""

import asyncio
import json
from collections.abc import Awaitable, Callable
from typing import Any

import pytest

from learnae.link_agent.agent import Agent
from learnae.link_agent.packet_filter import MemoryPacketFilter
from learnae.link_agent.server import MAX_BODY, LinkServer

TOKEN, ME, A = "a-token-of-the-pod", "10.0.0.10", "10.0.0.11"
AUTHORIZED = {"Authorization": f"Bearer {TOKEN}", "Content-Type": "application/json"}
CUT_A = {"lease": 30, "from": {A: {"loss": 1}}}
Ask = Callable[..., Awaitable[tuple[int, dict[str, Any]]]]


def asked(test: Callable[[Ask], Awaitable[None]]) -> None:
    async def run() -> None:
        agent = Agent(MemoryPacketFilter("hashlimit"))
        await agent.begin()
        server = await asyncio.start_server(
            LinkServer(agent, TOKEN, {ME, "127.0.0.2"}.__contains__).serve, "127.0.0.1", 0
        )
        port = server.sockets[0].getsockname()[1]

        async def ask(
            method: str, path: str, content: object = None, headers: dict[str, str] = AUTHORIZED
        ) -> tuple[int, dict[str, Any]]:
            body = content if isinstance(content, bytes) else b"" if content is None else json.dumps(content).encode()
            lines = [f"{method} {path} HTTP/1.1", *(f"{key}: {value}" for key, value in headers.items())]
            raw = "\r\n".join([*lines, f"Content-Length: {len(body)}", "", ""]).encode() + body
            return await answer(port, raw)

        async with server:
            await test(ask)

    asyncio.run(run())


async def answer(port: int, raw: bytes) -> tuple[int, dict[str, Any]]:
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    writer.write(raw)
    writer.write_eof()
    head, _, body = (await reader.read()).partition(b"\r\n\r\n")
    writer.close()
    await writer.wait_closed()
    return int(head.split()[1]), json.loads(body)


def test_anybody_may_ask_whether_it_is_well_and_nothing_else() -> None:
    async def test(ask: Ask) -> None:
        assert await ask("GET", "/healthz", headers={}) == (200, {"ok": True})
        for method, path in (("GET", "/v1/state"), ("PUT", "/v1/state"), ("POST", "/v1/clear"), ("GET", "/v1/events")):
            for token in ("", "another-token", TOKEN[:-1], TOKEN + "x"):
                status, told = await ask(method, path, CUT_A, {"Authorization": f"Bearer {token}"})
                assert (status, told["detail"]) == (401, "the bearer token of the pod is required")
        assert (await ask("GET", "/v1/state"))[1]["from"] == {}

    asked(test)


def test_a_state_is_put_shown_cleared_and_remembered() -> None:
    async def test(ask: Ask) -> None:
        status, told = await ask("PUT", "/v1/state", CUT_A)
        assert status == 200 and told["from"] == {A: {"loss": 1.0, "delay": 0.0, "bandwidth": 0.0, "resetting": True}}
        assert 29 < told["lease"] <= 30 and told["dropped"] == {}
        assert told["can"] == {"cut": True, "loss": True, "bandwidth": False, "delay": True}
        assert (await ask("GET", "/v1/state"))[1]["from"] == told["from"]
        status, told = await ask("POST", "/v1/clear")
        assert (status, told["from"], told["lease"]) == (200, {}, None)
        listed = (await ask("GET", "/v1/events"))[1]["events"]
        assert [(each["event"], each["from"]) for each in listed] == [("applied", [A]), ("cleared", [])]

    asked(test)


@pytest.mark.parametrize(
    ("content", "why"),
    [
        (b"{", "this is not JSON"),
        (b"\xff", "this is not JSON"),
        ([], "give a lease and from"),
        ({"lease": 9}, "give a lease and from"),
        (CUT_A | {"more": 1}, "give a lease and from"),
        (CUT_A | {"from": []}, "give a lease and from"),
        (CUT_A | {"lease": 0}, "lease: above 0 s and up to 3600"),
        (CUT_A | {"lease": 4000}, "lease: above 0 s and up to 3600"),
        (CUT_A | {"lease": True}, "lease: give a number"),
        (CUT_A | {"lease": float("nan")}, "lease: give a number"),
        ({"lease": 9, "from": {"p01": {"loss": 1}}}, "'p01' is not the IPv4 address of a pod"),
        ({"lease": 9, "from": {"10.0.0.0/8": {"loss": 1}}}, "'10.0.0.0/8' is not the IPv4 address of a pod"),
        ({"lease": 9, "from": {"::1": {"loss": 1}}}, "'::1' is not the IPv4 address of a pod"),
        ({"lease": 9, "from": {"0.0.0.0": {"loss": 1}}}, "0.0.0.0 is not the address of one pod"),
        ({"lease": 9, "from": {ME: {"loss": 1}}}, f"{ME} belongs to this agent or controls it"),
        ({"lease": 9, "from": {"127.0.0.1": {"loss": 1}}}, "127.0.0.1 belongs to this agent or controls it"),
        ({"lease": 9, "from": {A: {"loss": 1.5}}}, f"{A}: loss is a probability"),
        ({"lease": 9, "from": {A: {"loss": "1"}}}, f"{A}: loss: give a number"),
        ({"lease": 9, "from": {A: {"delay": -1}}}, f"{A}: delay is from 0.001 to 60 s, or 0 for none"),
        ({"lease": 9, "from": {A: {"bandwidth": 10}}}, f"{A}: bandwidth is from 1000 to 1e+09 bytes/s"),
        ({"lease": 9, "from": {A: {"jitter": 1}}}, f"{A}: give only loss, delay, bandwidth"),
        ({"lease": 9, "from": {A: 1}}, f"{A}: give only loss, delay, bandwidth"),
    ],
)
def test_what_makes_no_sense_is_refused_in_one_sentence(content: object, why: str) -> None:
    async def test(ask: Ask) -> None:
        status, told = await ask("PUT", "/v1/state", content)
        assert status == 400 and told["detail"].startswith(why)
        assert (await ask("GET", "/v1/state"))[1]["from"] == {}

    asked(test)


def test_what_this_kernel_cannot_do_is_a_conflict() -> None:
    async def test(ask: Ask) -> None:
        status, told = await ask("PUT", "/v1/state", {"lease": 9, "from": {A: {"bandwidth": 1e5}}})
        assert status == 409 and told["detail"].endswith("nothing was changed: this kernel does not support bandwidth")

    asked(test)


def test_other_media_and_long_bodies_and_other_methods_and_paths_are_refused() -> None:
    async def test(ask: Ask) -> None:
        assert (await ask("PUT", "/v1/state", CUT_A, AUTHORIZED | {"Content-Type": "text/plain"}))[0] == 415
        assert (await ask("PUT", "/v1/state", b" " * (MAX_BODY + 1)))[0] == 413
        assert (await ask("DELETE", "/v1/state"))[0] == 405
        assert (await ask("GET", "/v1/state?x=1"))[0] == 200
        assert (await ask("GET", "/"))[0] == 404

    asked(test)


@pytest.mark.parametrize(
    "nonsense",
    [
        b"",
        b"\r\n\r\n",
        b"\xff\xfe\r\n\r\n",
        b"GET\r\n\r\n",
        b"GET /v1/state HTTP/9\r\n\r\n",
        b"x" * 100_000,
        b"GET / HTTP/1.1\r\n" * 10,
        b"PUT /v1/state HTTP/1.1\r\nContent-Length: 9\r\n\r\n",
        b"PUT /v1/state HTTP/1.1\r\nContent-Length: -9\r\n\r\n",
        b"PUT /v1/state HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\n",
    ],
)
def test_whatever_is_sent_it_answers_or_hangs_up_and_goes_on(nonsense: bytes) -> None:
    async def test() -> None:
        server = await asyncio.start_server(
            LinkServer(Agent(MemoryPacketFilter()), TOKEN, lambda _: False).serve, "127.0.0.1", 0
        )
        port = server.sockets[0].getsockname()[1]
        async with server:
            try:
                assert (await answer(port, nonsense))[0] == 400
            except ConnectionError:  # it hung up with some of it unread
                pass
            assert (await answer(port, b"GET /healthz HTTP/1.1\r\n\r\n"))[0] == 200

    asyncio.run(test())
