"""The books of a peer whose work has a cost (``[[groups]] cost``): it works while others pay enough for its models.

A unit of work is one slice or one averaging attempt, whatever becomes of it.  Rules:

1. After every ``window`` units the peer closes its books, before the next unit: it reads what its wallet received on
   the chain since it closed them last.  If that is below the cost of these units, it leaves.  Models that it has
   published last may not be paid for yet, and what it pays for models of others does not count.
2. A peer that has left receives announcements and settles its debts, and does nothing else.  It keeps books on the
   others: when a model is announced, it reads what other peers received.  When they were paid for ``window`` models, it
   closes these books.  It returns if the mean price of these models, for as many models a unit as it sold before it
   left, covers ``margin`` times its cost.  If it had sold nothing, one model counts.
3. It looks only when a model is announced, so that a peer that is away keeps no session from its end.
4. Nothing is compared before its contract is deployed, nor while the chain does not answer: then it works on, or stays
   away.  After a rollback the books begin again with the next block.

All that a comparison uses is on the chain or in the history, so that a check computes it again.
"""

from collections.abc import Callable
from fractions import Fraction
from functools import partial

from learnae.errors import Reason
from learnae.protocol.blockchain import Head, PaymentReport, ReadPayments
from learnae.protocol.decisions import BooksClosed, BooksFailed
from learnae.protocol.payments import Payments
from learnae.protocol.requests import Requests
from learnae.protocol.rules import PaymentReader
from learnae.protocol.settings import PeerConfig
from learnae.protocol.types import Address, ModelRef, Timer, Wei


class Books(PaymentReader):
    """``change`` makes the peer leave or return; it gets a cause in ``transitions.WORK``."""

    books = True

    def __init__(
        self, config: PeerConfig, requests: Requests, payments: Payments, change: Callable[[str], None]
    ) -> None:
        super().__init__(requests)
        self.applies = bool(config.cost)
        self._config, self._payments, self._change = config, payments, change
        self.away = False
        self._units = 0  # of work in these books
        self._since: int | None = None  # first block of these books; None: that of its contract
        self._next = 0  # the next block to read
        self._models, self._wei = 0, 0  # paid for in the blocks that were read
        self._left_with = (0, 0)  # units and models sold in the books with which it left
        self._news = False  # a model was announced, and it has not looked since
        self._counted: tuple[Address, ...] = ()  # the wallets to which payments were read
        self._look_at = 0.0  # s: looks at prices no earlier
        self._retry_at = 0.0  # s: reads no earlier, because the chain did not answer
        self._genesis = ""

    @property
    def at_rest(self) -> bool:
        """Whether, with no request open, it has looked at the prices since the last announcement."""
        return not self._news

    def unit_began(self) -> None:
        self._units += 1

    def model_received(self, model: ModelRef) -> None:
        self._news = self.away

    def closing(self) -> bool:
        """Whether the next unit must wait, because the books are being closed."""
        registered = self._payments.registration.claim is not None
        due = self._config.cost and registered and self._units >= self._config.market.window
        if due and not self._reading and self._requests.now >= self._retry_at:
            self._read()
        return bool(self._reading)

    def proceed(self) -> None:
        """Read the prices that others get, if the peer is away and a model was announced."""
        if not self.away or not self._news or self._reading:
            return
        if self._requests.now < self._look_at:
            self._requests.set_timer(Timer.WORK, self._look_at - self._requests.now)
        else:
            self._news = False
            self._look_at = self._requests.now + self._config.chain.poll
            self._read()

    def payments_read(self, request: ReadPayments, report: PaymentReport) -> None:
        if self._genesis not in ("", report.genesis):
            self._reset(report.genesis, report.height)
            return
        self._genesis, self._next = report.genesis, report.until + 1
        for payment in report.payments:
            if payment.sender != payment.to and payment.cids:
                self._models += len(payment.cids)
                self._wei += payment.wei
        if report.until < report.height or request.wallets != self._wallets():
            self._read()
        elif self.away:
            self._compare_price(report.until)
        else:
            self._compare_income(report.until)

    def read_failed(self, reason: Reason) -> None:
        """The chain does not answer: try again later."""
        self._requests.record(BooksFailed(reason))
        self._news = self.away
        self._look_at = self._retry_at = self._requests.now + self._config.chain.poll

    def rolled_back(self, head: Head) -> None:
        self._reset(head.genesis, head.height)

    # private

    def _reset(self, genesis: str, height: int) -> None:
        """Begin again after the newest block."""
        self._stop_reading()
        self._genesis = genesis
        self._begin(height + 1)
        self._units = 0

    def _wallets(self) -> tuple[Address, ...]:
        """Those to which payments count: its own or, while it is away, those of all others."""
        if not self.away:
            return (self._config.payout,)
        directory = self._payments.claims.directory
        payees = {payee for peer in directory.claimed if (payee := directory.payee(peer))}
        return tuple(sorted(payees - {self._config.payout}))

    def _read(self) -> None:
        if self._since is None:  # nobody pays a peer without a contract
            deployed = [each.receipt.block for each in self._payments.transactions.by_nonce if each.receipt]
            self._begin(min(deployed, default=1))
        if (wallets := self._wallets()) != self._counted:
            self._counted = wallets
            self._begin(self._since)  # what was paid to the new ones before counts, too
        self._requests.issue(partial(ReadPayments, since=self._next, wallets=wallets, books=True))

    def _begin(self, since: int | None) -> None:
        """Begin with this block."""
        self._since, self._next = since, since or 0
        self._models, self._wei = 0, 0

    def _compare_income(self, until: int) -> None:
        """Leave if the income is below the cost of the work."""
        units, sold = self._units, self._models
        stays = self._wei >= self._config.cost * units
        self._close(until, units, stays)
        if not stays:
            self.away, self._left_with = True, (units, max(1, sold))
            self._change("income below cost")

    def _compare_price(self, until: int) -> None:
        """Return if what it could earn at the prices that others get covers the cost of its work."""
        if self._models < self._config.market.window:
            return
        units, sold = self._left_with
        cost = Fraction(self._config.market.margin) * self._config.cost * units
        returns = self._wei * sold >= cost * self._models
        self._close(until, 0, returns)
        if returns:
            self.away = self._news = False
            self._change("price covers cost")

    def _close(self, until: int, units: int, works: bool) -> None:
        assert self._since is not None
        self._requests.record(BooksClosed(units, self._since, until, self._models, Wei(self._wei), works))
        self._begin(until + 1)
        self._units = 0
