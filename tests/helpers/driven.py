"""A peer that a test drives event by event, with a clock that the test sets."""

from typing import Any, TypeVar, get_args

from tests.helpers.peers import (
    announced,
    claim,
    config,
    facts,
    head,
    identified,
    model,
    receipt,
    score,
    signed,
    weights,
)

from learnae.errors import Reason
from learnae.protocol import actions as do
from learnae.protocol import events as on
from learnae.protocol.blockchain import Receipt
from learnae.protocol.decisions import DebtChanged, Decision
from learnae.protocol.defence_types import Likeness
from learnae.protocol.events import Announcement
from learnae.protocol.policies import ForgeModel, ModelForged
from learnae.protocol.replay import new_peer
from learnae.protocol.types import ClaimFacts, PeerId, Score, Timer, Weights

A = TypeVar("A", bound=do.Request)
F = TypeVar("F", bound=Decision)


class Driven:
    """``peer`` has handled ``Started``.  ``actions`` are those of the last call, ``recorded`` all decisions so far.

    ``stores``: new models are stored at once; otherwise the test calls ``stored``.
    """

    def __init__(self, stores: bool = True, **settings: Any) -> None:
        self.stores = stores
        self.config = config(**settings)
        self.peer = new_peer(self.config)
        self.now = 0.0
        self.recorded: list[Decision] = []
        self.actions: list[do.Action] = []
        self.tell(on.Started(0.0))

    def tell(self, event: on.Event) -> list[do.Action]:
        self.actions = self.peer.handle(event)
        self.recorded += [action.decision for action in self.actions if isinstance(action, do.RecordDecision)]
        return self.actions

    # what is open

    def asked(self, kind: type[A]) -> A:
        """The oldest open request of a kind."""
        return self.all_asked(kind)[0]

    def all_asked(self, kind: type[A]) -> list[A]:
        return [each for each in self.peer.outstanding() if isinstance(each, kind)]

    def waits(self, timer: Timer) -> float | None:
        """Seconds until it fires."""
        timers = [each for each in self.peer.outstanding() if isinstance(each, do.SetTimer)]
        return next((each.delay for each in timers if each.timer is timer), None)

    def facts(self, kind: type[F]) -> list[F]:
        return [fact for fact in self.recorded if isinstance(fact, kind)]

    @property
    def debts(self) -> dict[int, DebtChanged]:
        return {debt.debt: debt for debt in self.facts(DebtChanged)}

    # time and failure

    def after(self, seconds: float) -> "Driven":
        self.now += seconds
        return self

    def fires(self, timer: Timer) -> list[do.Action]:
        """Advance the clock to the timer and let it fire."""
        self.now += self.waits(timer) or 0.0
        return self.tell(on.TimerFired(self.now, timer))

    def fails(
        self, kind: type[do.Request], reason: Reason = Reason.TIMEOUT, similar: Likeness | None = None
    ) -> list[do.Action]:
        return self.tell(on.RequestFailed(self.now, self.asked(kind).request, reason, similar=similar))

    # work

    def scored(self, kind: type[do.Request], name: str, correct: Score) -> list[do.Action]:
        actions = self.tell(on.ModelScored(self.now, self.asked(kind).request, weights(name), correct))
        if self.stores and self.all_asked(do.StoreModel):
            self.actions = actions + self.stored()
        return self.actions

    def loaded(self, correct: int = 50) -> "Driven":
        """Load the initial weights."""
        self.fetched()
        self.scored(do.ScoreModel, "initial", score(correct))
        return self

    def fetched(self) -> list[do.Action]:
        return self.tell(on.ModelFetched(self.now, self.asked(do.FetchModel).request))

    def stored(self) -> list[do.Action]:
        return self.tell(on.ModelStored(self.now, self.asked(do.StoreModel).request))

    def forged(self, weights: Weights) -> list[do.Action]:
        return self.tell(ModelForged(self.now, self.asked(ForgeModel).request, weights))

    def attempted(self, creator: str, correct: int, step: int = 1) -> "Driven":
        """Receive a model, fetch it, average it."""
        self.hears(creator, step)
        self.fetched()
        self.scored(do.AverageModels, f"me-{self.peer.status().step + 1}", score(correct))
        return self

    # others

    def screens(self, sender: str, announcement: Announcement) -> on.Event | Reason:
        return self.peer.screen(PeerId(sender), announcement, self.now)

    def hears(self, creator: str, step: int = 1, digest: str = "") -> list[do.Action]:
        event = self.screens(creator, announced(model(creator, step, digest)))
        assert not isinstance(event, Reason), event
        return self.tell(event)

    def meets(self, peer: str, wallet: str = "", read: ClaimFacts | None = None, sender: str = "") -> "Driven":
        """Receive a claim and read it from the chain."""
        claimed = claim(peer, wallet, f"contract of {sender or peer}")
        event = self.screens(sender or peer, identified(claimed))
        assert not isinstance(event, Reason), event
        self.tell(event)
        self.read(read or facts(peer, wallet))
        return self

    def read(self, facts: ClaimFacts) -> list[do.Action]:
        return self.tell(on.ClaimRead(self.now, self.asked(do.ReadClaim).request, facts))

    # chain

    def signs(self, version: int = 0, genesis: str = "genesis") -> list[do.Action]:
        request = [each for kind in get_args(do.Signing) for each in self.all_asked(kind)][0]
        return self.tell(on.TransactionSigned(self.now, request.request, signed(request.nonce, version, genesis)))

    def sent(self) -> list[do.Action]:
        return self.tell(on.TransactionSent(self.now, self.asked(do.SendTransaction).request))

    def looks(self, height: int, *mined: Receipt, genesis: str = "genesis") -> list[do.Action]:
        """Let the poll timer fire; the chain has these receipts."""
        if not self.all_asked(do.ReadReceipts):
            self.fires(Timer.CHAIN)
        request, receipts = self.asked(do.ReadReceipts), {each.hash: each for each in mined}
        answer = tuple(receipts.get(hash) for hash in request.hashes)
        return self.tell(on.ReceiptsRead(self.now, request.request, head(height, genesis), answer))

    def registered(self) -> "Driven":
        self.signs()
        self.sent()
        self.looks(1, receipt(0, block=1, contract="0xmine"))
        self.tell(on.ClaimSigned(self.now, self.asked(do.SignClaim).request, "proof"))
        return self
