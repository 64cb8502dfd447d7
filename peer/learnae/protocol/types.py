"""The values everything else is made of: ids, scores, claims, announcements, receipts.  Pure and immutable.

The core never sees tensors, ABIs, URLs or clocks.  A model is a ``Weights`` (a CID and a digest of its tensors),
an accuracy is a ``Score`` (two integers), money is ``Wei`` (an int), time is a float of session seconds.
"""

from dataclasses import dataclass
from decimal import Decimal
from enum import StrEnum
from typing import NewType

PeerId = NewType("PeerId", str)  # IPFS id: base58 of the Ed25519 public key
Cid = NewType("Cid", str)  # CIDv1, raw, sha2-256, base32
Address = NewType("Address", str)  # wallet or contract: 0x and 40 hexadecimal digits
TxHash = NewType("TxHash", str)
Wei = NewType("Wei", int)

ETHER = Wei(10**18)


def wei(ether: Decimal) -> Wei:
    return Wei(int(ether * ETHER))


@dataclass(frozen=True, slots=True)
class Score:
    """Rows classified correctly out of rows scored: an accuracy without rounding."""

    correct: int
    total: int

    @property
    def accuracy(self) -> float:
        return self.correct / self.total

    def beats(self, other: "Score") -> bool:
        """Strictly better, compared exactly."""
        return self.correct * other.total > other.correct * self.total


@dataclass(frozen=True, slots=True)
class Weights:
    """One set of parameters: the CID of its block and the digest of its tensors alone.

    The block also names its creator, so equal tensors under another name have another CID and the same digest.
    """

    cid: Cid
    digest: str


@dataclass(frozen=True, slots=True)
class ModelRef:
    """A published model as its creator announced it.  ``step`` counts the creator's publications from 1."""

    creator: PeerId
    step: int
    weights: Weights


@dataclass(frozen=True, slots=True)
class Poid:
    """Proof of identification (section 3.2): what a DPoID contract's constructor is given."""

    peer: PeerId
    wallet: Address


@dataclass(frozen=True, slots=True)
class Claim:
    """What a peer broadcasts about its contract: the PoID, where it was deployed, and a proof that it owns the id.

    ``signature`` is the IPFS key's, over domain, chain id, genesis hash, session, contract and wallet.
    """

    poid: Poid
    contract: Address
    deploy_tx: TxHash
    signature: str


@dataclass(frozen=True, slots=True)
class ClaimFacts:
    """What the chain and the signature say of a claim.  Facts only: ``directory`` judges them."""

    poid: Poid  # what getPoid() returned
    timestamp: int  # what getTimestamp() returned, Unix seconds of chain time
    block: int
    index: int  # position of the deployment in its block
    code_matches: bool  # runtime code equals the known template filled with the claimed values
    receipt_matches: bool  # the deployment's receipt names this contract
    signature_valid: bool

    @property
    def rank(self) -> tuple[int, int, int]:
        """Section 3.2: the earliest wins.  Chain time only, so the order of arrival cannot matter."""
        return (self.timestamp, self.block, self.index)


@dataclass(frozen=True, slots=True)
class IdentityAnnouncement:
    session: Cid
    claim: Claim
    addresses: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class ModelAnnouncement:
    session: Cid
    model: ModelRef
    addresses: tuple[str, ...]


Announcement = IdentityAnnouncement | ModelAnnouncement


@dataclass(frozen=True, slots=True)
class Signed:
    """A signed transaction.  Journalled before it is broadcast: (genesis hash, wallet, nonce) can be spent once.

    ``genesis``: of the chain it was signed for.  The bytes do not say: another with the same id would take it, too.
    """

    nonce: int
    raw: str
    hash: TxHash
    genesis: str


@dataclass(frozen=True, slots=True)
class Receipt:
    hash: TxHash
    block: int
    succeeded: bool
    contract: Address | None = None


@dataclass(frozen=True, slots=True)
class Head:
    """The chain as an RPC node sees it now."""

    genesis: str
    height: int
    hash: str
    timestamp: int


class Timer(StrEnum):
    """Setting a timer that is already set replaces it."""

    START = "start"
    WORK = "work"
    ANNOUNCE = "announce"
    CHAIN = "chain"


class Policy(StrEnum):
    """How a peer behaves (issue 3).  Only ``HONEST`` follows the paper."""

    HONEST = "honest"
    REFUSES_TO_PAY = "refuses-to-pay"
    POISONER = "poisoner"  # publishes random weights
    COPYCAT = "copycat"  # re-stamps others' models as its own
    HIJACKER = "hijacker"  # claims another peer's IPFS id for its own wallet
    SPAMMER = "spammer"  # announces without end


class IdentityRule(StrEnum):
    """Which claim of an IPFS id counts."""

    PROVEN = "proven"  # the earliest that the key of the id has signed
    PAPER = "paper"  # the earliest (section 3.2)


class Forgery(StrEnum):
    """What a cheat asks its trainer to make."""

    RANDOM = "random"  # N(0, 5) weights
    COPY = "copy"  # another's tensors, own name
    PERTURBED = "perturbed"  # the same, with noise too small to matter
