"""Ways to break the link agent and the runner that commands it, and which of ``properties`` must notice."""

from collections.abc import Callable, Coroutine, Iterable, Iterator, Mapping
from dataclasses import dataclass
from functools import partial
from typing import Any

import pytest

from learnae.backends.compose.container_lifecycle import ContainerLifecycle
from learnae.backends.pods.link_client import LinkAgents
from learnae.link_agent import agent, rules
from learnae.link_agent.agent import Agent
from learnae.link_agent.packet_filter import MemoryPacketFilter, PacketFilterRefused
from learnae.link_agent.rules import ParsedRules
from learnae.records.history import Effect
from learnae.runtime.fault_runner import FaultRunner
from learnae.session.faults import Component, Fault, Link, Links

Patch = pytest.MonkeyPatch
REPLACES = "a_state_replaces_the_one_before"
ADOPTED = "the_rules_of_a_killed_agent_stay_and_end"
DELAYED = "who_is_delayed_gets_through_later"
AFTERWARDS = {"all_is_well_after_the_plan", "all_is_well_after_an_interruption"}


@dataclass(frozen=True)
class Mutant:
    name: str
    breaks: Callable[[Patch], None]
    caught_by: set[str]


async def nothing(*arguments: Any, **named: Any) -> None:
    """In place of something that should be done."""


# the agent


def never_expires(patch: Patch) -> None:
    put = Agent.put
    patch.setattr(Agent, "put", lambda self, links, lease: put(self, links, 1e9))


def a_look_renews(patch: Patch) -> None:
    look = Agent.check

    async def renewing(self: Agent) -> None:
        self._lease_end = self.clock() + 30.0
        await look(self)

    patch.setattr(Agent, "check", renewing)


def never_looks(patch: Patch) -> None:
    patch.setattr(Agent, "seconds_until_check", lambda self: None)


def takes_its_first_lease_for_all(patch: Patch) -> None:
    put = Agent.put

    async def stubborn(self: Agent, links: Mapping[str, Link], lease: float) -> None:
        until = self._lease_end if links and links == self._links else None
        await put(self, links, lease)
        self._lease_end = self._lease_end if until is None else until

    patch.setattr(Agent, "put", stubborn)


def leaves(patch: Patch, what: tuple[str, ...]) -> None:
    """A heal without the lines that begin so."""
    restore = rules.restore_script

    def untidy(found: ParsedRules, links: rules.Links, resetting: Iterable[str] = ()) -> str:
        text = restore(found, links, resetting)
        return text if links else "".join(f"{line}\n" for line in text.splitlines() if not line.startswith(what))

    patch.setattr(agent, "restore_script", untidy)


def sweeps_everything_away(patch: Patch) -> None:
    restore = rules.restore_script

    def sweeping(found: ParsedRules, links: rules.Links, resetting: Iterable[str] = ()) -> str:
        text = restore(found, links, resetting)
        return text if links else text.replace(f"-F {rules.CHAIN}", f"-F INPUT\n-F {rules.CHAIN}")

    patch.setattr(agent, "restore_script", sweeping)


def resets_nothing(patch: Patch) -> None:
    restore = rules.restore_script
    patch.setattr(agent, "restore_script", lambda found, links, resetting=(): restore(found, links))


def resets_for_ever(patch: Patch) -> None:
    patch.setattr(agent, "RESET_DURATION", 1e9)


def cuts_everybody(patch: Patch) -> None:
    each = rules.format_rules

    def blind(address: str, link: Link, resetting: bool = False) -> Iterator[str]:
        return (rule.replace(f"-s {address}/32 ", "") for rule in each(address, link, resetting))

    patch.setattr(rules, "format_rules", blind)


def holds_no_queue(patch: Patch) -> None:
    patch.setattr(MemoryPacketFilter, "open_queues", lambda self, queues: None)


def adds_to_what_it_has(patch: Patch) -> None:
    put = Agent.put
    patch.setattr(Agent, "put", lambda self, links, lease: put(self, {**self._links, **links}, lease))


def believes_what_it_wrote(patch: Patch) -> None:
    settle = Agent._apply

    async def trusting(self: Agent, why: str) -> None:
        if why != "repaired":
            await settle(self, why)

    patch.setattr(Agent, "_apply", trusting)


def ignores_what_is_there(patch: Patch) -> None:
    async def begin(self: Agent) -> None:
        self.abilities = dict.fromkeys(self.abilities, True)

    patch.setattr(Agent, "begin", begin)


def takes_the_refused_for_its_own(patch: Patch) -> None:
    put = Agent.put

    async def eager(self: Agent, links: Mapping[str, Link], lease: float) -> None:
        try:
            await put(self, links, lease)
        except PacketFilterRefused:
            self._links = {}
            raise

    patch.setattr(Agent, "put", eager)


# the runner


def cuts_one_way(patch: Patch) -> None:
    put = LinkAgents.put

    def half(self: LinkAgents, to: Iterable[str], links: Links, lease: float) -> Coroutine[Any, Any, None]:
        return put(self, to, {pair: link for pair, link in links.items() if pair[0] < pair[1]}, lease)

    patch.setattr(LinkAgents, "put", half)


def forgets_a_heal(patch: Patch) -> None:
    """Of links that are not to be cut any longer nobody is told."""
    put = LinkAgents.put
    patch.setattr(LinkAgents, "put", lambda self, to, links, lease: put(self, (), links, lease))


def heals_nothing_at_the_end(patch: Patch) -> None:
    patch.setattr(FaultRunner, "heal", nothing)


def forgets_lives_at_a_heal(patch: Patch) -> None:
    patch.setattr(FaultRunner, "_restore", nothing)


def thaws_nobody(patch: Patch) -> None:
    restore = ContainerLifecycle.restore

    async def restore_what_is_down(self: ContainerLifecycle, component: Component, fault: Fault) -> None:
        if not fault.kind.pauses:
            await restore(self, component, fault)

    patch.setattr(ContainerLifecycle, "restore", restore_what_is_down)


def renews_nothing(patch: Patch) -> None:
    patch.setattr(LinkAgents, "renew", nothing)


def only_tells(patch: Patch) -> None:
    patch.setattr(LinkAgents, "put", nothing)


def says_applied(patch: Patch) -> None:
    async def sure(self: FaultRunner, number: int) -> Effect:
        return Effect.APPLIED

    patch.setattr(FaultRunner, "_effect", sure)


TABLE, PARTS = {"the_table_is_as_before"}, {"a_split_parts_both_ways_and_nobody_else"}
NEVER_LOOKS = {"a_lease_ends", "a_cut_lets_nothing_through", "what_is_undone_is_put_right"}
MUTANTS = [
    Mutant("a lease that never expires", never_expires, {"a_lease_ends"}),
    Mutant("a lease that every look renews", a_look_renews, {"a_lease_ends", ADOPTED}),
    Mutant("a lease that cannot be renewed", takes_its_first_lease_for_all, {"a_renewed_lease_does_not"}),
    Mutant("an agent that never looks", never_looks, NEVER_LOOKS),
    Mutant("a chain left behind", partial(leaves, what=("-X",)), TABLE),
    Mutant("a jump left behind", partial(leaves, what=("-D", "-X")), TABLE),
    Mutant("rules left behind", partial(leaves, what=("-F", "-X")), TABLE),
    Mutant("a heal that sweeps away others' rules", sweeps_everything_away, TABLE),
    Mutant("a cut that live sessions outlive", resets_nothing, {"live_sessions_are_reset"}),
    Mutant("a cut that never gets beyond resets", resets_for_ever, {"a_cut_lets_nothing_through"}),
    Mutant("a cut of everybody", cuts_everybody, {"others_are_not_touched", REPLACES, DELAYED, ADOPTED} | PARTS),
    Mutant("a delay that nobody holds to", holds_no_queue, {DELAYED}),
    Mutant("a state that only adds", adds_to_what_it_has, {REPLACES} | TABLE | AFTERWARDS),
    Mutant("an agent that believes what it wrote", believes_what_it_wrote, {"what_is_undone_is_put_right"}),
    Mutant("an agent that ignores what is there", ignores_what_is_there, {ADOPTED}),
    Mutant("a refusal that is half obeyed", takes_the_refused_for_its_own, {"what_is_refused_changes_nothing"}),
    Mutant("a cut that blocks only one way", cuts_one_way, PARTS),
    Mutant("a fault that is only told of", only_tells, PARTS | {"leases_are_renewed"}),
    Mutant("a heal that is forgotten", forgets_a_heal, AFTERWARDS),
    Mutant("an interruption that heals nothing", heals_nothing_at_the_end, {"all_is_well_after_an_interruption"}),
    Mutant("a heal that starts nobody", forgets_lives_at_a_heal, AFTERWARDS),
    Mutant("a heal that thaws nobody", thaws_nobody, AFTERWARDS),
    Mutant("a lease that nobody renews", renews_nothing, {"leases_are_renewed"}),
    Mutant("a fault applied whatever happened", says_applied, {"what_did_nothing_is_not_said_to_be_applied"}),
]
