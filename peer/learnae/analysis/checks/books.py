"""Checks of peers whose work has a cost: each comparison follows from chain and history, and the absent do no work."""

from collections.abc import Iterator
from dataclasses import dataclass, field
from fractions import Fraction

from learnae.analysis.checks.chain import model_transfers
from learnae.analysis.checks.debts import winning_wallet
from learnae.analysis.checks.result import check, session_began
from learnae.protocol.decisions import (
    BooksClosed,
    BooksFailed,
    ChainEntered,
    ClaimJudged,
    IdentityChanged,
    IdentityState,
    RolledBack,
    WorkChanged,
    WorkState,
)
from learnae.protocol.types import Address, PeerId, wei
from learnae.records.history import History
from learnae.session.roster import group_of_each_peer

UNITS = (WorkState.TRAINING, WorkState.MERGING)
LATE = 2  # windows in which a peer must close its books


@dataclass
class _Worker:
    """A peer with a cost, as far as its records were read."""

    cost: int  # wei a unit
    units: int = 0  # since it closed its books
    since: int | None = None  # the block that its books begin with; None: it may begin anywhere
    left_with: tuple[int, int] | None = None  # units and sold models when it left; None: it works
    failed: bool = False  # the chain did not answer since
    registered: bool = False
    entered: bool = False
    claims: dict[tuple[PeerId, Address], ClaimJudged] = field(default_factory=dict)

    def begin_again(self) -> None:
        self.units, self.since = 0, None

    def others(self, own: Address) -> set[Address]:
        """The wallets that it knows to belong to other peers."""
        claimed = {claim.poid.peer for claim in self.claims.values()}
        wallets = {winning_wallet(self.claims.values(), peer) for peer in claimed}
        return {Address(wallet.lower()) for wallet in wallets if wallet} - {own}


@check
def books_follow_payments(history: History) -> Iterator[str]:
    """Books name the units of work and the payments of their blocks, and a peer works while these cover its cost.

    If a chain rolled back or was replaced, payments before that can no longer be looked up.  The block with which the
    first books of a peer begin, and those after a rollback, is not checked.
    """
    market = session_began(history).session.market
    lost = _last_loss(history)
    for number, name, worker, closed in _closed_books(history):
        if not worker.cost:
            yield f"{name} closed its books, though its work has no cost"
        if worker.since not in (None, closed.since) or closed.until < closed.since - 1:
            yield f"{name} closed books of the blocks {closed.since} to {closed.until} after those to {worker.since}"
        if closed.units != (0 if worker.left_with else worker.units):
            yield f"{name} closed books of {closed.units} units, but began {worker.units}"
        if (closed.units or closed.models) < market.window:
            yield f"{name} closed its books after {closed.units} units and {closed.models} models"
        if number > lost:
            own = Address(history.roster[name].payee.lower())
            payees = worker.others(own) if worker.left_with else {own}
            paid = [
                (len(models), amount)
                for block, payer, payee, models, amount in model_transfers(history)
                if closed.since <= block <= closed.until and payee in payees and payer != payee
            ]
            found = sum(models for models, _ in paid), sum(amount for _, amount in paid)
            if found != (closed.models, closed.wei):
                yield f"{name} counted {closed.wei} wei for {closed.models} models, but the chain has {found}"
        if worker.left_with:
            units, sold = worker.left_with
            covered = closed.wei * sold >= Fraction(market.margin) * worker.cost * units * closed.models
        else:
            covered = closed.wei >= worker.cost * closed.units
        if closed.works is not covered:
            yield f"{name} {'works' if closed.works else 'does not work'} for {closed.wei} wei in block {closed.until}"


@check
def absent_peers_do_not_work(history: History) -> Iterator[str]:
    """A peer that has left begins no slice and no averaging, and one that works closes its books in time.

    It has more time if the chain does not answer, or if faults are planned.
    """
    session, late = session_began(history).session, set[str]()
    for _, name, worker, fact in _steps(history):
        if isinstance(fact, WorkChanged) and fact.work in UNITS:
            if worker.left_with:
                yield f"{name} began a unit of work, though it had left"
            due = worker.registered and not worker.failed and worker.units >= LATE * session.market.window
            if due and not session.faults and name not in late:
                late.add(name)
                yield f"{name} worked {worker.units} units and did not close its books"


def _closed_books(history: History) -> Iterator[tuple[int, str, _Worker, BooksClosed]]:
    for number, name, worker, fact in _steps(history):
        if isinstance(fact, BooksClosed):
            yield number, name, worker, fact


def _steps(history: History) -> Iterator[tuple[int, str, _Worker, object]]:
    """The number of each record of a peer with a cost, the peer as it was before, and the fact."""
    session = session_began(history).session
    groups = zip(history.roster, group_of_each_peer(session.groups, session.peers), strict=False)
    workers = {name: _Worker(cost) for name, group in groups if (cost := wei(group.unit_cost))}
    workers |= {record.peer: _Worker(0) for record, _ in history.facts(BooksClosed) if record.peer not in workers}
    for number, record in enumerate(history.records) if workers else ():
        if (worker := workers.get(record.peer)) is None:
            continue
        yield number, record.peer, worker, record.fact
        match record.fact:
            case WorkChanged(work=work) if work in UNITS:
                worker.units += 1
            case IdentityChanged(identity=identity):
                worker.registered = identity is IdentityState.REGISTERED
            case ClaimJudged() as claim:
                worker.claims[claim.sender, claim.contract] = claim
            case RolledBack():
                worker.begin_again()
            case ChainEntered():
                if worker.entered:
                    worker.begin_again()
                    worker.claims.clear()
                worker.entered = True
            case BooksClosed(units=units, until=until, models=models, works=works):
                if works:
                    worker.left_with = None
                elif units:
                    worker.left_with = (units, max(1, models))
                worker.units, worker.since, worker.failed = 0, until + 1, False
            case BooksFailed():
                worker.failed = True


def _last_loss(history: History) -> int:
    """The number of the last record in which a peer noticed that the chain is not what it was; -1: of none."""
    entered: set[str] = set()
    last = -1
    for number, record in enumerate(history.records):
        match record.fact:
            case RolledBack():
                last = number
            case ChainEntered():
                last = number if record.peer in entered else last
                entered.add(record.peer)
    return last
