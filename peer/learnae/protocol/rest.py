"""What a peer reports once it has nothing left to do, so that the end of a session can be recognised.

A peer at rest acts again only after an announcement that it has not received.  Steps of a peer's models only grow, row
blocks only become more, and a claim never comes back, so reports need not be from the same moment: if every peer was at
rest when it was asked, and had received what every other one had announced when *that* one was asked, then nobody can
have acted since, because the first to do so would have received an announcement that nobody had made.
"""

from dataclasses import dataclass

from learnae.protocol import actions as do
from learnae.protocol.debts import UNSETTLED
from learnae.protocol.decisions import DebtState, WorkState
from learnae.protocol.payments import Payments
from learnae.protocol.peer_book import PeerBook
from learnae.protocol.requests import Requests
from learnae.protocol.training import Training
from learnae.protocol.types import Cid, PeerId


@dataclass(frozen=True, slots=True)
class Rest:
    """The newest announcements that a peer has made, and those of others that it has received and dealt with.

    Row blocks are apart, by CID, because not every peer wants them: ``rows_received`` is None for a peer that would
    ignore any further block.  ``sealed_for``: creator and reader of the newest announcement of a sealed model;
    ``locked``: the same of models that could not be read when they were announced.
    """

    announced: frozenset[str]
    received: frozenset[str]
    rows_announced: frozenset[Cid] = frozenset()
    rows_received: frozenset[Cid] | None = None
    sealed_for: frozenset[str] = frozenset()
    locked: frozenset[str] = frozenset()

    def has_received(self, other: "Rest") -> bool:
        """Whether nothing that ``other`` has announced can make this peer act."""
        rows = self.rows_received
        reads = not self.locked & other.sealed_for  # or a newer announcement is on its way
        return reads and other.announced <= self.received and (rows is None or other.rows_announced <= rows)


def is_settled(payments: Payments) -> bool:
    """Whether no debt is left that more time could settle."""
    debts, claims = payments.debts, payments.claims
    creditors = {debt.creator for debt in debts.in_states((DebtState.OWED,))}
    looking_up = any(claim.poid.peer in creditors for _, claim in claims.being_read())
    waits = payments.transactions.need_recheck or debts.in_states(UNSETTLED) or payments.pool.unfinished
    return not (looking_up or waits)


def is_quiet(requests: Requests, training: Training, payments: Payments) -> bool:
    """Whether a peer is DONE, with nothing under way, to publish or to settle."""
    if training.work is not WorkState.DONE or training.publication.pending:
        return False
    working = not requests.trainer_is_free or requests.waits_for(do.StoreModel)
    expected = training.fetches.expected or training.rows.expected
    return not working and not expected and is_settled(payments)


def has_done_all(training: Training) -> bool:
    """Whether a peer that waits for no answer has done all that it can do with what it has received."""
    stopped = training.work in (WorkState.IDLE, WorkState.DONE)
    if not training.begun or not stopped or training.publication.pending:
        return False
    if training.absent:
        return training.books.at_rest
    untried = training.hooks.averages and training.fetches.wanted(only_news=training.patience <= 0)
    return not (training.slices.left or training.fetches.ready or untried or not training.rows.at_rest)


def is_at_rest(requests: Requests, training: Training, payments: Payments) -> bool:
    """Whether only an announcement that a peer has not received makes it act again; no timer does."""
    if not requests.none_open or not has_done_all(training) or not is_settled(payments):
        return False
    # With no request open, the chain owes it nothing either.
    return not (payments.transactions.open or payments.claims.has_unread or payments.registration.unfinished)


def rest(peer: PeerId, training: Training, payments: Payments, peer_book: PeerBook) -> Rest:
    published, claim = training.publication.published, payments.registration.claim
    models = ((creator, known.newest) for creator, known in peer_book.peers.items())
    entries = payments.claims.directory.entries.values()
    return Rest(
        frozenset(key(peer, item) for item in (published and published.step, claim and claim.deploy_tx) if item),
        frozenset(key(creator, newest.step) for creator, newest in models if newest)
        | frozenset(key(entry.sender, entry.claim.deploy_tx) for entry in entries if entry.facts),
        training.rows.announced,
        training.rows.known_cids if training.rows.accepts_more else None,
        frozenset(f"{peer} {reader}" for reader, _ in training.publication.readers or ()),
        frozenset(
            f"{creator} {peer}"
            for creator, known in peer_book.peers.items()
            if known.newest and not peer_book.can_read(known.newest)
        ),
    )


def key(sender: PeerId, item: int | str) -> str:
    """A model, by its step, or a claim, by the transaction that deployed the contract."""
    return f"{sender} {item}"
