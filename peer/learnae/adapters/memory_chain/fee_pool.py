"""``contracts/FeePool.sol`` for the chain in memory: the same rules in the same integers.

``tests/contracts`` runs the same cases on this model and on the contract.
"""

from dataclasses import dataclass, field

from learnae.protocol.blockchain import SHARES, Deposit, PoolCall, PoolState, PoolTerms, Report, Withdrawal
from learnae.protocol.types import Address, Wei

# Measured on Anvil (tests/contracts/test_fee_pool.py).
DEPOSIT_GAS, REPORT_GAS, EMPTY_REPORT_GAS = 114_000, 120_000, 56_000


def call_gas(call: PoolCall, places: int) -> int:
    """A withdrawal reads the reports of all members."""
    if isinstance(call, Withdrawal):
        return 40_000 + 4_000 * places + 1_050 * places**2
    if isinstance(call, Deposit):
        return DEPOSIT_GAS
    return REPORT_GAS if call.shares else EMPTY_REPORT_GAS


class Reverted(Exception):
    """The contract refuses the call, and changes nothing."""


@dataclass
class MemoryFeePool:
    terms: PoolTerms
    deadline: int = 0  # Unix seconds; 0: nobody has deposited
    members: list[Address] = field(default_factory=list)
    contracts: list[Address] = field(default_factory=list)  # their DPoIDs
    reports: dict[Address, dict[Address, int]] = field(default_factory=dict)
    withdrawn: set[Address] = field(default_factory=set)

    def call(self, sender: Address, call: PoolCall, wei: Wei, owner: Address | None, now: int) -> Wei:
        """What the sender is paid.  ``owner``: the wallet that the DPoID of a deposit names.  Raises Reverted."""
        if wei != (self.terms.deposit if isinstance(call, Deposit) else 0):
            raise Reverted("WrongFee")
        if isinstance(call, Deposit):
            return self._deposit(sender, call.contract, owner, now)
        if sender not in self.members:
            raise Reverted("NoMember")
        return self._report(sender, call, now) if isinstance(call, Report) else self._withdraw(sender, now)

    def state(self) -> PoolState:
        return PoolState(
            self.deadline, len(self.reports) == self.terms.places, tuple(self.members), tuple(self.contracts)
        )

    def income(self, member: Address) -> Wei:
        """The share of all fees that the reports give to a member."""
        if len(self.members) == 1:
            return self.terms.fee
        half = self.members[self.members.index(member) % 2 :: 2]
        others = [self.reports.get(other, {}) for other in self.members if other not in half]
        named = sum(report.get(member, 0) for report in self.reports.values())
        rest = sum(SHARES - sum(report.values()) for report in others)
        about = sorted(report[each] for report in others for each in half if report.get(each))
        limit = about[(len(about) - 1) // 2] if about else 0
        profiles = {each: sum(min(limit, report.get(each, 0)) for report in others) for each in half}
        if not about:
            profiles = dict.fromkeys(half, 1)
        every = sum(profiles.values())
        return Wei(self.terms.fee * (named * every + rest * profiles[member]) // (SHARES * every))

    # private

    def _closed(self, now: int) -> bool:
        return self.state().closed(now)

    def _deposit(self, sender: Address, contract: Address, owner: Address | None, now: int) -> Wei:
        if self._closed(now):
            raise Reverted("Closed")
        if len(self.members) == self.terms.places:
            raise Reverted("Full")
        if sender in self.members:
            raise Reverted("Repeated")
        if sender != owner:
            raise Reverted("OtherWallet")
        self.deadline = self.deadline or now + self.terms.window
        self.members.append(sender)
        self.contracts.append(contract)
        return Wei(0)

    def _report(self, sender: Address, report: Report, now: int) -> Wei:
        if self._closed(now):
            raise Reverted("Closed")
        if sender in self.reports:
            raise Reverted("Repeated")
        shares: dict[Address, int] = {}
        total = 0
        for payee, share in report.shares:
            total += share
            if payee == sender or total > SHARES:
                raise Reverted("BadReport")
            if payee in self.members:
                shares[payee] = shares.get(payee, 0) + share
        self.reports[sender] = shares
        return Wei(0)

    def _withdraw(self, sender: Address, now: int) -> Wei:
        if not self._closed(now):
            raise Reverted("StillOpen")
        if sender in self.withdrawn:
            raise Reverted("Repeated")
        self.withdrawn.add(sender)
        return Wei(self.terms.stake + self.income(sender))
