"""What a peer shows of itself: the answer of ``Peer.status()``."""

from dataclasses import dataclass

from learnae.protocol.decisions import DebtChanged, IdentityState, WorkState
from learnae.protocol.directory import DirectoryEntry, winner
from learnae.protocol.types import Address, Claim, ModelRef, PeerId, Score, Signed, Weights


@dataclass(frozen=True, slots=True)
class PeerSnapshot:
    """The state of a peer after its last event.  Later events do not change it."""

    # work
    work: WorkState
    work_began: bool  # the start rule was met
    weights: Weights | None  # of the model it works with
    score: Score | None  # of that model, on the peer's own validation data
    step: int  # of its newest model; 0 before the first
    published: ModelRef | None  # its newest model that the store has
    slices_trained: int
    slices_planned: int
    # identity
    identity: IdentityState
    claim: Claim | None  # on its own contract
    # other peers
    peers_known: int
    directory: tuple[DirectoryEntry, ...]
    # money
    debts: tuple[DebtChanged, ...]  # by number
    signed: tuple[Signed, ...]  # all transactions that it signed on the present chain, replacements included
    settled: bool  # no debt is left that more time could settle
    # endings
    quiet: bool  # see ``Peer.quiet``
    closed: bool  # it was told that the session is over

    def payee(self, creator: PeerId) -> Address | None:
        """The wallet that is paid for the models of ``creator``."""
        return winner(self.directory, creator)
