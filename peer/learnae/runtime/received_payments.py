"""What a live peer has and was paid, looked up whenever its driver has looked at the chain."""

from collections.abc import Iterable
from contextlib import suppress
from typing import TYPE_CHECKING

from learnae.errors import PortError
from learnae.protocol.decisions import DebtChanged, DebtState
from learnae.protocol.types import ETHER, Cid, Head, TxHash, Wei
from learnae.records.chain_export import ChainTransaction
from learnae.records.history import Fact
from learnae.runtime.live import LivePeer
from learnae.session.roster import Member
from learnae.web.api import views

if TYPE_CHECKING:
    from learnae.adapters.evm.payment_index import (
        PaymentIndex,  # web3 takes a second to import, and an API is to answer before
    )


class ReportedPayments:
    """An observer of peers in this process: what those who paid say of a payment, by its transaction."""

    def __init__(self) -> None:
        self.debts: dict[TxHash, DebtChanged] = {}

    def observe(self, now: float, peer: str, item: Fact) -> None:
        if isinstance(item, DebtChanged) and item.tx:
            self.debts[item.tx] = item


class ReceivedPayments:
    """``published``: the models it may have been paid for."""

    def __init__(self, member: Member, members: Iterable[Member], payers: ReportedPayments) -> None:
        self._member, self._payers = member, payers
        self._named = {each.wallet: each.peer for each in members}
        self._live: LivePeer | None = None
        self._books: PaymentIndex | None = None
        self._head: Head | None = None
        self.published: set[Cid] = set()
        self.balance: Wei | None = None

    def follow(self, live: LivePeer, books: "PaymentIndex | None") -> None:
        self._live, self._books = live, books

    async def look(self, head: Head) -> None:
        """The balance, once a block, and the books, which may be some blocks behind."""
        assert self._live
        with suppress(PortError):
            if self._head != head:
                self.balance = await self._live.ports.chain.balance(self._member.wallet)
                self._head = head
            if self._books:
                await self._books.look(head)

    @property
    def gas(self) -> Wei:
        return self._books.gas(self._member.wallet) if self._books else Wei(0)

    def payments(self) -> list[tuple[int, Cid, ChainTransaction]]:
        """For its models: block, model and transaction of each."""
        found = self._books.received(self._member.wallet) if self._books else ()
        return [each for each in found if each[1] in self.published]

    def receipts(self) -> list[views.ReceiptView]:
        return [self._receipt(*each) for each in self.payments()]

    def _receipt(self, block: int, cid: Cid, paid: ChainTransaction) -> views.ReceiptView:
        """As its payer tells of it, or as far as the chain does."""
        payer = self._named.get(paid.sender)
        debt = self._payers.debts.get(paid.hash)
        if debt:
            return views.ReceiptView.of(debt, payer, paid.sender)
        return views.ReceiptView(
            payer=payer,
            payer_wallet=paid.sender,
            payee=self._member.peer,
            payee_wallet=self._member.wallet,
            cid=cid,
            wei=str(paid.wei),
            eth=paid.wei / ETHER,
            state=DebtState.FINAL if self._final(block) else DebtState.MINED,
            nonce=paid.nonce,
            tx=paid.hash,
            block=block,
        )

    def _final(self, block: int) -> bool:
        assert self._live
        return self._head is not None and self._head.height - block + 1 >= self._live.config.chain.confirmations
