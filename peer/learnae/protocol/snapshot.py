"""The only view that others have of a peer: the result of ``Peer.status()``."""

from dataclasses import dataclass

from learnae.protocol.blockchain import Signed
from learnae.protocol.decisions import DebtChanged, IdentityState, WorkState
from learnae.protocol.directory import DirectoryEntry, payee_of
from learnae.protocol.payments import Payments
from learnae.protocol.rest import is_settled
from learnae.protocol.training import Training
from learnae.protocol.types import Address, Cid, Claim, ModelRef, PeerId, Score, Weights


@dataclass(frozen=True, slots=True)
class PeerSnapshot:
    """The state of a peer after its last event.  Later events do not change it."""

    # work
    work: WorkState
    work_began: bool  # the start rule was met
    away: bool  # its work costs more than it brings (``books.py``)
    weights: Weights | None  # of the model it works with
    score: Score | None  # of that model, on the peer's own validation data
    step: int  # of its newest model; 0 before the first
    published: ModelRef | None  # its newest model that the store has
    fetched: tuple[ModelRef, ...]  # other peers' models that it has fetched and not tried
    row_blocks: tuple[Cid, ...]  # that it holds, its own and those that it has fetched
    slices_trained: int
    slices_planned: int
    # identity
    identity: IdentityState
    claim: Claim | None  # to its own id, by its own contract
    # other peers
    peers_known: int
    directory: tuple[DirectoryEntry, ...]
    # money
    debts: tuple[DebtChanged, ...]  # by number
    signed: tuple[Signed, ...]  # all transactions that it signed on the present chain, replacements included
    settled: bool  # no debt is left that more time could settle
    # endings
    quiet: bool  # see ``Peer.quiet``
    closed: bool  # it has received ``SessionClosed``

    def payee(self, creator: PeerId) -> Address | None:
        """The wallet that is paid for the models of ``creator``."""
        return payee_of(creator, self.directory)


def snapshot(training: Training, payments: Payments, peers_known: int, quiet: bool) -> PeerSnapshot:
    return PeerSnapshot(
        work=training.work,
        work_began=training.begun,
        away=training.books.away,
        weights=training.publication.weights,
        score=training.score,
        step=training.publication.step,
        published=training.publication.published,
        fetched=tuple(training.fetches.ready.values()),
        row_blocks=tuple(training.rows.cids),
        slices_trained=training.slices.trained,
        slices_planned=training.slices.planned,
        identity=payments.registration.identity,
        claim=payments.registration.claim,
        peers_known=peers_known,
        directory=tuple(payments.claims.directory.entries.values()),
        debts=tuple(payments.debts.by_number),
        signed=payments.transactions.signed(),
        settled=is_settled(payments),
        quiet=quiet,
        closed=payments.debts.closed,
    )
