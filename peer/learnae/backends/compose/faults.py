"""A session's faults carried out on containers: links by the pods' agents, lives by Docker.

The plan is the simulator's, counted in real time from the moment when the last of the expected peers has begun its
slices.  At each of its moments the world is made what it should be like then (``faults.state``).  Link faults hang on
leases: they end by themselves should nobody be left to heal them.

    await chaos.possible()         # InputError: this kernel cannot do what the plan asks for
    await chaos.run()              # to the plan's end, or cancelled: all is healed
"""

import asyncio
from collections.abc import Awaitable, Callable, Coroutine, Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeVar

from learnae.backends.compose.container_lifecycle import RUNNING, ContainerLifecycle
from learnae.backends.compose.link_client import LinkAgents
from learnae.errors import InputError
from learnae.link_agent.rules import abilities
from learnae.protocol.decisions import WorkChanged, WorkState
from learnae.records.history import (
    SWARM,
    Effect,
    Fact,
    FaultBegan,
    FaultEnded,
    FaultsPlanned,
    PeerCrashed,
    Record,
)
from learnae.runtime.live import SessionClock
from learnae.session.faults import FaultKind, FaultState, FaultWindow, boundaries, state
from learnae.web.event_log import EventLog

T = TypeVar("T")

LEASE, RENEW = 15.0, 5.0  # s
STATE_EVERY = 3.0  # s between two states that Anvil writes
CHAIN = "chain"


@dataclass
class ComposeChaos:
    """``awaited``: peers that must have begun.  ``file`` gets a line for each record, beside the board."""

    windows: Sequence[FaultWindow]
    awaited: frozenset[str]
    clock: SessionClock
    block_time: float
    agents: LinkAgents
    lives: ContainerLifecycle
    board: EventLog
    file: Path
    say: Callable[[str], None]

    def __post_init__(self) -> None:
        self.names = self.agents.plan.names
        self.away = frozenset[str]()  # services that a fault holds down, or is about to
        self._state = FaultState()
        self._before: dict[int, int | None] = {}  # what the evidence for a window counts from
        self._down: set[str] = set()
        self._returned: set[str] = set()
        self._turned = asyncio.Event()
        self._asking = asyncio.Lock()  # or a renewal might arrive after the state that follows it

    async def possible(self) -> None:
        """Raises InputError if the plan asks for what containers cannot do.  The first pod's agent must be up."""
        if any(window.fault.one_way for window in self.windows if window.kind in (FaultKind.CUT, FaultKind.ISOLATE)):
            raise InputError(
                "the plan has a cut of one way, but Kubo speaks TCP, which without answers carries nothing the other "
                "way either: leave one_way out, or take --backend sim"
            )
        moments = boundaries(self.windows)
        needs = abilities(link for at in moments for link in state(self.windows, at, self.names).links.values())
        if not needs:
            return
        async with self.agents:
            lacks = sorted(needs - await self.agents.abilities(self.names[0]))
        if lacks:
            raise InputError(
                f"the plan needs {' and '.join(lacks)} on links, which link agents cannot do on this kernel: "
                "change the plan, or take --backend sim"
            )

    async def run(self) -> None:
        async with self.agents, asyncio.TaskGroup() as group:
            zero = await self._all_begun()
            self._record(SWARM, FaultsPlanned(len(self.windows)))
            behind = [group.create_task(self._renew())]
            kills = [each for each in self.windows if each.kind is FaultKind.CHAIN_KILL]
            behind += [group.create_task(self._save_chain(zero, each)) for each in kills]
            try:
                for moment in boundaries(self.windows):
                    await self._until(zero + moment)
                    await _whole(self._turn(moment))
            finally:
                for task in behind:
                    task.cancel()
                await self._heal()

    async def brought_back(self, services: Iterable[str]) -> bool:
        """Whether a fault took any of these peers away since this was asked last; waits until they are back, or
        until it is known that they cannot be."""
        names = {service.removeprefix("peer-") for service in services}
        while self._down & names:
            await self._turned.wait()
        again = self._returned & names
        self._returned -= again
        return bool(again)

    # in here

    async def _all_begun(self) -> float:
        """When the last of those that are there from the start was at work for the first time; waits for it."""
        awaited, begun = set(self.awaited), 0.0
        async for _, record in self.board.follow():
            match record.fact:
                case WorkChanged(WorkState.TRAINING | WorkState.MERGING) if record.peer in awaited:
                    awaited.discard(record.peer)
                    begun = max(begun, record.t)
            if not awaited:
                break
        return begun

    async def _turn(self, moment: float) -> None:
        numbered = list(enumerate(self.windows))
        ended = {number: await self._effect(number) for number, window in numbered if window.end == moment}
        begun = [number for number, window in numbered if window.begin == moment]
        for number in begun:
            self._before[number] = await self._evidence(self.windows[number])
        old, self._state = self._state, state(self.windows, moment, self.names)
        self.away |= _services(self._state)
        await self._give_back(old, self._state)
        for number, effect in ended.items():
            self._record(SWARM, FaultEnded(number, effect))
        for number in begun:
            window = self.windows[number]
            self._record(SWARM, FaultBegan(number, window.kind, window.targets, window.sides))
        stopped = [each.targets for each in self.windows if each.kind is FaultKind.STOP and each.open(moment)]
        await self._take(old, self._state, gently={name for targets in stopped for name in targets})
        self.away = _services(self._state)

    async def _heal(self) -> None:
        """Everything; what the plan would have held up for longer is said."""
        old, self._state = self._state, FaultState()
        await self._give_back(old, self._state)
        busy = await self._tried(self.agents.busy(), None)
        if busy:
            self.say(f"The links of {', '.join(busy)} are not healed; they will be within {LEASE:.0f} s.")
        elif busy is not None and old != FaultState():
            self.say("Chaos: everything is healed, before the plan was at its end.")

    async def _give_back(self, old: FaultState, new: FaultState) -> None:
        lives = self.lives
        receivers = {receiver for _, receiver in [*old.links, *new.links]}
        async with self._asking:
            await self._tried(self.agents.put(receivers, new.links, LEASE), None)
        await self._all(lives.unpause(f"peer-{name}") for name in old.frozen - old.dead - (new.frozen - new.dead))
        await self._all(lives.start(f"ipfs-{name}") for name in old.ipfs_down - new.ipfs_down)
        await self._all(self._bring_back(name) for name in self._down - new.dead)
        if old.chain and old.chain != new.chain:
            await self._tried(lives.resume_chain(old.chain), None)
        self._turned.set()
        self._turned = asyncio.Event()

    async def _take(self, old: FaultState, new: FaultState, gently: set[str]) -> None:
        lives = self.lives
        await self._all(self._take_down(name, name in gently) for name in new.dead - old.dead)
        await self._all(lives.pause(f"peer-{name}") for name in new.frozen - new.dead - (old.frozen - old.dead))
        await self._all(lives.kill(f"ipfs-{name}") for name in new.ipfs_down - old.ipfs_down)
        if new.chain and old.chain != new.chain:
            await self._tried(lives.end_chain(new.chain), None)

    async def _take_down(self, name: str, gently: bool) -> None:
        service = f"peer-{name}"
        if await self.lives.status(service) != RUNNING:
            return  # it has left by itself
        self._down.add(name)
        await (self.lives.stop(service) if gently else self.lives.kill(service))
        self._record(name, PeerCrashed())

    async def _bring_back(self, name: str) -> None:
        try:
            await self.lives.start(f"peer-{name}")
            self._returned.add(name)
        finally:
            self._down.discard(name)  # who cannot be started again is waited for by nobody

    async def _renew(self) -> None:
        while True:
            await asyncio.sleep(RENEW)
            async with self._asking:
                await self._tried(self.agents.put((), self._state.links, LEASE), None)

    async def _save_chain(self, zero: float, kill: FaultWindow) -> None:
        """Early enough that what is remembered lacks the blocks that are to be lost."""
        await self._until(zero + kill.begin - kill.fault.blocks * self.block_time - STATE_EVERY)
        await self._tried(self.lives.save_chain(), None)

    async def _effect(self, number: int) -> Effect:
        before, after = self._before[number], await self._evidence(self.windows[number])
        return Effect.APPLIED if before is not None and after is not None and after > before else Effect.INEFFECTIVE

    async def _evidence(self, window: FaultWindow) -> int | None:
        """Grows by what the fault does: packets dropped or delayed, or containers not running.  None: nobody knows."""
        if window.kind.network:
            pairs = state([window], window.begin, self.names).links
            counts = ("dropped", "delayed") if window.kind is FaultKind.SLOW else ("dropped",)
            return await self._tried(self.agents.met(pairs, *counts), None)
        if window.kind is FaultKind.CHAIN_KILL and window.fault.blocks and not await self.lives.forgets():
            return 0  # it would come back with all it had
        part = "ipfs" if window.kind is FaultKind.IPFS_STOP else "peer"
        services = [CHAIN] if window.kind.chain else [f"{part}-{name}" for name in window.targets]
        found = [await self._tried(self.lives.status(service), None) for service in services]
        return None if None in found else sum(status != RUNNING for status in found)

    async def _until(self, moment: float) -> None:
        """``moment`` in session seconds."""
        await asyncio.sleep(moment - self.clock())

    async def _all(self, works: Iterable[Awaitable[None]]) -> None:
        await asyncio.gather(*(self._tried(work, None) for work in works))

    async def _tried(self, work: Awaitable[T], otherwise: T) -> T:
        """What cannot be done is said, and seen in the evidence; the session goes on."""
        try:
            return await work
        except InputError as error:
            self.say(f"Chaos: {error}.")
            return otherwise

    def _record(self, peer: str, fact: Fact) -> None:
        record = Record(self.clock(), peer, fact)
        self.board.add(record)
        with self.file.open("a") as file:
            file.write(record.line() + "\n")


def _services(held: FaultState) -> frozenset[str]:
    peers, nodes = (f"peer-{name}" for name in held.dead), (f"ipfs-{name}" for name in held.ipfs_down)
    return frozenset([*peers, *nodes, *([CHAIN] if held.chain else [])])


async def _whole(work: Coroutine[Any, Any, None]) -> None:
    """Carried out to its end even if this is cancelled: what Docker was told cannot be called back."""
    task = asyncio.ensure_future(work)
    try:
        await asyncio.shield(task)
    except asyncio.CancelledError:
        await task
        raise
