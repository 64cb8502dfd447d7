"""What a peer knows of the chain: its signed transactions, their receipts, the newest block."""

from dataclasses import dataclass

from learnae.protocol.types import Address, Cid, TxHash


@dataclass(frozen=True, slots=True)
class Signed:
    """A signed transaction, journalled before it is sent, because (genesis hash, wallet, nonce) can be spent once.

    ``genesis`` is that of its chain.  ``raw`` does not contain it: another chain with the same id would accept ``raw``.
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
    """The newest block that an RPC node knows, and its chain."""

    genesis: str
    height: int
    hash: str
    timestamp: int

    def may_precede(self, later: "Head") -> bool:
        """Whether this can be ``later`` or an ancestor of it."""
        same = later.hash == self.hash
        return later.genesis == self.genesis and (later.height > self.height or (later.height == self.height and same))


@dataclass(frozen=True, slots=True)
class ModelPayment:
    """A transfer that was mined and names the models that it pays for."""

    sender: Address
    to: Address
    cids: tuple[Cid, ...]


@dataclass(frozen=True, slots=True)
class PaymentReport:
    """The payments in the blocks from the one asked for to ``until``.  ``height``: of the newest block, often later."""

    genesis: str
    until: int
    height: int
    payments: tuple[ModelPayment, ...]
