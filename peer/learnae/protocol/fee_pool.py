"""A peer's membership of the fee pool (``[defence]``): it deposits, reports once, and withdraws.

The deposit follows the deployment of the peer's contract.  Nothing else is signed before the pool has it as a member:
until then it may know no deadline and no other members.  The report names what the peer owes once it has had no work
for ``idle_after`` seconds, or three quarters of the pool's time are over; it covers those debts like a payment.  Once
the pool is closed, the peer withdraws its income.  What is adopted after the report is paid for by profiles, like
everything that is unreported.

If the pool holds stakes alone, the report names nobody and says that the peer has finished; debts are paid as without a
pool.  With a stake, a member takes models only of identities whose contracts are members.
"""

from collections.abc import Mapping
from functools import cached_property

from learnae.protocol.blockchain import SHARES, Deposit, PoolCall, PoolRead, PoolState, ReadPool, Report, Withdrawal
from learnae.protocol.debts import Debts
from learnae.protocol.decisions import DebtChanged, DebtState
from learnae.protocol.directory import ClaimReader
from learnae.protocol.registration import Registration
from learnae.protocol.requests import Requests
from learnae.protocol.settings import Defence, PeerConfig
from learnae.protocol.transactions import OutgoingTransaction, Transactions, TxState
from learnae.protocol.types import Address, PeerId, Wei

NO_DEPOSIT, AFTER_REPORT = "the creator made no deposit", "after the report"  # why a debt is declined
MAX_WITHDRAWALS = 3  # one fails if a rollback has opened the pool again


class FeePool:
    def __init__(
        self,
        config: PeerConfig,
        requests: Requests,
        transactions: Transactions,
        registration: Registration,
        claims: ClaimReader,
        debts: Debts,
    ) -> None:
        self._config, self._requests, self._transactions = config, requests, transactions
        self._registration, self._claims, self._debts = registration, claims, debts
        self.enabled = config.stakes and config.defence.deposit_wei > 0
        self.splits_fees = config.defence.kind is Defence.PROFILES
        self._state: PoolState | None = None
        self._timestamp = 0  # of the newest block when the state was read
        self._gave_up = self._no_report = ""  # why
        self._finished_at: float | None = None  # s: since then it has had no work

    @property
    def unfinished(self) -> bool:
        """Whether the pool expects something of this peer, or owes it its income."""
        if not self.enabled:
            return False
        begun = self._registration.claim is not None or self._last(Deposit) is not None
        return begun and not self._ended

    def sign_next(self, finished: bool) -> bool:
        """Sign what is due; return whether payments must wait for it, or are made by the pool.

        ``finished``: the peer has no work left at present.
        """
        if not self.enabled:
            return self.splits_fees
        self._sign_next(finished)
        return self.splits_fees or self._transactions.signing

    def poll(self) -> None:
        if self.unfinished and self._done(Deposit) and not self._requests.waits_for(ReadPool):
            self._requests.issue(ReadPool)

    def read(self, event: PoolRead) -> None:
        self._state, self._timestamp = event.state, event.head.timestamp

    def accepts(self, creator: PeerId) -> bool:
        """Whether models of this peer may be averaged: its identity has a stake, if one is required."""
        return not self.checks_stakes or self.holds_stake(self._claims.directory.contract(creator))

    @cached_property
    def checks_stakes(self) -> bool:
        """Whether the peer takes models only of identities with a stake, because it has locked its own."""
        return self.enabled and self._config.defence.stake_wei > 0

    def holds_stake(self, contract: Address | None) -> bool:
        """Whether the identity with this contract was a member when the pool was read last."""
        return self._state is not None and contract is not None and contract.lower() in self._state.contracts

    def give_up(self, call: PoolCall, reason: str) -> None:
        """Sign this call no more, for want of money.  A member has an income even if it does not report."""
        if isinstance(call, Report):
            self._no_report = reason
        else:
            self._gave_up = reason

    def reset(self) -> None:
        """Begin again on another chain."""
        self._state, self._gave_up, self._no_report = None, "", ""

    # private

    def _sign_next(self, finished: bool) -> None:
        if not finished:
            self._finished_at = None
        elif self._finished_at is None:
            self._finished_at = self._requests.now
        if self.splits_fees and self._unpayable:
            self._decline(self._unpayable)
        if not self.unfinished or self._transactions.signing:
            return
        claim, defence = self._registration.claim, self._config.defence
        if self._last(Deposit) is None and claim:
            self._sign(Deposit(claim.contract, defence.deposit_wei))
        elif self._state is None or self._config.wallet not in self._state.members:
            return  # its deposit is not mined yet
        elif self._state.closed(self._timestamp):
            if not self._done(Withdrawal):
                self._sign(Withdrawal())
        elif self._last(Report) is None and not self._no_report and (self._rested or self._late):
            self._report(self._state.members, defence.fee_wei)

    @property
    def _ended(self) -> bool:
        withdrawn = self._last(Withdrawal)
        final = withdrawn is not None and withdrawn.state is TxState.FINAL and not withdrawn.failed
        return bool(self._gave_up) or self._failed(Deposit) or final or self._tries(Withdrawal) > MAX_WITHDRAWALS

    @property
    def _unpayable(self) -> str:
        """Why debts can no longer be reported; empty if they can."""
        if self._gave_up or self._no_report or self._failed(Deposit):
            return self._gave_up or self._no_report or "no deposit"
        closed = self._state is not None and self._state.closed(self._timestamp)
        return AFTER_REPORT if closed or self._last(Report) else ""

    @property
    def _rested(self) -> bool:
        since = self._finished_at
        return since is not None and self._requests.now - since >= self._config.work.idle_after

    @property
    def _late(self) -> bool:
        left = self._state.deadline - self._timestamp if self._state else 0
        return left < self._config.defence.window / 4

    def _report(self, members: tuple[Address, ...], fee: Wei) -> None:
        if not self.splits_fees:
            self._sign(Report(()))
            return
        payable = self._debts.in_states((DebtState.PAYABLE,))
        for debt in payable:
            if debt.payee not in members:
                self._debts.decline(debt, NO_DEPOSIT)
        covered = self._debts.decline_above_cap([debt for debt in payable if debt.payee in members])
        self._sign(Report(shares(covered, fee)), tuple(debt.debt for debt in covered))

    def _sign(self, call: PoolCall, debts: tuple[int, ...] = ()) -> None:
        self._transactions.sign_call(call, debts)

    def _decline(self, reason: str) -> None:
        for debt in self._debts.in_states((DebtState.OWED, DebtState.PAYABLE)):
            self._debts.decline(debt, reason)

    def _last(self, kind: type[PoolCall]) -> OutgoingTransaction | None:
        """The newest transaction with such a call."""
        calls = (each for each in reversed(self._transactions.by_nonce) if isinstance(each.call, kind))
        return next(calls, None)

    def _tries(self, kind: type[PoolCall]) -> int:
        return sum(isinstance(each.call, kind) for each in self._transactions.by_nonce)

    def _failed(self, kind: type[PoolCall]) -> bool:
        last = self._last(kind)
        return last is not None and last.failed and last.state is TxState.FINAL

    def _done(self, kind: type[PoolCall]) -> bool:
        """Whether such a call is mined, or on its way."""
        return self._last(kind) is not None and not self._failed(kind)


def shares(debts: list[DebtChanged], fee: Wei) -> tuple[tuple[Address, int], ...]:
    """The part of the fee that each payee is owed, rounded down; of all that is owed if that is more than the fee."""
    owed: dict[Address, int] = {}
    for debt in debts:
        assert debt.payee
        owed[debt.payee] = owed.get(debt.payee, 0) + debt.wei
    whole = max(fee, sum(owed.values()))
    parts: Mapping[Address, int] = {payee: SHARES * wei // whole for payee, wei in sorted(owed.items())}
    return tuple((payee, part) for payee, part in parts.items() if part)
