"""What a link agent does: it keeps the kernel at what was asked for last, and at nothing once the lease is over.

    agent = Agent(Linux())
    await agent.begin()                                  # abilities; what a killed agent left is cleared
    await agent.put({"10.213.7.12": CUT}, lease=30)      # the whole state, not a change
    await agent.keep()                                   # for ever: leases end, what others changed is put right

A cut has two steps: for a second live TCP sessions are reset, so that both ends know; then nothing gets through at all.
"""

import asyncio
import time
from collections import Counter, deque
from collections.abc import Callable, Iterable, Mapping
from dataclasses import asdict
from typing import Any

from learnae.link_agent.packet_filter import PacketFilter, PacketFilterRefused
from learnae.link_agent.rules import ParsedRules, abilities, parse, queue, restore
from learnae.session.faults import CUT, Link

RESETTING = 1.0  # s
LOOK = 5.0  # s between looks whether the kernel still has what it should
EVENTS = 500  # remembered
NOBODY = "192.0.2.1"  # an address that RFC 5737 gives to nobody, to find out what this kernel can do
PROBES = {"cut": CUT, "loss": Link(loss=0.5), "bandwidth": Link(bandwidth=1e6), "delay": Link(delay=1.0)}


class Agent:
    """``clock``: seconds that leases are counted in."""

    def __init__(self, kernel: PacketFilter, clock: Callable[[], float] = time.monotonic) -> None:
        self.kernel, self.clock = kernel, clock
        self.can: dict[str, bool] = dict.fromkeys(PROBES, False)
        self.events: deque[dict[str, Any]] = deque(maxlen=EVENTS)
        self._links: Mapping[str, Link] = {}
        self._until = 0.0
        self._resets: dict[str, float] = {}  # until when
        self._dropped, self._delayed = Counter[str](), Counter[str]()  # by rules that are gone
        self._failed = False  # the kernel is not what it should be
        self._lock, self._changed = asyncio.Lock(), asyncio.Event()

    async def begin(self) -> None:
        """A kernel that can do nothing is no error: it says so."""
        async with self._lock:
            try:
                await self._settle("found")
                for ability, link in PROBES.items():
                    self.can[ability] = await self._probe(link)
            except PacketFilterRefused as refused:
                self._note("refused", why=str(refused))

    async def put(self, links: Mapping[str, Link], lease: float) -> None:
        """From now on that, and nothing else, for so long.  Raises KernelRefused: all is as it was."""
        if unable := sorted(abilities(links.values()) - {ability for ability, able in self.can.items() if able}):
            raise PacketFilterRefused(f"this kernel has no {', '.join(unable)}")
        async with self._lock:
            before = self._links, self._until, self._resets
            now = self.clock()
            new = {each for each, link in links.items() if link == CUT and self._links.get(each) != CUT}
            going_on = {each: end for each, end in self._resets.items() if links.get(each) == CUT}
            self._links, self._until, self._resets = links, now + lease, going_on | dict.fromkeys(new, now + RESETTING)
            try:
                await self._settle("applied" if links else "cleared")
            except PacketFilterRefused:
                self._links, self._until, self._resets = before
                raise
            finally:
                self._changed.set()

    async def clear(self) -> None:
        await self.put({}, 0.0)

    async def state(self) -> dict[str, Any]:
        """What the kernel really has, by address; packets dropped, and delayed, since the agent is there."""
        async with self._lock:
            found = parse(await self.kernel.save())
            counts = {"dropped": self._dropped + found.dropped, "delayed": self._delayed + found.delayed}
        held = {address: asdict(each.link) | {"resetting": each.resetting} for address, each in found.held.items()}
        lease = max(0.0, self._until - self.clock()) if self._links else None
        return {"from": held, "strange": found.strange, "lease": lease, **counts, "can": self.can}

    async def keep(self) -> None:
        while True:
            self._changed.clear()
            try:
                async with asyncio.timeout(self.due()):
                    await self._changed.wait()
            except TimeoutError:
                await self.look()

    def due(self) -> float | None:
        """s until there is something to look at; None: nothing is done, so nothing can end."""
        if not self._links:
            return LOOK if self._failed else None
        return max(0.0, min(self._until - self.clock(), LOOK, *(end - self.clock() for end in self._resets.values())))

    async def look(self) -> None:
        """What is due now: the end of a lease or of a reset; or what others changed in the table is put right."""
        async with self._lock:
            now, why = self.clock(), "repaired"
            if self._links and now >= self._until:
                self._links, self._resets, why = {}, {}, "expired"
            over = {each for each, end in self._resets.items() if now >= end}
            if over:
                self._resets = {each: end for each, end in self._resets.items() if each not in over}
                why = "dropping"
            try:
                await self._settle(why)
                self._failed = False
            except PacketFilterRefused as refused:
                self._failed = True
                self._note("refused", why=str(refused))

    # in here

    async def _settle(self, why: str) -> None:
        found = parse(await self.kernel.save())
        if not found.agrees(self._links, self._resets):
            await self._make(found, self._links, self._resets)
            self._dropped += found.dropped
            self._delayed += found.delayed
            self._note(why)

    async def _probe(self, link: Link) -> bool:
        try:
            await self._make(parse(await self.kernel.save()), {NOBODY: link}, [NOBODY])
        except PacketFilterRefused:
            return False
        await self.kernel.restore(restore(parse(await self.kernel.save()), {}))
        return True

    async def _make(self, found: ParsedRules, links: Mapping[str, Link], resetting: Iterable[str]) -> None:
        self.kernel.hold({queue(link) for link in links.values() if link.delay})  # before there is a rule that fills it
        await self.kernel.restore(restore(found, links, resetting))

    def _note(self, event: str, **more: str) -> None:
        self.events.append({"at": time.time(), "event": event, "from": sorted(self._links), **more})
