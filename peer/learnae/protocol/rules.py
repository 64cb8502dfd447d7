"""Where optional rules attach.

The paper's protocol is in ``types``, ``events``, ``actions``, ``peer``, ``training`` and ``payments``.  What a session
may add to it is in modules of their own, which these call at few places:

- ``Rule``: ``books``, ``reciprocity``, ``row_blocks``, ``row_rewards`` and ``sealed_models`` react to what happens.
  So does ``fetches``, which is not optional.
- ``FeePool`` and ``settlement`` decide how ``payments`` settles debts, ``lineage`` who gets a part of a reward.
- If stakes are required, ``PeerBook`` and ``Start`` ask ``FeePool.accepts``: models of peers without a stake are not
  used, and these peers are not counted before the work begins.
- ``RowBlocks`` gives ``training`` more slices; ``Books`` may stop it.
- ``Hooks`` asks the policy of a peer, which may cheat.

Their values, events and actions are in ``blockchain``, ``policies``, ``row_types`` and ``defence_types``.
"""

from learnae.errors import Reason
from learnae.protocol import actions as do
from learnae.protocol import events as on
from learnae.protocol.blockchain import Head, PaymentReport, PaymentsRead, ReadPayments
from learnae.protocol.requests import Requests
from learnae.protocol.types import ModelRef, PeerId


class Rule:
    """``Peer`` calls these methods after it has handled an event itself.  A rule overrides those that it needs."""

    applies = True  # whether the session has this rule; otherwise it is not called

    def model_received(self, model: ModelRef) -> None:
        """Another peer has announced a model."""

    def answered(self, request: do.Request, event: on.Answer) -> None:
        """A request was answered, of the rule or another one, or has failed."""

    def rolled_back(self, head: Head) -> None:
        """The chain rolled back, or was replaced."""

    def forget(self, peer: PeerId) -> None:
        """The peer book has removed a peer."""

    def proceed(self) -> None:
        """After every event: begin what can begin now."""


class PaymentReader(Rule):
    """A rule that reads payments to others from the chain."""

    books = False  # of its requests: whether ``Books`` reads

    def __init__(self, requests: Requests) -> None:
        self._requests = requests

    def answered(self, request: do.Request, event: on.Answer) -> None:
        match event, request:
            case PaymentsRead(report=report), ReadPayments(books=self.books):
                self.payments_read(request, report)
            case on.RequestFailed(reason=reason), ReadPayments(books=self.books):
                self.read_failed(reason)

    def payments_read(self, request: ReadPayments, report: PaymentReport) -> None:
        """The chain has answered."""

    def read_failed(self, reason: Reason) -> None:
        """The chain does not answer."""

    @property
    def _reading(self) -> list[ReadPayments]:
        return [request for request in self._requests.open(ReadPayments) if request.books is self.books]

    def _stop_reading(self) -> None:
        for request in self._reading:
            self._requests.abandon(request)
