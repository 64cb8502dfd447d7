"""A session's faults on pods: link agents disturb the network, the backend interrupts processes.

await faults.check()           # InputError: containers on this kernel cannot do what the plan asks for
await faults.run()             # to the plan's end, or until cancelled; all is healed either way
"""

import asyncio
from collections.abc import Callable, Collection, Sequence
from pathlib import Path
from typing import Generic, Protocol, TypeVar

from learnae.backends.pods.link_client import LinkAgents
from learnae.errors import InputError
from learnae.link_agent.rules import required_abilities
from learnae.ports import Lifecycle
from learnae.records.history import Fact, Record
from learnae.runtime.clocks import SessionClock
from learnae.runtime.fault_runner import FaultRunner
from learnae.session.fault_plan import boundaries
from learnae.session.faults import FaultKind, FaultWindow, state
from learnae.web.event_log import EventLog


class PodLifecycle(Lifecycle, Protocol):
    async def follow_chain(self, blocks: int) -> None:
        """Until cancelled, keep what is needed to take back the last ``blocks`` of the chain."""
        ...


L = TypeVar("L", bound=PodLifecycle)


class PodFaults(Generic[L]):
    """``file`` gets a line for each record, and so does ``board``."""

    def __init__(
        self,
        windows: Sequence[FaultWindow],
        expected: Collection[str],
        clock: SessionClock,
        agents: LinkAgents,
        lifecycle: L,
        board: EventLog,
        file: Path,
        say: Callable[[str], None],
        on_start: Callable[[float], None] = lambda start: None,
    ) -> None:
        self.windows, self.clock, self.agents, self.lifecycle = windows, clock, agents, lifecycle
        self.board, self._file, self._say = board, file, say
        names = agents.plan.names
        self.runner = FaultRunner(windows, names, expected, agents, lifecycle, self._record, say, on_start)

    @property
    def away(self) -> frozenset[str]:
        """Services that a fault holds down, or is about to."""
        return frozenset(map(str, self.runner.away))

    async def check(self) -> None:
        """Raises InputError if the plan asks for what containers cannot do.  The first pod's agent must be up."""
        if any(window.fault.one_way for window in self.windows if window.kind in (FaultKind.CUT, FaultKind.ISOLATE)):
            raise InputError(
                "the plan has a cut of one way, but Kubo uses TCP, which needs answers, so both ways would be cut: "
                "leave one_way out, or use --backend sim"
            )
        names = self.agents.plan.names
        moments = boundaries(self.windows)
        needed = required_abilities(link for at in moments for link in state(self.windows, at, names).links.values())
        if not needed:
            return
        async with self.agents:
            missing = sorted(needed - await self.agents.abilities(names[0]))
        if missing:
            raise InputError(
                f"the plan needs {' and '.join(missing)} on links, which this kernel does not support: "
                "change the plan, or use --backend sim"
            )

    async def run(self) -> None:
        async with self.agents, asyncio.TaskGroup() as group:
            background = [
                group.create_task(self._observe()),
                group.create_task(self.agents.renew(lambda error: self._say(f"Chaos: {error}."))),
            ]
            lost = [window.fault.blocks for window in self.windows if window.kind is FaultKind.CHAIN_KILL]
            if lost:
                background.append(group.create_task(self.lifecycle.follow_chain(max(lost))))
            try:
                await self.runner.run(self.clock)
            finally:
                for task in background:
                    task.cancel()

    # private

    async def _observe(self) -> None:
        async for _, record in self.board.follow():
            self.runner.observe(record.t, record.peer, record.fact)

    def _record(self, peer: str, fact: Fact) -> None:
        record = Record(self.clock(), peer, fact)
        self.board.add(record)
        with self._file.open("a", encoding="utf-8") as file:
            file.write(record.line() + "\n")
