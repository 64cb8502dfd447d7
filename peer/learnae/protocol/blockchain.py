"""What a peer knows of the chain: its signed transactions, their receipts, the newest block.

Payments and the fee pool are read by optional rules alone (``books.py``, ``reciprocity.py``, ``fee_pool.py``); their
events and actions are here, too.
"""

from dataclasses import dataclass

from learnae.protocol.types import Address, Answering, Asking, Cid, TxHash, Wei

POOL = Address("0x000000000000000000000000000000000000fee0")  # the fee pool, in the genesis block of a session's chain
MAX_MEMBERS = 32  # of the fee pool
SHARES = 65_535  # that a fee is divided into
# Limits of gas on Ethereum; tests/contracts/test_fee_pool.py measures what is used.
DEPOSIT_GAS, REPORT_GAS, WITHDRAWAL_GAS = 160_000, 240_000, 2_000_000


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
    wei: Wei


@dataclass(frozen=True, slots=True)
class PaymentReport:
    """The payments in the blocks from the one asked for to ``until``.  ``height``: of the newest block, often later."""

    genesis: str
    until: int
    height: int
    payments: tuple[ModelPayment, ...]


@dataclass(frozen=True, slots=True)
class ReadPayments(Asking):
    """Read payments to these wallets in blocks from ``since`` on.  Answered by ``PaymentsRead``.

    ``books``: for ``books.py``, not for ``reciprocity.py``.
    """

    since: int
    wallets: tuple[Address, ...]
    books: bool = False


@dataclass(frozen=True, slots=True)
class PaymentsRead(Answering):
    report: PaymentReport


@dataclass(frozen=True, slots=True)
class PoolTerms:
    """What the fee pool of a session is made with."""

    fee: Wei  # 0: nothing is split
    places: int  # members that it has room for
    window: int  # s from the first deposit until it closes at the latest
    stake: Wei = Wei(0)

    @property
    def deposit(self) -> Wei:
        return Wei(self.fee + self.stake)


@dataclass(frozen=True, slots=True)
class Deposit:
    """Become a member of the fee pool.  ``contract``: the sender's DPoID.  ``wei``: fee and stake."""

    contract: Address
    wei: Wei


@dataclass(frozen=True, slots=True)
class Report:
    """Who gets which share of the sender's fee, in parts of ``SHARES``."""

    shares: tuple[tuple[Address, int], ...]


@dataclass(frozen=True, slots=True)
class Withdrawal:
    """Take the stake back, and the income that the reports give to the sender."""


PoolCall = Deposit | Report | Withdrawal


@dataclass(frozen=True, slots=True)
class PoolState:
    """``deadline``: in Unix seconds of chain time; 0: nobody has deposited.  ``complete``: all places have reported."""

    deadline: int
    complete: bool
    members: tuple[Address, ...]
    contracts: tuple[Address, ...] = ()  # their DPoIDs, in the same order

    def closed(self, timestamp: int) -> bool:
        return self.complete or 0 < self.deadline <= timestamp


@dataclass(frozen=True, slots=True)
class SignPoolCall(Asking):
    """Call the fee pool.  ``debts``: that a report covers.

    Answered by ``TransactionSigned``, or by ``RequestFailed(FUNDS)``, which leaves the nonce unspent.
    """

    call: PoolCall
    debts: tuple[int, ...]
    nonce: int
    attempt: int


@dataclass(frozen=True, slots=True)
class ReadPool(Asking):
    """Read the state of the fee pool.  Answered by ``PoolRead``."""


@dataclass(frozen=True, slots=True)
class PoolRead(Answering):
    """``head``: the newest block at the time."""

    head: Head
    state: PoolState
