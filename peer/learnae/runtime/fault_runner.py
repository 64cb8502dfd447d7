"""Carries out a plan of faults on any backend, through two ports: ``Network`` and ``Lifecycle``.

At each boundary of the plan, ``turn`` brings the swarm into the state that ``session.faults.state`` gives for that
moment, and records which faults began and ended.  A fault counts as applied only if messages were dropped or delayed
while it was open, or if a process that it interrupted is seen to be down when it ends.  A call that fails is reported,
shows in this evidence, and does not stop the session.

    runner = FaultRunner(windows, names, expected, network, lifecycle, record, report)
    observers.append(runner.observe)     # the plan starts when all expected peers have begun to work
    await runner.run(clock)              # live: to the plan's end, or until cancelled; all is healed either way

The simulator does not ``run``: it takes each ``turn`` in virtual time, where no call waits.
"""

import asyncio
from collections.abc import Awaitable, Callable, Collection, Coroutine, Iterable, Mapping, Sequence
from typing import Any, TypeVar

from learnae.errors import InputError
from learnae.ports import Lifecycle, Network
from learnae.protocol.decisions import WorkChanged, WorkState
from learnae.records.history import SWARM, Effect, Fact, FaultBegan, FaultEnded, FaultsPlanned, PeerCrashed
from learnae.session.fault_plan import boundaries
from learnae.session.faults import Component, Fault, FaultState, FaultWindow, Part, state

T = TypeVar("T")
Together = Callable[..., Awaitable[Any]]  # awaits all its arguments


async def in_turn(*works: Awaitable[Any]) -> None:
    """What ``asyncio.gather`` does, without an event loop."""
    for work in works:
        await work


class FaultRunner:
    """``expected``: peers and sensors that must be at work before the plan starts.

    ``record`` adds a fact about a peer or SWARM.  ``on_start`` is called with the plan's start in session seconds.
    ``together`` awaits several calls of a port.
    """

    def __init__(
        self,
        windows: Sequence[FaultWindow],
        names: Sequence[str],
        expected: Collection[str],
        network: Network,
        lifecycle: Lifecycle,
        record: Callable[[str, Fact], None],
        report: Callable[[str], None] = lambda sentence: None,
        on_start: Callable[[float], None] = lambda start: None,
        together: Together = asyncio.gather,
    ) -> None:
        self.windows, self.names = windows, names
        self.network, self.lifecycle = network, lifecycle
        self.away = frozenset[Component]()  # what a fault holds down, or is about to
        self._record, self._report, self._on_start, self._together = record, report, on_start, together
        self._expected = set(expected)
        self._start = 0.0
        self._started = asyncio.Event()
        self._state = FaultState()
        self._held: dict[Component, Fault] = {}  # what was interrupted, and by what
        self._before: dict[int, int | None] = {}  # messages affected when a window began

    def observe(self, now: float, peer: str, item: Fact) -> None:
        """Start the plan when the last of the expected peers begins to work."""
        match item:
            case WorkChanged(WorkState.TRAINING | WorkState.MERGING):
                self.at_work(now, peer)

    def at_work(self, now: float, name: str) -> None:
        """A peer or sensor has begun to work."""
        if name in self._expected:
            self._expected.discard(name)
            self._start = max(self._start, now)
            if not self._expected:
                self._record(SWARM, FaultsPlanned(len(self.windows)))
                self._started.set()
                self._on_start(self._start)

    async def run(self, clock: Callable[[], float]) -> None:
        """Take every turn of the plan in real time.  ``clock``: session seconds."""
        try:
            await self._started.wait()
            for moment in boundaries(self.windows):
                await asyncio.sleep(self._start + moment - clock())
                await _finish(self.turn(moment))
        finally:
            await self.heal()

    async def turn(self, moment: float) -> None:
        """Bring the swarm into the state that the plan has at ``moment``, in seconds since its start."""
        wanted = state(self.windows, moment, self.names)
        self.away = self.away.union(wanted.interrupted)
        await self._record_ended(moment)
        began = [number for number, window in enumerate(self.windows) if window.begin == moment]
        for number in began:
            if self.windows[number].kind.network:
                self._before[number] = await self._affected(self.windows[number])
        self._state = wanted
        await self._try(self.network.set_links(wanted.links))
        for number in began:
            window = self.windows[number]
            self._record(SWARM, FaultBegan(number, window.kind, window.targets, window.sides))
        await self._restore(wanted.interrupted)
        await self._interrupt(wanted.interrupted)
        self.away = frozenset(wanted.interrupted)

    async def heal(self) -> None:
        """End the effects of all faults, wherever the plan is."""
        disturbed, self._state = self._state != FaultState(), FaultState()
        healed = await self._try(_succeeds(self.network.set_links({})))
        await self._restore({})
        self.away = frozenset()
        if disturbed and healed:
            self._report("Chaos: everything is healed, before the plan was at its end.")

    # private

    async def _record_ended(self, moment: float) -> None:
        for number, window in enumerate(self.windows):
            if window.end == moment:
                self._record(SWARM, FaultEnded(number, await self._effect(number)))

    async def _effect(self, number: int) -> Effect:
        window = self.windows[number]
        if window.kind.network:
            before, after = self._before[number], await self._affected(window)
            applied = before is not None and after is not None and after > before
        else:
            held = [component for component in window.components if component in self._held]
            applied = any([await self._try(self.lifecycle.interrupted(part, window.fault)) for part in held])
        return Effect.APPLIED if applied else Effect.INEFFECTIVE

    async def _affected(self, window: FaultWindow) -> int | None:
        """Messages that the links of a window have affected so far; None if the network does not answer."""
        return await self._try(self.network.affected(state([window], window.begin, self.names).links))

    async def _restore(self, wanted: Mapping[Component, Fault]) -> None:
        """Undo the interruptions that are not wanted any longer."""
        ended = {part: fault for part, fault in self._held.items() if not _same(part, fault, wanted.get(part))}
        await self._all(self.lifecycle.restore(component, ended[component]) for component in sorted(ended))
        for component in ended:
            del self._held[component]

    async def _interrupt(self, wanted: Mapping[Component, Fault]) -> None:
        new = sorted(wanted.keys() - self._held.keys())
        await self._together(*(self._interrupt_one(component, wanted[component]) for component in new))

    async def _interrupt_one(self, component: Component, fault: Fault) -> None:
        acted = await self._try(self.lifecycle.interrupt(component, fault))
        if acted is not False:  # after a failure it may be down all the same
            self._held[component] = fault
        if acted and component.part is Part.PEER and not fault.kind.pauses:
            self._record(component.peer, PeerCrashed())

    async def _all(self, works: Iterable[Awaitable[None]]) -> None:
        await self._together(*(self._try(work) for work in works))

    async def _try(self, work: Awaitable[T]) -> T | None:
        """None after a failure, which is reported."""
        try:
            return await work
        except InputError as error:
            self._report(f"Chaos: {error}.")
            return None


def _same(component: Component, held: Fault, wanted: Fault | None) -> bool:
    """Whether a process stays as it is when another fault takes over.

    A peer that is down stays down; each fault of the chain ends in its own way.
    """
    if wanted is None or component.part is Part.CHAIN:
        return held == wanted
    return held.kind.pauses == wanted.kind.pauses


async def _succeeds(work: Awaitable[None]) -> bool:
    await work
    return True


async def _finish(work: Coroutine[Any, Any, None]) -> None:
    """Complete a turn even if this task is cancelled meanwhile: half a turn cannot be undone."""
    task = asyncio.ensure_future(work)
    try:
        await asyncio.shield(task)
    except asyncio.CancelledError:
        await task
        raise
