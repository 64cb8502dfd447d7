"""What the agent does, on a kernel that is only remembered and a clock that a test moves."""

import asyncio
from collections.abc import Awaitable, Callable

import pytest

from learnae.link_agent.agent import ADOPTED_LEASE, CHECK_INTERVAL, RESET_DURATION, UNUSED_ADDRESS, Agent
from learnae.link_agent.packet_filter import MemoryPacketFilter, PacketFilterRefused
from learnae.session.faults import CUT, Link

A, B = "10.0.0.11", "10.0.0.12"
DROP_A = f"-s {A}/32 -j DROP"


class Clock:
    now = 100.0

    def __call__(self) -> float:
        return self.now


def on(
    test: Callable[[Agent, MemoryPacketFilter, Clock], Awaitable[None]], kernel: MemoryPacketFilter | None = None
) -> None:
    async def run() -> None:
        table, clock = kernel or MemoryPacketFilter(), Clock()
        agent = Agent(table, clock)
        await agent.begin()
        table.scripts.clear()
        await test(agent, table, clock)

    asyncio.run(run())


def events(agent: Agent) -> list[tuple[str, list[str]]]:
    return [(each["event"], each["from"]) for each in agent.events]


def test_a_cut_first_resets_and_then_drops() -> None:
    async def test(agent: Agent, kernel: MemoryPacketFilter, clock: Clock) -> None:
        await agent.put({A: CUT}, 30)
        assert kernel.chains["INPUT"] == ["-j LEARNAE"] and len(kernel.chains["LEARNAE"]) == 3
        assert (await agent.state())["from"] == {A: {"loss": 1.0, "delay": 0.0, "bandwidth": 0.0, "resetting": True}}
        clock.now += RESET_DURATION
        await agent.check()
        assert kernel.chains["LEARNAE"] == [DROP_A]

    on(test)


def test_asking_for_the_same_again_renews_the_lease_and_changes_nothing() -> None:
    async def test(agent: Agent, kernel: MemoryPacketFilter, clock: Clock) -> None:
        await agent.put({A: CUT}, 30)
        clock.now += 20
        await agent.check()
        changes = len(kernel.scripts)
        await agent.put({A: CUT}, 30)
        clock.now += 20
        await agent.check()
        assert len(kernel.scripts) == changes and kernel.chains["LEARNAE"] == [DROP_A]
        assert (await agent.state())["lease"] == 10

    on(test)


def test_a_lease_that_is_over_heals_whoever_asked() -> None:
    async def test(agent: Agent, kernel: MemoryPacketFilter, clock: Clock) -> None:
        await agent.put({A: CUT, B: Link(loss=0.5)}, 30)
        clock.now += 30
        await agent.check()
        assert "LEARNAE" not in kernel.chains and kernel.chains["INPUT"] == []
        assert events(agent) == [("applied", [A, B]), ("expired", [])]
        assert (await agent.state())["lease"] is None

    on(test)


def test_a_state_replaces_the_one_before() -> None:
    async def test(agent: Agent, kernel: MemoryPacketFilter, clock: Clock) -> None:
        await agent.put({A: CUT}, 30)
        await agent.put({B: Link(loss=0.5)}, 30)
        assert list((await agent.state())["from"]) == [B]
        await agent.clear()
        assert "LEARNAE" not in kernel.chains
        assert events(agent) == [("applied", [A]), ("applied", [B]), ("cleared", [])]

    on(test)


def test_packets_that_were_dropped_or_delayed_are_counted_over_all_rules_that_there_were() -> None:
    async def test(agent: Agent, kernel: MemoryPacketFilter, clock: Clock) -> None:
        await agent.put({A: CUT}, 30)
        kernel.packets[DROP_A] += 2
        await agent.put({B: CUT}, 30)
        kernel.packets[f"-s {B}/32 -j DROP"] += 1
        await agent.put({A: Link(delay=0.5)}, 30)
        kernel.packets[f"-s {A}/32 -j NFQUEUE --queue-num 500 --queue-bypass"] += 3
        assert (await agent.state())["dropped"] == {A: 2, B: 1}
        await agent.clear()
        assert (await agent.state())["delayed"] == {A: 3}

    on(test)


def test_what_others_do_to_our_rules_is_put_right_and_theirs_stay() -> None:
    async def test(agent: Agent, kernel: MemoryPacketFilter, clock: Clock) -> None:
        kernel.chains["INPUT"] = ["-p udp -j ACCEPT"]
        await agent.put({A: CUT}, 30)
        assert kernel.chains["INPUT"] == ["-j LEARNAE", "-p udp -j ACCEPT"]
        clock.now += CHECK_INTERVAL
        kernel.chains["INPUT"].remove("-j LEARNAE")
        kernel.chains["LEARNAE"].insert(0, "-j ACCEPT")
        assert (await agent.state())["strange"] == ("-A LEARNAE -j ACCEPT",)
        await agent.check()
        await agent.check()
        assert kernel.chains["INPUT"] == ["-j LEARNAE", "-p udp -j ACCEPT"]
        assert kernel.chains["LEARNAE"] == [DROP_A]
        await agent.clear()
        assert kernel.chains["INPUT"] == ["-p udp -j ACCEPT"]

    on(test)


def test_the_rules_of_a_killed_agent_stay_until_they_are_requested_again_or_its_lease_would_be_over() -> None:
    def left() -> MemoryPacketFilter:
        kernel = MemoryPacketFilter()
        probe = f"-s {UNUSED_ADDRESS}/32 -j DROP"  # of an agent that was killed while it started
        delay_b = f"-s {B}/32 -j NFQUEUE --queue-num 500 --queue-bypass"
        kernel.chains |= {"INPUT": ["-j LEARNAE"], "LEARNAE": [DROP_A, delay_b, probe]}
        kernel.packets[DROP_A] = 7
        return kernel

    async def renewed(agent: Agent, kernel: MemoryPacketFilter, clock: Clock) -> None:
        assert list((await agent.state())["from"]) == [A, B] and kernel.queues == {500}
        assert (await agent.state())["dropped"][A] == 7
        await agent.put({A: CUT, B: Link(delay=0.5)}, 30)
        clock.now += ADOPTED_LEASE
        await agent.check()
        assert list((await agent.state())["from"]) == [A, B]
        assert set(agent.abilities.values()) == {True}

    async def forgotten(agent: Agent, kernel: MemoryPacketFilter, clock: Clock) -> None:
        assert agent.seconds_until_check() == CHECK_INTERVAL
        clock.now += ADOPTED_LEASE
        await agent.check()
        assert "LEARNAE" not in kernel.chains and kernel.chains["INPUT"] == []
        assert [event for event, _ in events(agent)][-1] == "expired"

    on(renewed, left())
    on(forgotten, left())


def test_a_chain_without_rules_that_a_killed_agent_left_is_removed() -> None:
    kernel = MemoryPacketFilter()
    kernel.chains |= {"INPUT": ["-j LEARNAE"], "LEARNAE": []}

    async def test(agent: Agent, kernel: MemoryPacketFilter, clock: Clock) -> None:
        assert "LEARNAE" not in kernel.chains and kernel.chains["INPUT"] == []
        assert events(agent) == [("found", [])]

    on(test, kernel)


def test_what_this_kernel_cannot_do_is_known_and_refused_and_nothing_changes() -> None:
    async def test(agent: Agent, kernel: MemoryPacketFilter, clock: Clock) -> None:
        assert not kernel.scripts and agent.abilities == {}  # a session without faults needs none
        await agent.put({A: CUT}, 30)
        assert agent.abilities == {"cut": True}
        resetting = kernel.chains["LEARNAE"]
        for link, lack in ((Link(loss=0.5), "loss"), (Link(delay=1), "delay"), (Link(0.5, 1), "delay, loss")):
            with pytest.raises(PacketFilterRefused, match=f"^this kernel does not support {lack}$"):
                await agent.put({B: link}, 30)
        assert set((await agent.state())["can"]) == {"cut", "loss", "delay"}  # those that were needed
        await agent.probe()
        state = await agent.state()
        assert list(state["from"]) == [A] and kernel.chains["LEARNAE"] == resetting and len(resetting) == 3
        assert state["can"] == {"cut": True, "loss": False, "bandwidth": True, "delay": False}

    on(test, MemoryPacketFilter("-m statistic", "queues"))


def test_an_agent_that_ends_removes_its_rules_and_one_without_any_starts_no_program() -> None:
    async def test(agent: Agent, kernel: MemoryPacketFilter, clock: Clock) -> None:
        await agent.end()
        assert not kernel.scripts and agent.abilities == {}
        await agent.put({A: CUT}, 30)
        await agent.end()
        assert "LEARNAE" not in kernel.chains

    on(test)


def test_a_kernel_that_refuses_leaves_all_as_it_was() -> None:
    async def test(agent: Agent, kernel: MemoryPacketFilter, clock: Clock) -> None:
        await agent.put({A: CUT}, 30)
        kernel.unsupported = (B,)
        with pytest.raises(PacketFilterRefused):
            await agent.put({B: CUT}, 60)
        assert list((await agent.state())["from"]) == [A] and (await agent.state())["lease"] == 30
        clock.now += 30
        await agent.check()
        assert "LEARNAE" not in kernel.chains

    on(test)


def test_what_could_not_be_healed_is_tried_again_until_it_is() -> None:
    async def test(agent: Agent, kernel: MemoryPacketFilter, clock: Clock) -> None:
        assert agent.seconds_until_check() is None
        await agent.put({A: CUT}, 30)
        assert agent.seconds_until_check() == RESET_DURATION
        clock.now += 30
        kernel.unsupported = ("-F",)
        await agent.check()
        assert "LEARNAE" in kernel.chains and agent.seconds_until_check() == CHECK_INTERVAL
        kernel.unsupported = ()
        await agent.check()
        assert "LEARNAE" not in kernel.chains and agent.seconds_until_check() is None
        assert [event for event, _ in events(agent)] == ["applied", "refused", "repaired"]

    on(test)


def test_a_kernel_without_a_filter_table_is_no_reason_to_die() -> None:
    class None_(MemoryPacketFilter):
        async def save(self) -> str:
            raise PacketFilterRefused("Permission denied (you must be root)")

    async def test(agent: Agent, kernel: MemoryPacketFilter, clock: Clock) -> None:
        assert not any(agent.abilities.values())
        with pytest.raises(PacketFilterRefused, match="this kernel does not support cut"):
            await agent.put({A: CUT}, 30)
        await agent.check()
        assert [event for event, _ in events(agent)] == ["refused", "refused"]

    on(test, None_())
