"""The client of link agents, over HTTP, with agents in this process on fake kernels."""

import asyncio
from collections.abc import Awaitable, Callable
from contextlib import suppress
from ipaddress import IPv4Network
from pathlib import Path

import pytest

from learnae.backends.compose.plan import LINK, Plan
from learnae.backends.pods.link_client import MAX_ANSWER, LinkAgents
from learnae.errors import InputError
from learnae.link_agent.agent import Agent
from learnae.link_agent.packet_filter import MemoryPacketFilter
from learnae.link_agent.server import LinkServer
from learnae.session.faults import CUT, Link

PAIR = ("p01", "p00")  # from whom to whom


def asked(folder: Path, test: Callable[[LinkAgents, Agent], Awaitable[None]], token: str = "the pod's") -> None:
    """Of p00's agent; p01 has none."""

    async def run() -> None:
        agent = Agent(MemoryPacketFilter("hashlimit"))
        await agent.begin()
        server = await asyncio.start_server(LinkServer(agent, "the pod's", lambda _: False).serve, "127.0.0.1", 0)
        base = server.sockets[0].getsockname()[1] - LINK
        plan = Plan("learnae-test", IPv4Network("10.200.1.0/24"), base, "1:1", 0, 31337, 1, ("p00", "p01"))
        for name in plan.names:
            (folder / "pods" / name / "link").mkdir(parents=True)
            (folder / "pods" / name / "link" / "token").write_text(token)
        async with server, LinkAgents(plan, folder) as agents:
            await test(agents, agent)
            await asyncio.gather(*asyncio.all_tasks() - {asyncio.current_task()})  # connections are closed, too

    asyncio.run(run())


def test_links_are_set_by_the_address_of_their_sender_and_removed(tmp_path: Path) -> None:
    async def test(agents: LinkAgents, agent: Agent) -> None:
        assert await agents.abilities("p00") == {"cut", "loss", "delay"}
        await agents.put(["p00"], {PAIR: CUT}, 30)
        assert list((await agent.state())["from"]) == ["10.200.1.11"]
        assert await agents.affected({PAIR: CUT}) == 0
        await agents.put(["p00"], {}, 30)
        assert (await agent.state())["from"] == {}

    asked(tmp_path, test)


def test_a_refusal_or_a_missing_answer_names_the_agent(tmp_path: Path) -> None:
    async def test(agents: LinkAgents, agent: Agent) -> None:
        with pytest.raises(InputError, match="the link agent of p00 refused: .*this kernel does not support bandwidth"):
            await agents.put([], {PAIR: Link(bandwidth=1e5)}, 30)
        with pytest.raises(InputError, match="the link agent of p01 does not answer"):
            await agents.busy()

    asked(tmp_path, test)


def test_another_pods_token_is_refused(tmp_path: Path) -> None:
    async def test(agents: LinkAgents, agent: Agent) -> None:
        with pytest.raises(InputError, match="p00 refused: the bearer token of the pod is required"):
            await agents.put(["p00"], {PAIR: CUT}, 30)

    asked(tmp_path, test, token="another's")


@pytest.mark.parametrize(
    "answer",
    [
        b"HTTP/1.1 200 OK\r\n\r\n" + b" " * (MAX_ANSWER + 1),
        b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\n{}",
        b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\n[]",
        b'HTTP/1.1 200 OK\r\n\r\n{"can":{},"from":{},"strange":[],"delayed":{},"dropped":{"10.200.1.11":"many"}}',
        b"HTTP/1.1 200 OK\r\nContent-Length: 500\r\n\r\n" + b"[" * 500,
        b"HTTP/1.1 403 Forbidden\r\nContent-Length: 2\r\n\r\n{}",
        b"HTTP/1.1 307 Moved\r\nLocation: /elsewhere\r\nContent-Length: 0\r\n\r\n",
    ],
)
def test_a_pod_that_answers_in_place_of_its_agent_is_named(tmp_path: Path, answer: bytes) -> None:
    asked_for = list[bytes]()

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        asked_for.append(await reader.readuntil(b"\r\n\r\n"))
        writer.write(answer)
        with suppress(ConnectionError):
            await writer.drain()
        writer.close()

    async def run() -> None:
        server = await asyncio.start_server(serve, "127.0.0.1", 0)
        base = server.sockets[0].getsockname()[1] - LINK
        plan = Plan("learnae-test", IPv4Network("10.200.1.0/24"), base, "1:1", 0, 31337, 1, ("p00",))
        (tmp_path / "pods" / "p00" / "link").mkdir(parents=True)
        (tmp_path / "pods" / "p00" / "link" / "token").write_text("token")
        async with server, LinkAgents(plan, tmp_path) as agents:
            with pytest.raises(InputError, match="the link agent of p00 does not answer"):
                await agents.busy()

    asyncio.run(run())
    assert len(asked_for) == 1
