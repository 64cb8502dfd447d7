"""A peer of a session as the history names it.  Pure."""

from dataclasses import dataclass

from learnae.protocol.policies import Policy, Role
from learnae.protocol.types import Address, PeerId
from learnae.session.roster import Member


@dataclass(frozen=True, slots=True)
class RosterEntry:
    """Public ids and role of the peer called ``name``."""

    name: str
    peer: PeerId
    wallet: Address
    has_rows: bool
    computes: bool
    wants_payment: bool
    policy: Policy
    sensor: bool = False
    payout: Address | None = None  # to which others pay instead of ``wallet``
    stakes: bool = True  # whether it makes the deposit of ``defence``, if there is one

    @property
    def payee(self) -> Address:
        return self.payout or self.wallet

    @property
    def role(self) -> Role:
        return Role.SENSOR if self.sensor else Role.of(self.has_rows, self.computes)

    @staticmethod
    def of(member: Member) -> "RosterEntry":
        group = member.group
        role = group.has_rows, group.computes, group.wants_payment, group.policy, group.sensor
        return RosterEntry(member.name, member.peer, member.wallet, *role, member.payout, group.stakes)
