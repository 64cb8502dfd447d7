"""Fakes of containers and link agents, and a plan carried out on them."""

import asyncio
import json
from collections import deque
from collections.abc import Callable, Iterable
from ipaddress import IPv4Network
from math import inf
from pathlib import Path
from typing import Any

from learnae.backends.compose.container_lifecycle import ContainerLifecycle
from learnae.backends.compose.plan import Plan
from learnae.backends.pods.faults import PodFaults
from learnae.backends.pods.link_client import LinkAgents
from learnae.errors import InputError
from learnae.link_agent.agent import Agent
from learnae.link_agent.packet_filter import MemoryPacketFilter
from learnae.link_agent.request_schema import parse_request
from learnae.protocol.decisions import WorkChanged, WorkState
from learnae.records.history import Fact, FaultBegan, FaultEnded
from learnae.runtime.clocks import Moment, SessionClock
from learnae.session.faults import Fault, FaultKind, FaultWindow
from learnae.web.event_log import EventLog

NAMES = ("p00", "p01", "p02")
PLAN = Plan("learnae-test", IPv4Network("10.200.1.0/24"), 20_000, "1:1", 0, 31337, 1, NAMES)
SHORT = 0.05  # s


class Pods(LinkAgents):
    """Agents in this process.  ``mute``: those that do not answer.  ``puts``: the states that they were given."""

    def __init__(self, *without: str) -> None:
        self.plan = PLAN
        self.agents = {name: Agent(MemoryPacketFilter(*without)) for name in NAMES}
        self.mute, self.puts = set[str](), list[tuple[str, Any]]()
        self._links, self._updating = {}, asyncio.Lock()

    async def __aenter__(self) -> "Pods":
        for agent in self.agents.values():
            await agent.begin()
        return self

    async def __aexit__(self, *raised: object) -> None:
        pass

    async def _ask(self, method: str, name: str, what: str, content: Any = None) -> Any:
        if name in self.mute:
            raise InputError(f"the link agent of {name} does not answer (mute)")
        if method == "PUT":
            self.puts.append((name, content))
            await self.agents[name].put(*parse_request(json.dumps(content).encode(), lambda address: False))
        if what == "abilities":
            await self.agents[name].probe()
        return await self.agents[name].state()

    def send(self, receiver: str) -> None:
        """A packet meets each rule of a pod."""
        kernel = self.agents[receiver].packet_filter
        assert isinstance(kernel, MemoryPacketFilter)
        kernel.packets.update(kernel.chains["LEARNAE"])

    def cut(self) -> set[str]:
        return {name for name, agent in self.agents.items() if "LEARNAE" in agent.packet_filter.chains}  # type: ignore[attr-defined]


class Container:
    """One container of Docker's API.  ``calls``: verbs so far.  ``refuses``: a verb that fails so many ``times``."""

    status, AFTER = "running", {"kill": "exited", "stop": "exited", "start": "running", "pause": "paused"}

    def __init__(self) -> None:
        self.calls: list[str] = []
        self.refuses, self.times = "", inf

    def __getattr__(self, verb: str) -> Callable[..., None]:
        def obey(**options: object) -> None:
            if verb == self.refuses and self.times > 0:
                self.times -= 1
                raise InputError(f"Docker cannot {verb} that")
            self.calls.append(verb)
            self.status = self.AFTER.get(verb, "running")

        return obey


class FakeContainers(ContainerLifecycle):
    def __init__(self, folder: Path) -> None:
        self._chain, self._block_time = folder, 0.02
        self._states, self._remembered = deque(), None
        self._down, self._returned, self._changed = set(), set(), asyncio.Event()
        self.containers: dict[str, Container] = {}

    async def _of(self, service: str, act: Callable[[Any], Any], absent: str | None = None) -> Any:
        return act(self[service])

    def __getitem__(self, service: str) -> Container:
        return self.containers.setdefault(service, Container())


class Stage:
    def __init__(self, folder: Path, windows: Iterable[FaultWindow], *without: str) -> None:
        self.pods, self.containers = Pods(*without), FakeContainers(folder)
        self.board, self.said = EventLog(), list[str]()
        parts = (NAMES, SessionClock(Moment(0.0)), self.pods, self.containers, self.board, folder / "faults.jsonl")
        self.faults = PodFaults(list(windows), *parts, self.said.append)

    def start(self) -> asyncio.Task[None]:
        """The session, in which everybody begins now."""
        for name in NAMES:
            self.board.observe(self.faults.clock(), name, WorkChanged(WorkState.TRAINING))
        return asyncio.create_task(self.faults.run())

    async def begun(self, kind: type = FaultBegan) -> asyncio.Task[None]:
        """The session, once there is such a fact."""
        running = self.start()
        await self.when(kind)
        return running

    async def when(self, kind: type) -> Fact:
        async with asyncio.timeout(60):
            async for _, record in self.board.follow():
                if isinstance(record.fact, kind):
                    return record.fact
        raise AssertionError

    @property
    def effects(self) -> list[str]:
        return [record.fact.effect for record in self.board.records if isinstance(record.fact, FaultEnded)]


def window(kind: FaultKind, *targets: str, begin: float = 0.0, end: float = SHORT, **more: Any) -> FaultWindow:
    sides = (("p00",), ("p01", "p02")) if kind is FaultKind.SPLIT else ()
    return FaultWindow(Fault(kind, begin, end - begin, **more), begin, end, targets, sides)
