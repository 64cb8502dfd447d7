"""Keeps the kernel's packet filter at the state that was last requested, and empty after the lease has ended.

    agent = Agent(LinuxPacketFilter())
    await agent.begin()                                  # adopts the rules of a killed agent
    await agent.put({"10.213.7.12": CUT}, lease=30)      # the whole state, not a change
    await agent.run()                                    # forever: ends leases and repairs changes made by others

A cut has two steps: for one second, open TCP connections are reset, so that both ends notice; then all packets are
dropped.
"""

import asyncio
import time
from collections import Counter, deque
from collections.abc import Callable, Iterable, Mapping
from dataclasses import asdict
from typing import Any

from learnae.link_agent.packet_filter import PacketFilter, PacketFilterRefused
from learnae.link_agent.rules import ParsedRules, parse, queue_number, required_abilities, restore_script
from learnae.session.faults import CUT, Link

RESET_DURATION = 1.0  # s
CHECK_INTERVAL = 5.0  # s between checks that the kernel still has the requested rules
ADOPTED_LEASE = 15.0  # s for the rules of an agent that was killed, unless they are requested again
MAX_EVENTS = 500  # remembered
UNUSED_ADDRESS = "192.0.2.1"  # reserved for documentation (RFC 5737); used to probe the kernel
PROBES = {"cut": CUT, "loss": Link(loss=0.5), "bandwidth": Link(bandwidth=1e6), "delay": Link(delay=1.0)}


class Agent:
    """``clock``: seconds, for leases."""

    def __init__(self, packet_filter: PacketFilter, clock: Callable[[], float] = time.monotonic) -> None:
        self.packet_filter, self.clock = packet_filter, clock
        self.abilities: dict[str, bool] = {}  # of the kernel, as far as they were needed: a probe runs four programs
        self.events: deque[dict[str, Any]] = deque(maxlen=MAX_EVENTS)
        self._links: Mapping[str, Link] = {}
        self._lease_end = 0.0
        self._reset_ends: dict[str, float] = {}  # by address
        self._counts = {"dropped": Counter[str](), "delayed": Counter[str]()}  # packets, by rules that were replaced
        self._failed = False  # the last check could not restore the requested state
        self._lock, self._changed = asyncio.Lock(), asyncio.Event()

    async def begin(self) -> None:
        """A kernel without any ability is not an error: ``probe`` finds it out."""
        async with self._lock:
            try:
                current = parse(await self.packet_filter.save())
                self._adopt(current)
                await self._repair(current, "found")
            except PacketFilterRefused as refused:
                self._record("refused", why=str(refused))

    async def put(self, links: Mapping[str, Link], lease: float) -> None:
        """Replace the state until the lease ends.  Raises PacketFilterRefused: nothing was changed."""
        required = required_abilities(links.values())
        async with self._lock:
            await self._probe_missing(required)
            if missing := sorted(ability for ability in required if not self.abilities[ability]):
                raise PacketFilterRefused(f"this kernel does not support {', '.join(missing)}")
            before = self._links, self._lease_end, self._reset_ends
            now = self.clock()
            new_cuts = {address for address, link in links.items() if link == CUT and self._links.get(address) != CUT}
            old_cuts = {address: end for address, end in self._reset_ends.items() if links.get(address) == CUT}
            self._links, self._lease_end = links, now + lease
            self._reset_ends = old_cuts | dict.fromkeys(new_cuts, now + RESET_DURATION)
            try:
                await self._apply("applied" if links else "cleared")
            except PacketFilterRefused:
                self._links, self._lease_end, self._reset_ends = before
                raise
            finally:
                self._changed.set()

    async def clear(self) -> None:
        await self.put({}, 0.0)

    async def end(self) -> None:
        """Remove the rules, if there can be any."""
        if self._links or any(self.abilities.values()):
            await self.clear()

    async def probe(self) -> None:
        """Find out all abilities of the kernel."""
        async with self._lock:
            await self._probe_missing(PROBES)

    async def state(self) -> dict[str, Any]:
        """The rules in the kernel by address, and the packets dropped and delayed since the agent started.

        ``can``: those abilities that were probed.
        """
        async with self._lock:
            current = parse(await self.packet_filter.save())
            counts = {effect: count + current.packets(effect) for effect, count in self._counts.items()}
        rules = {address: asdict(held.link) | {"resetting": held.resetting} for address, held in current.rules.items()}
        lease = max(0.0, self._lease_end - self.clock()) if self._links else None
        return {"from": rules, "strange": current.unknown, "lease": lease, **counts, "can": self.abilities}

    async def run(self) -> None:
        """Check whenever something is due, forever."""
        while True:
            self._changed.clear()
            try:
                async with asyncio.timeout(self.seconds_until_check()):
                    await self._changed.wait()
            except TimeoutError:
                await self.check()

    def seconds_until_check(self) -> float | None:
        """None: no rules are requested, so nothing can end."""
        if not self._links:
            return CHECK_INTERVAL if self._failed else None
        now = self.clock()
        resets = [end - now for end in self._reset_ends.values()]
        return max(0.0, min(self._lease_end - now, CHECK_INTERVAL, *resets))

    async def check(self) -> None:
        """End leases and resets that are over; repair the rules if others have changed them."""
        async with self._lock:
            now, why = self.clock(), "repaired"
            if self._links and now >= self._lease_end:
                self._links, self._reset_ends, why = {}, {}, "expired"
            ended = {address for address, end in self._reset_ends.items() if now >= end}
            if ended:
                self._reset_ends = {a: end for a, end in self._reset_ends.items() if a not in ended}
                why = "dropping"
            try:
                await self._apply(why)
                self._failed = False
            except PacketFilterRefused as refused:
                self._failed = True
                self._record("refused", why=str(refused))

    # private

    def _adopt(self, current: ParsedRules) -> None:
        """Keep the rules of an agent that was killed, until they are requested again."""
        self._links = {address: rules.link for address, rules in current.rules.items() if address != UNUSED_ADDRESS}
        if self._links:
            self._lease_end = self.clock() + ADOPTED_LEASE
            self._record("adopted")

    async def _apply(self, why: str) -> None:
        await self._repair(parse(await self.packet_filter.save()), why)

    async def _repair(self, current: ParsedRules, why: str) -> None:
        if not current.agrees(self._links, self._reset_ends):
            await self._replace(current, self._links, self._reset_ends)
            self._record(why)

    async def _probe_missing(self, abilities: Iterable[str]) -> None:
        for ability in abilities:
            if ability not in self.abilities:
                self.abilities[ability] = await self._probe(PROBES[ability])

    async def _probe(self, link: Link) -> bool:
        try:
            current, links = parse(await self.packet_filter.save()), {**self._links, UNUSED_ADDRESS: link}
            await self._replace(current, links, [*self._reset_ends, UNUSED_ADDRESS])
        except PacketFilterRefused:
            return False
        await self._replace(parse(await self.packet_filter.save()), self._links, self._reset_ends)
        return True

    async def _replace(self, current: ParsedRules, links: Mapping[str, Link], resetting: Iterable[str] = ()) -> None:
        # queues first, before a rule can fill them
        self.packet_filter.open_queues({queue_number(link) for link in links.values() if link.delay})
        await self.packet_filter.restore(restore_script(current, links, resetting))
        for effect, count in self._counts.items():
            count.update(current.packets(effect))  # the kernel's counters are 0 again

    def _record(self, event: str, **more: str) -> None:
        self.events.append({"at": time.time(), "event": event, "from": sorted(self._links), **more})
