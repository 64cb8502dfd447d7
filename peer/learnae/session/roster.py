"""The peers of a session and their neighbour graph, from the session's groups and number of peers.  Pure.

Keys are made by an adapter and passed in; the roster knows neither Docker nor ports.
"""

import random
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass

from learnae.errors import InputError
from learnae.protocol.policies import Policy, Role
from learnae.protocol.types import Address, PeerId
from learnae.session.settings import Group

Keys = Callable[[str], tuple[PeerId, Address]]


@dataclass(frozen=True, slots=True)
class Member:
    name: str
    peer: PeerId
    wallet: Address
    claimed_peer: PeerId  # the id that its contract names
    group: Group

    @property
    def payout(self) -> Address | None:
        """The wallet that it wants to be paid to instead of its own."""
        return Address(self.group.payout.lower()) if self.group.payout else None

    @property
    def payee(self) -> Address:
        """The wallet that its contract names."""
        return self.payout or self.wallet

    @property
    def trains(self) -> bool:
        return self.group.role is Role.TRAINER

    @property
    def role(self) -> str:
        """One word, as a metric's label: the policy of a peer that breaks the rules, otherwise what the peer does."""
        if self.group.policy is not Policy.HONEST:
            return self.group.policy.value
        return self.group.role.value


def names(count: int) -> list[str]:
    """p00 ... p19: names of equal length, so that they sort."""
    width = max(2, len(str(count - 1)))
    return [f"p{index:0{width}}" for index in range(count)]


def roster(groups: Sequence[Group], count: int, keys: Keys, privacy: bool) -> tuple[Member, ...]:
    """Members in the order of the groups; a group without a count has the peers that are left.  Raises InputError."""
    require_possible(groups, names(count), privacy)
    public = {name: keys(name) for name in names(count)}
    members = []
    for (name, (peer, wallet)), group in zip(public.items(), group_of_each_peer(groups, count), strict=True):
        claimed_peer = public[group.victim][0] if group.victim else peer
        members.append(Member(name, peer, wallet, claimed_peer, group))
    _refuse_wallets_of_peers(members)
    return tuple(members)


def _refuse_wallets_of_peers(members: Iterable[Member]) -> None:
    """Raises InputError: money to such a pay-out wallet would count as income of the other peer."""
    owners = {member.wallet.lower(): member.name for member in members}
    for member in members:
        if member.payout and (owner := owners.get(member.payout)):
            raise InputError(
                f"the payout of {member.name} is the wallet of {owner}: give an address of no peer, or leave it out"
            )


def require_possible(groups: Sequence[Group], known: Sequence[str], privacy: bool) -> None:
    """Raises InputError if these groups cannot divide the peers with these names."""
    present = {id(group): group for group in group_of_each_peer(groups, len(known))}.values()
    for group in present:
        for what, name in (("victim", group.victim), ("leader", group.leader)):
            if name is not None and name not in known:
                raise InputError(f"{what} {name} is not in this swarm: name one of {known[0]} to {known[-1]}")
    roles = {group.role for group in present}
    published = not privacy and not roles.isdisjoint({Role.PROVIDER, Role.SENSOR})
    if Role.TRAINER not in roles and not (published and Role.PROFITEER in roles):
        raise InputError("no peer trains: set has_rows = true and computes = true in at least one group")


def sensor_names(groups: Sequence[Group], count: int) -> list[str]:
    return [name for name, group in zip(names(count), group_of_each_peer(groups, count), strict=True) if group.sensor]


def first_at_work(members: Iterable[Member]) -> list[str]:
    """The first of those for whose work faults wait: the peers that compute or, since their faults are the only ones of
    such a session, the sensors.
    """
    everybody = list(members)
    sensors = [member for member in everybody if member.group.sensor]
    workers = sensors or [member for member in everybody if member.group.computes]
    first = min((member.group.joins_at for member in workers), default=0.0)
    return [member.name for member in workers if member.group.joins_at == first]


def neighbourhood(count: int, degree: int | None, rng: random.Random) -> list[list[int]]:
    """The neighbours of each peer, by index: all others, or about ``degree``.  The graph is symmetric and connected.

    It is a union of degree/2 random rings: each adds two neighbours, and one ring alone connects all peers.
    """
    if degree is None or degree >= count - 1:
        return [[other for other in range(count) if other != index] for index in range(count)]
    neighbours: list[set[int]] = [set() for _ in range(count)]
    for _ in range(max(1, degree // 2)):
        ring = list(range(count))
        rng.shuffle(ring)
        for one, other in zip(ring, ring[1:] + ring[:1], strict=True):
            neighbours[one].add(other)
            neighbours[other].add(one)
    return [sorted(others - {index}) for index, others in enumerate(neighbours)]


def group_of_each_peer(groups: Sequence[Group], count: int) -> list[Group]:
    fixed = sum(group.count or 0 for group in groups)
    open_ended = [group for group in groups if group.count is None]
    if len(open_ended) > 1:
        raise InputError("more than one group has no count: leave it out in one group only, which has the rest")
    if fixed > count or (fixed < count and not open_ended):
        raise InputError(
            f"the groups count {fixed} peers and the swarm has {count}: change a count or the number of peers"
        )
    return [group for group in groups for _ in range(count - fixed if group.count is None else group.count)]
