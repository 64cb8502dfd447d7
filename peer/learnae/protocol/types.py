"""The values that events, actions and decisions consist of: ids, scores, claims, announcements, receipts.

The protocol never sees tensors, ABIs, URLs or clocks.  A model is a ``Weights`` (a CID and a digest of its tensors), an
accuracy is a ``Score`` (two integers), money is ``Wei`` (an int), time is a float of session seconds.
"""

from dataclasses import dataclass, field
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
    """Number of correct classifications out of a total: an accuracy without rounding.

    By another metric (``learn.metrics``): so many parts of a total.
    """

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
    """A set of parameters.  Its block names the creator, so a copy has another ``cid`` but the same ``digest``."""

    cid: Cid
    digest: str


@dataclass(frozen=True, slots=True)
class Parents:
    """What an average is made of: its creator's own model and the remote one, and who has created them.

    A peer without rows begins with a model of another, so the first one may be another's, too.
    """

    cids: tuple[Cid, Cid]
    creators: tuple[PeerId, PeerId]


@dataclass(frozen=True, slots=True)
class ModelRef:
    """A model as its creator announced it.  ``step`` counts the creator's models from 1; only averages have parents."""

    creator: PeerId
    step: int
    weights: Weights
    parents: Parents | None = field(default=None, hash=False)


@dataclass(frozen=True, slots=True)
class Poid:
    """Proof of identification (section 3.2): the arguments of a DPoID contract's constructor."""

    peer: PeerId
    wallet: Address


@dataclass(frozen=True, slots=True)
class Commitment:
    """A salted digest of a peer's validation rows.  The salt is shown only to an auditor, together with the rows."""

    digest: str  # 64 hexadecimal digits
    salt: str = field(repr=False)


@dataclass(frozen=True, slots=True)
class Claim:
    """What a peer announces about its contract: PoID, deployment, and a proof that it owns the id.

    ``validation``: digest of the commitment to the rows that it scores models on.
    ``sealing_key``: with which others seal models for it; empty in sessions whose models are open.
    The IPFS key signs domain, chain id, genesis hash, session, contract, wallet, ``validation`` and ``sealing_key``.
    """

    poid: Poid
    contract: Address
    deploy_tx: TxHash
    validation: str
    signature: str
    sealing_key: str = ""


@dataclass(frozen=True, slots=True)
class ClaimFacts:
    """What is found when a claim is read from the chain.  ``directory`` judges it."""

    poid: Poid  # what getPoid() returned
    timestamp: int  # what getTimestamp() returned, Unix seconds of chain time
    block: int
    index: int  # position of the deployment in its block
    code_matches: bool  # runtime code equals the known template filled with the claimed values
    receipt_matches: bool  # the deployment's receipt names this contract
    signature_valid: bool
    deployer: Address  # whose transaction the deployment is; that wallet pays, whichever one the PoID names


@dataclass(frozen=True, slots=True)
class Timed:
    at: float  # session seconds at which an event happened


@dataclass(frozen=True, slots=True)
class Answering(Timed):
    request: int  # the id of the action that the event answers


@dataclass(frozen=True, slots=True)
class Asking:
    request: int  # the id of an action, which the event that answers it repeats


class Timer(StrEnum):
    START = "start"
    WORK = "work"
    FETCH = "fetch"
    ANNOUNCE = "announce"
    CHAIN = "chain"
