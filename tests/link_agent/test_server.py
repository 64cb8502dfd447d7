"""How the agent is asked: over HTTP, on a kernel that is only remembered."""

import asyncio
import http.client
import json
import select
import socket
import sys
import time
from collections.abc import Awaitable, Callable, Iterator
from contextlib import ExitStack
from pathlib import Path
from subprocess import PIPE, Popen
from typing import Any

import pytest

from learnae.bounded_http import MAX_HEAD
from learnae.link_agent.agent import Agent
from learnae.link_agent.packet_filter import MemoryPacketFilter
from learnae.link_agent.server import MAX_CONNECTIONS, MAX_CONNECTIONS_PER_ADDRESS, LinkServer

MAX_BODY = LinkServer.max_body
PEER = Path(__file__).parents[2] / "peer"
TOKEN, ME, A = "a-token-of-the-pod", "10.0.0.10", "10.0.0.11"
AUTHORIZED = {"Authorization": f"Bearer {TOKEN}", "Content-Type": "application/json"}
PUT = b"PUT /v1/state HTTP/1.1\r\n" + "".join(f"{key}: {value}\r\n" for key, value in AUTHORIZED.items()).encode()
CUT_A = {"lease": 30, "from": {A: {"loss": 1}}}
Ask = Callable[..., Awaitable[tuple[int, dict[str, Any]]]]


def asked(test: Callable[[Ask], Awaitable[None]]) -> None:
    async def run() -> None:
        agent = Agent(MemoryPacketFilter("hashlimit"))
        await agent.begin()
        server = await LinkServer(agent, TOKEN, {ME, "127.0.0.2"}.__contains__).listen("127.0.0.1", 0)
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
        state, abilities = "/v1/state", "/v1/abilities"
        for method, path in (
            ("GET", state),
            ("PUT", state),
            ("GET", abilities),
            ("POST", "/v1/clear"),
            ("GET", "/v1/events"),
        ):
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
        assert told["can"] == {"cut": True}  # a fault does not wait until the kernel is probed for all
        assert (await ask("GET", "/v1/state"))[1]["can"] == told["can"]
        able = (await ask("GET", "/v1/abilities"))[1]
        assert able["can"] == {"cut": True, "loss": True, "bandwidth": False, "delay": True}
        assert able["from"] == (await ask("GET", "/v1/state"))[1]["from"] == told["from"]
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
        (CUT_A | {"lease": float("nan")}, "this is not JSON"),
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


def test_other_media_and_other_methods_and_paths_are_refused() -> None:
    async def test(ask: Ask) -> None:
        assert (await ask("PUT", "/v1/state", CUT_A, AUTHORIZED | {"Content-Type": "text/plain"}))[0] == 415
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
        PUT + b"Content-Length: 9\r\n\r\n",
        PUT + b"Content-Length: -9\r\n\r\n",
        PUT + b"Transfer-Encoding: chunked\r\n\r\n",
    ],
)
def test_whatever_is_sent_it_answers_or_hangs_up_and_goes_on(nonsense: bytes) -> None:
    async def test() -> None:
        server = await LinkServer(Agent(MemoryPacketFilter()), TOKEN, lambda _: False).listen("127.0.0.1", 0)
        port = server.sockets[0].getsockname()[1]
        async with server:
            try:
                assert (await answer(port, nonsense))[0] == 400
            except ConnectionError:  # it hung up with some of it unread
                pass
            assert (await answer(port, b"GET /healthz HTTP/1.1\r\n\r\n"))[0] == 200

    asyncio.run(test())


# attacks, on an agent in a process of its own

ATTACKER, NEIGHBOUR, HOST = "127.0.0.3", "127.0.0.4", "127.0.0.2"
DEADLINE = 1.0  # s for a request
MAX_GROWTH = 5 << 20  # bytes; the container has 64 MiB
SCRIPT = f"""
import asyncio
from learnae.link_agent.agent import Agent
from learnae.link_agent.packet_filter import MemoryPacketFilter
from learnae.link_agent.server import LinkServer

async def main():
    agent = Agent(MemoryPacketFilter())
    await agent.begin()
    server = await LinkServer(agent, {TOKEN!r}, {{{HOST!r}}}.__contains__, {DEADLINE}).listen("127.0.0.1", 0)
    print(server.sockets[0].getsockname()[1], flush=True)
    await server.serve_forever()

asyncio.run(main())
"""


class Attacked:
    """``clients``: connections that stay open until the end of the test."""

    def __init__(self, process: Popen[str], clients: ExitStack) -> None:
        assert process.stdout
        self.port, self._process, self._clients = int(process.stdout.readline()), process, clients
        assert self.ask(HOST) == 200
        self._before = self._peak()

    def connect(self, sender: str = ATTACKER) -> socket.socket:
        client = socket.create_connection(("127.0.0.1", self.port), timeout=60, source_address=(sender, 0))
        return self._clients.enter_context(client)

    def send(self, raw: bytes, sender: str = ATTACKER) -> socket.socket:
        """As much as the agent takes before it hangs up, or stops reading."""
        client = self.connect(sender)
        client.settimeout(0.2)
        try:
            client.sendall(raw)
        except (ConnectionError, TimeoutError):
            pass
        client.settimeout(60)
        return client

    def ask(self, sender: str) -> int:
        """A legal request."""
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=60, source_address=(sender, 0))
        connection.request("PUT", "/v1/state", json.dumps(CUT_A), AUTHORIZED)
        status = connection.getresponse().status
        connection.close()
        return status

    def growth(self) -> int:
        return self._peak() - self._before

    def _peak(self) -> int:
        status = Path(f"/proc/{self._process.pid}/status").read_text(encoding="utf-8")
        return int(status.partition("VmHWM:")[2].split()[0]) << 10


@pytest.fixture
def attacked() -> Iterator[Attacked]:
    command = [sys.executable, "-S", "-c", SCRIPT]  # as in a pod: without site-packages
    with Popen(command, cwd=PEER, stdout=PIPE, text=True) as process, ExitStack() as clients:
        yield Attacked(process, clients)
        process.kill()


def received(client: socket.socket) -> bytes:
    """All until the agent hangs up."""
    parts = list[bytes]()
    try:
        while part := client.recv(1 << 16):
            parts.append(part)
    except ConnectionError:
        pass
    return b"".join(parts)


def status(client: socket.socket) -> str:
    return received(client).decode().partition(" ")[2][:3]


def test_300_half_requests_from_one_address_use_only_its_own_places(attacked: Attacked) -> None:
    half = PUT + f"Content-Length: {MAX_BODY}\r\n\r\n".encode() + b" " * (MAX_BODY - 1)
    clients = [attacked.send(half) for _ in range(300)]
    assert attacked.ask(HOST) == attacked.ask(NEIGHBOUR) == 200
    assert attacked.growth() < MAX_GROWTH
    assert sum(status(client) == "408" for client in clients) >= MAX_CONNECTIONS_PER_ADDRESS
    assert attacked.ask(ATTACKER) == 200  # its places are free again


def test_half_requests_from_all_other_pods_do_not_lock_out_the_host(attacked: Attacked) -> None:
    pods = [f"127.0.1.{number}" for number in range(1, 2 * MAX_CONNECTIONS)]
    clients = [attacked.send(b"GET /v1/state HTTP/1.1\r\n", pod) for pod in pods]
    assert attacked.ask(HOST) == 200
    assert attacked.growth() < MAX_GROWTH
    assert "503" in [status(client) for client in clients]
    assert attacked.ask(NEIGHBOUR) == 200


def test_headers_without_end_are_cut_off(attacked: Attacked) -> None:
    clients = [attacked.send(b"GET /healthz HTTP/1.1\r\n" + b"X: y\r\n" * 200_000) for _ in range(50)]
    assert attacked.ask(HOST) == attacked.ask(NEIGHBOUR) == 200
    assert {status(client) for client in clients} <= {"400", "503", ""}  # "": it hung up with some of it unread
    assert attacked.growth() < MAX_GROWTH
    assert status(attacked.send(b"GET /healthz HTTP/1.1\r\nX: " + b"y" * MAX_HEAD + b"\r\n\r\n")) in ("400", "")


def test_a_slow_drip_ends_at_the_deadline(attacked: Attacked) -> None:
    client, begin = attacked.connect(), time.monotonic()
    while not select.select([client], [], [], DEADLINE / 20)[0]:
        client.send(b"x")
        assert time.monotonic() < begin + 60 * DEADLINE
    assert time.monotonic() > begin + DEADLINE / 2
    assert status(client) == "408"
    assert attacked.ask(HOST) == 200


def test_a_body_larger_than_allowed_is_refused_before_it_is_sent(attacked: Attacked) -> None:
    for length in (MAX_BODY + 1, 10**12):
        assert status(attacked.send(PUT + f"Content-Length: {length}\r\n\r\n".encode())) == "413"
    assert attacked.ask(HOST) == 200


def test_a_body_with_a_wrong_token_is_never_read(attacked: Attacked) -> None:
    head = PUT.replace(TOKEN.encode(), b"another-token")
    assert status(attacked.send(head + f"Content-Length: {MAX_BODY}\r\n\r\n".encode())) == "401"
    raw = head + f"Content-Length: {1 << 20}\r\n\r\n".encode() + b" " * (1 << 20)
    for _ in range(100):
        assert status(attacked.send(raw)) in ("401", "503", "")  # "": it hung up with some of it unread
    assert attacked.ask(HOST) == 200
    assert attacked.growth() < MAX_GROWTH
