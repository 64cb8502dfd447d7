"""Who is where: a session's groups and a number of peers become named members and who hears whom.  Pure.

The roster knows neither Docker nor ports; Compose, file_sd and the simulator are views of it.  Keys are made by an
adapter and enter as data.
"""

import random
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Protocol

from learnae.errors import InputError
from learnae.protocol.types import Address, Forgery, PeerId, Policy

Keys = Callable[[str], tuple[PeerId, Address]]


class Role(Protocol):
    """What the members of one group have in common; ``config.Group``, or anything like it."""

    @property
    def count(self) -> int | None: ...
    @property
    def has_rows(self) -> bool: ...
    @property
    def trains(self) -> bool: ...
    @property
    def wants_payment(self) -> bool: ...
    @property
    def policy(self) -> Policy: ...
    @property
    def victim(self) -> str | None: ...
    @property
    def forgery(self) -> Forgery: ...
    @property
    def joins_at(self) -> float: ...


@dataclass(frozen=True, slots=True)
class Member:
    name: str
    peer: PeerId
    wallet: Address
    claims: PeerId  # the id its contract will name
    traits: Role

    @property
    def role(self) -> str:
        """One word, for a metric's label: the policy of whoever does not follow the paper, else what it does."""
        if self.traits.policy is not Policy.HONEST:
            return str(self.traits.policy)
        return "trainer" if self.traits.has_rows and self.traits.trains else "profiteer"


def names(count: int) -> list[str]:
    """p00 ... p19: of equal length, so that they sort."""
    width = max(2, len(str(count - 1)))
    return [f"p{index:0{width}}" for index in range(count)]


def roster(groups: Sequence[Role], count: int, keys: Keys) -> tuple[Member, ...]:
    """Members in the order of the groups; a group without a count takes the peers that are left."""
    traits = spread(groups, count)
    public = {name: keys(name) for name in names(count)}
    known, members = list(public), []
    for (name, (peer, wallet)), each in zip(public.items(), traits, strict=True):
        if each.victim is not None and each.victim not in public:
            raise InputError(f"victim {each.victim} is not in this swarm: name one of {known[0]} to {known[-1]}")
        claims = public[each.victim][0] if each.victim else peer
        members.append(Member(name, peer, wallet, claims, each))
    if not any(member.traits.has_rows and member.traits.trains for member in members):
        raise InputError("nobody trains: give at least one group has_rows = true and trains = true")
    return tuple(members)


def neighbourhood(count: int, degree: int | None, dice: random.Random) -> list[list[int]]:
    """Who hears whom, by index, both ways: all, or about ``degree`` each, connected.

    A union of degree/2 random rings: each gives two neighbours, and one ring alone already connects all.
    """
    if degree is None or degree >= count - 1:
        return [[other for other in range(count) if other != each] for each in range(count)]
    linked: list[set[int]] = [set() for _ in range(count)]
    for _ in range(max(1, degree // 2)):
        ring = list(range(count))
        dice.shuffle(ring)
        for one, other in zip(ring, ring[1:] + ring[:1], strict=True):
            linked[one].add(other)
            linked[other].add(one)
    return [sorted(others - {each}) for each, others in enumerate(linked)]


def spread(groups: Sequence[Role], count: int) -> list[Role]:
    """The group of each peer."""
    fixed = sum(group.count or 0 for group in groups)
    open_ended = [group for group in groups if group.count is None]
    if len(open_ended) > 1:
        raise InputError("more than one group has no count: leave it out in one group only, which takes the rest")
    if fixed > count or (fixed < count and not open_ended):
        raise InputError(f"the groups count {fixed} peers and the swarm has {count}: change a count or the peers")
    return [group for group in groups for _ in range(count - fixed if group.count is None else group.count)]
