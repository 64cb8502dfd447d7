"""What must hold of a link agent, and of the runner that commands several: a story each, on remembered kernels."""

import asyncio
import re
from collections.abc import Awaitable, Callable, Iterator
from contextlib import contextmanager, suppress
from itertools import permutations
from pathlib import Path
from tempfile import TemporaryDirectory

from tests.helpers.compose_stage import NAMES, Stage, window

from learnae.backends.compose.container_lifecycle import RUNNING
from learnae.link_agent.agent import ADOPTED_LEASE, CHECK_INTERVAL, Agent
from learnae.link_agent.packet_filter import MemoryPacketFilter, PacketFilterRefused
from learnae.records.history import Effect
from learnae.session.faults import CUT, FaultKind, FaultWindow, Link

A, B = "10.0.0.11", "10.0.0.12"
LEASE = 30.0  # s
THEIRS = "-p udp -j ACCEPT"  # a rule that somebody else has put there
SIDES = (("p00",), ("p01", "p02"))
SPLIT = FaultWindow(window(FaultKind.SPLIT, *NAMES).fault, 0.0, 0.1, NAMES, SIDES)


def fate(kernel: MemoryPacketFilter, sender: str, chain: str = "INPUT") -> str:
    """Of a TCP segment that is no reset."""
    for rule in kernel.chains[chain]:
        source = re.match(r"-s ([\d.]+)/32 ", rule)
        if rule == THEIRS or "--tcp-flags RST" in rule or (source and source[1] != sender):
            continue
        target = rule.split("-j ")[1].split()[0]
        found = fate(kernel, sender, target) if target in kernel.chains else target
        if found != "ACCEPT":
            return found
    return "ACCEPT"


class Pod:
    """An agent on a kernel that is only remembered, and a clock that stands still but for ``passes``."""

    def __init__(self) -> None:
        self.now = 100.0
        self.packet_filter = MemoryPacketFilter()
        self.packet_filter.chains["INPUT"].append(THEIRS)
        self.agent = Agent(self.packet_filter, lambda: self.now)

    async def passes(self, seconds: float) -> None:
        """The agent wakes whenever it wants to."""
        end = self.now + seconds
        while (due := self.agent.seconds_until_check()) is not None and self.now + due <= end:
            self.now += max(due, 1e-3)
            await self.agent.check()
        self.now = end

    async def cut(self) -> None:
        await self.agent.begin()
        await self.agent.put({A: CUT}, LEASE)


async def live_sessions_are_reset() -> bool:
    pod = Pod()
    await pod.cut()
    return fate(pod.packet_filter, A) == "REJECT"


async def a_cut_lets_nothing_through() -> bool:
    pod = Pod()
    await pod.cut()
    await pod.passes(LEASE - 1)
    return fate(pod.packet_filter, A) == "DROP"


async def who_is_delayed_gets_through_later() -> bool:
    """The queue that its packets go to is held, and says for how many ms."""
    pod = Pod()
    await pod.agent.begin()
    await pod.agent.put({A: Link(delay=0.25)}, LEASE)
    return (
        "NFQUEUE" in fate(pod.packet_filter, A)
        and 250 in pod.packet_filter.queues
        and fate(pod.packet_filter, B) == "ACCEPT"
    )


async def others_are_not_touched() -> bool:
    pod = Pod()
    await pod.cut()
    return fate(pod.packet_filter, B) == "ACCEPT"


async def a_lease_ends() -> bool:
    pod = Pod()
    await pod.cut()
    await pod.passes(LEASE + 1)
    return fate(pod.packet_filter, A) == "ACCEPT"


async def a_renewed_lease_does_not() -> bool:
    pod = Pod()
    await pod.cut()
    await pod.passes(LEASE - 1)
    await pod.agent.put({A: CUT}, LEASE)
    await pod.passes(LEASE - 1)
    return fate(pod.packet_filter, A) != "ACCEPT"


async def the_table_is_as_before() -> bool:
    """Byte for byte: neither rule nor chain is left, and theirs is."""
    pod = Pod()
    before = await pod.packet_filter.save()
    await pod.cut()
    await pod.agent.clear()
    return await pod.packet_filter.save() == before


async def a_state_replaces_the_one_before() -> bool:
    pod = Pod()
    await pod.cut()
    await pod.agent.put({B: CUT}, LEASE)
    return fate(pod.packet_filter, A) == "ACCEPT" != fate(pod.packet_filter, B)


async def what_is_undone_is_put_right() -> bool:
    pod = Pod()
    await pod.cut()
    await pod.passes(CHECK_INTERVAL)
    pod.packet_filter.chains["LEARNAE"].clear()
    await pod.passes(CHECK_INTERVAL)
    return fate(pod.packet_filter, A) != "ACCEPT"


async def the_rules_of_a_killed_agent_stay_and_end() -> bool:
    pod = Pod()
    await pod.cut()
    pod.agent = Agent(pod.packet_filter, lambda: pod.now)
    await pod.agent.begin()
    stayed = fate(pod.packet_filter, A) == "DROP"
    pod.now += ADOPTED_LEASE
    await pod.agent.check()
    return stayed and fate(pod.packet_filter, A) == "ACCEPT"


async def what_is_refused_changes_nothing() -> bool:
    """Neither the cut nor its lease."""
    pod = Pod()
    await pod.cut()
    pod.packet_filter.unsupported = (B,)
    with suppress(PacketFilterRefused):
        await pod.agent.put({B: CUT}, LEASE)
    return fate(pod.packet_filter, A) != "ACCEPT" and (await pod.agent.state())["lease"] is not None


# the runner


@contextmanager
def staged(*windows: FaultWindow) -> Iterator[Stage]:
    with TemporaryDirectory() as folder:
        yield Stage(Path(folder), windows)


def crosses(stage: Stage, one: str, other: str) -> bool:
    """Whether a segment from the one gets to the other."""
    kernel = stage.pods.agents[other].packet_filter
    assert isinstance(kernel, MemoryPacketFilter)
    return fate(kernel, stage.pods.plan.pod(one)) == "ACCEPT"


def well(stage: Stage) -> bool:
    alive = all(container.status == RUNNING for container in stage.containers.containers.values())
    return alive and all(crosses(stage, one, other) for one, other in permutations(NAMES, 2))


async def a_split_parts_both_ways_and_nobody_else() -> bool:
    with staged(SPLIT) as stage:
        running = await stage.begun()
        parted = {pair for pair in permutations(NAMES, 2) if not crosses(stage, *pair)}
        await running
    return parted == {pair for pair in permutations(NAMES, 2) if "p00" in pair}


async def all_is_well_after_the_plan() -> bool:
    with staged(
        SPLIT, window(FaultKind.KILL, "p01"), window(FaultKind.PAUSE, "p02"), window(FaultKind.CHAIN_STOP)
    ) as stage:
        await stage.start()
        return well(stage)


async def all_is_well_after_an_interruption() -> bool:
    kinds = {
        FaultKind.KILL: ("p01",),
        FaultKind.PAUSE: ("p02",),
        FaultKind.IPFS_STOP: ("p00",),
        FaultKind.CHAIN_STOP: (),
    }
    with staged(SPLIT, *(window(kind, *names, end=60) for kind, names in kinds.items())) as stage:
        running = await stage.begun()
        running.cancel()
        with suppress(asyncio.CancelledError):
            await running
        return well(stage)


async def leases_are_renewed() -> bool:
    """With RENEW as short as the test makes it."""
    with staged(SPLIT) as stage:
        await stage.start()
        return sum(name == "p01" and bool(wanted["from"]) for name, wanted in stage.pods.puts) > 1


async def what_did_nothing_is_not_said_to_be_applied() -> bool:
    with staged(SPLIT) as stage:
        await stage.start()
        return stage.effects == [Effect.INEFFECTIVE]


Property = Callable[[], Awaitable[bool]]
PROPERTIES: dict[str, Property] = {
    each.__name__: each
    for each in (
        live_sessions_are_reset,
        a_cut_lets_nothing_through,
        who_is_delayed_gets_through_later,
        others_are_not_touched,
        a_lease_ends,
        a_renewed_lease_does_not,
        the_table_is_as_before,
        a_state_replaces_the_one_before,
        what_is_undone_is_put_right,
        the_rules_of_a_killed_agent_stay_and_end,
        what_is_refused_changes_nothing,
        a_split_parts_both_ways_and_nobody_else,
        all_is_well_after_the_plan,
        all_is_well_after_an_interruption,
        leases_are_renewed,
        what_did_nothing_is_not_said_to_be_applied,
    )
}
