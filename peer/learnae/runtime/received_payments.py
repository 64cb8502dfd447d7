"""A live peer's balance and the payments it received, updated after each poll of the chain."""

from collections.abc import Iterable
from contextlib import suppress

from learnae.adapters.evm.payment_index import PaymentIndex
from learnae.errors import PortError
from learnae.protocol.blockchain import Head
from learnae.protocol.decisions import DebtChanged, DebtState
from learnae.protocol.types import ETHER, Cid, TxHash, Wei
from learnae.records.chain_export import ChainTransaction
from learnae.records.history import Fact
from learnae.runtime.live import LivePeer
from learnae.session.roster import Member
from learnae.web.api import views

BALANCE_BLOCKS = 10


class ReportedPayments:
    """Debts recorded by payers in this process, by transaction; ``observe`` is an observer."""

    def __init__(self) -> None:
        self.debts: dict[TxHash, dict[Cid, DebtChanged]] = {}  # and by model

    def observe(self, now: float, peer: str, item: Fact) -> None:
        if isinstance(item, DebtChanged) and item.tx:
            self.debts.setdefault(item.tx, {})[item.cid] = item


class ReceivedPayments:
    """``published``: the peer's models and row blocks, which others may pay for."""

    def __init__(self, member: Member, members: Iterable[Member], reported: ReportedPayments) -> None:
        self._member, self._reported = member, reported
        self._peer_by_wallet = {other.wallet: other.peer for other in members}
        self._live: LivePeer | None = None
        self._index: PaymentIndex | None = None
        self._head: Head | None = None
        self._balance_of: tuple[int, int] | None = None  # what was known of the chain when the balance was read
        self.published: set[Cid] = set()
        self.balance: Wei | None = None

    def follow(self, live: LivePeer, index: PaymentIndex | None) -> None:
        self._live, self._index = live, index

    async def update(self, head: Head) -> None:
        """Update the index, which may be some blocks behind, and the balance if the index shows that it has changed.

        The index does not show what a contract transfers, so the balance is also updated every ``BALANCE_BLOCKS``.
        """
        assert self._live
        self._head = head
        with suppress(PortError):
            if self._index:
                await self._index.update(head)
        with suppress(PortError):
            seen = self._index.transactions(self._member.wallet) if self._index else 0, head.height // BALANCE_BLOCKS
            if self._balance_of != seen:
                self._balance_of = None  # if it cannot be read now: after a rollback, the same count may return
                self.balance = await self._live.ports.chain.balance(self._member.wallet)
                self._balance_of = seen

    @property
    def gas(self) -> Wei:
        return self._index.gas_spent(self._member.wallet) if self._index else Wei(0)

    def payments(self) -> list[tuple[int, tuple[Cid, ...], ChainTransaction]]:
        """Payments for what the peer has published: block, models and row blocks, transaction."""
        payments = self._index.received(self._member.payee) if self._index else ()
        return [payment for payment in payments if self.published.issuperset(payment[1])]

    def receipts(self) -> list[views.ReceiptView]:
        return [receipt for payment in self.payments() for receipt in self._receipts(*payment)]

    def _receipts(self, block: int, cids: tuple[Cid, ...], paid: ChainTransaction) -> list[views.ReceiptView]:
        """One per model as recorded by the payer if it is in this process, else one as far as the chain shows."""
        payer = self._peer_by_wallet.get(paid.sender)
        if debts := self._reported.debts.get(paid.hash):
            return [views.ReceiptView.of(debt, payer, paid.sender) for debt in debts.values()]
        receipt = views.ReceiptView(
            payer=payer,
            payer_wallet=paid.sender,
            payee=self._member.peer,
            payee_wallet=self._member.payee,
            cid=cids[0],
            further_cids=cids[1:],
            wei=str(paid.wei),
            eth=paid.wei / ETHER,
            state=DebtState.FINAL if self._final(block) else DebtState.MINED,
            nonce=paid.nonce,
            tx=paid.hash,
            block=block,
        )
        return [receipt]

    def _final(self, block: int) -> bool:
        assert self._live
        return self._head is not None and self._head.height - block + 1 >= self._live.config.chain.confirmations
