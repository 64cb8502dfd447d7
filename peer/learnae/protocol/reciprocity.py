"""Reciprocity: who adopts models and does not pay for them earns nothing here (``[defence]``).

An announced average names its parents, and a payment on the chain names the models that it is for.  So a peer knows who
adopted which models, its own or everybody's, and who paid.  It averages with no model of a peer that left more than
``limit`` of them unpaid for longer than ``grace``.  Rules:

1. Nobody is judged before the chain was read up to its head after the grace.  If the chain does not answer, every grace
   begins again, because nobody could pay; if it is replaced, all are forgiven, because old payments are not seen.
2. Only peers whose wallet is known are judged: the others earn nothing anyhow.
3. Who pays is in good standing again; so is who is forgiven.
4. The amount is not judged: what an adoption gained is known to the adopter alone.
5. An adopter that does not announce its average, or conceals that it is one, is not seen.
"""

from functools import partial

from learnae.errors import Reason
from learnae.protocol.blockchain import Head, PaymentReport, ReadPayments
from learnae.protocol.decisions import StandingChanged, WorkState
from learnae.protocol.payments import Payments
from learnae.protocol.peer_book import PeerBook
from learnae.protocol.requests import Requests
from learnae.protocol.rules import PaymentReader
from learnae.protocol.settings import Defence, PeerConfig, Scope
from learnae.protocol.training import Training
from learnae.protocol.types import Address, Cid, ModelRef, PeerId


class Reciprocity(PaymentReader):
    def __init__(
        self, config: PeerConfig, requests: Requests, peer_book: PeerBook, training: Training, payments: Payments
    ) -> None:
        super().__init__(requests)
        self.applies = config.defence.kind is Defence.RECIPROCITY
        self._config, self._peer_book, self._training = config, peer_book, training
        self._directory, self._transactions = payments.claims.directory, payments.transactions
        self._adopted: dict[tuple[PeerId, Cid], float] = {}  # adopter and unpaid model -> when the grace began
        self._paid: dict[tuple[Address, Cid], set[Address]] = {}  # payer and model -> to whom
        self._read: tuple[Address, ...] = ()  # wallets whose payments were read
        self._since: int | None = None  # the next block to read; None: from the first one on
        self._genesis = ""  # of the chain that is read
        self._behind = False  # whether the last read failed, or ended below the head
        self._read_at = 0.0

    def model_received(self, model: ModelRef) -> None:
        """Note whose model an announced average adopts."""
        if model.parents is None:
            return
        _, adopted = model.parents.cids
        if self._config.defence.scope is Scope.ALL or adopted in self._training.publication.cids:
            self._adopted.setdefault((model.creator, adopted), self._requests.now)

    def proceed(self) -> None:
        """Read the chain if a grace is over and the chain was not read lately, unless the work is done."""
        if self._training.work is WorkState.DONE:
            return
        now = self._requests.now
        recent = self._read_at > 0 and now < self._read_at + self._config.chain.poll
        if not recent and (self._behind or self._overdue()) and not self._reading:
            payees = self._payees()
            if payees != self._read:
                self._read, self._since = payees, None
            since = self._first_block() if self._since is None else self._since
            self._requests.issue(partial(ReadPayments, since=since, wallets=payees))

    def payments_read(self, request: ReadPayments, report: PaymentReport) -> None:
        if self._genesis not in ("", report.genesis):
            self._reset(report.genesis)
            return
        self._genesis, self._since, self._behind = report.genesis, report.until + 1, report.until < report.height
        for payment in report.payments:
            for cid in payment.cids:
                self._paid.setdefault((payment.sender, cid), set()).add(payment.to)
        if not self._behind:
            self._read_at = self._requests.now
            self._judge()

    def read_failed(self, reason: Reason) -> None:
        """Nobody can be expected to pay while the chain does not answer, so read on to know when it does again."""
        self._read_at, self._behind = self._requests.now, True
        self._adopted = dict.fromkeys(self._adopted, self._requests.now)

    def rolled_back(self, head: Head) -> None:
        self._reset(head.genesis)

    def forget(self, peer: PeerId) -> None:
        """The peer book has removed the peer."""
        self._adopted = {key: began for key, began in self._adopted.items() if key[0] != peer}
        if peer in self._peer_book.denied:
            self._peer_book.denied.remove(peer)
            self._requests.record(StandingChanged(peer, False, ()))

    # private

    def _reset(self, genesis: str) -> None:
        """Read all of the chain again."""
        self._paid.clear()
        self._since = None
        self._stop_reading()
        if self._genesis not in ("", genesis):
            self._adopted.clear()
            self._behind = False
            self._judge()
        self._genesis = genesis

    def _payees(self) -> tuple[Address, ...]:
        """The wallets to which payments count."""
        if self._config.defence.scope is Scope.OWN:
            return (self._config.payout,)
        others = {wallet for peer in self._peer_book.peers if (wallet := self._directory.payee(peer))}
        return tuple(sorted({self._config.payout, *others}))

    def _first_block(self) -> int:
        """No model is paid for before its creator has deployed its contract."""
        claims = [entry.facts.block for entry in self._directory.entries.values() if entry.facts]
        deployed = [each.receipt.block for each in self._transactions.by_nonce if each.receipt]
        return max(1, min([*claims, *deployed], default=1))

    def _overdue(self) -> dict[PeerId, list[Cid]]:
        """What peers with a known wallet have adopted and not paid for within the grace."""
        overdue: dict[PeerId, list[Cid]] = {}
        for (adopter, cid), began in self._adopted.items():
            late = self._requests.now >= began + self._config.defence.grace
            if late and self._directory.payee(adopter) and not self._is_paid(adopter, cid):
                overdue.setdefault(adopter, []).append(cid)
        return overdue

    def _is_paid(self, adopter: PeerId, cid: Cid) -> bool:
        """Whether its wallet has paid another one than that to which its own income goes."""
        payer = self._directory.payer(adopter)
        return payer is not None and bool(self._paid.get((payer, cid), set()) - {self._directory.payee(adopter)})

    def _judge(self) -> None:
        settings, denied = self._config.defence, self._peer_book.denied
        self._adopted = {key: began for key, began in self._adopted.items() if not self._is_paid(*key)}
        if settings.forgive is not None:
            until = self._requests.now - settings.grace - settings.forgive
            self._adopted = {key: began for key, began in self._adopted.items() if began > until}
        overdue = self._overdue()
        for adopter in sorted({*overdue, *denied}):
            unpaid = overdue.get(adopter, [])
            deny = len(unpaid) > settings.limit
            if deny is not (adopter in denied):
                denied ^= {adopter}
                self._requests.record(StandingChanged(adopter, deny, tuple(unpaid)))
