"""A peer's open requests, its timers and the actions of the present event.  Both state machines write to it."""

from collections.abc import Callable
from typing import Any, TypeVar, get_args

from learnae.errors import DriverError
from learnae.protocol import actions as do
from learnae.protocol import events as on
from learnae.protocol.blockchain import PaymentsRead, PoolRead, ReadPayments, ReadPool, SignPoolCall
from learnae.protocol.decisions import Decision
from learnae.protocol.policies import ForgeModel, ModelForged
from learnae.protocol.row_types import PackRows, RowsPacked, RowsSigned, SignRows
from learnae.protocol.types import Answering, Timer

ANSWER_OF: dict[type, type] = {
    do.ScoreModel: on.ModelScored,
    do.TrainSlice: on.ModelScored,
    do.AverageModels: on.ModelScored,
    ForgeModel: ModelForged,
    do.FetchModel: on.ModelFetched,
    do.StoreModel: on.ModelStored,
    PackRows: RowsPacked,
    SignRows: RowsSigned,
    do.SignDeployment: on.TransactionSigned,
    do.SignPayment: on.TransactionSigned,
    SignPoolCall: on.TransactionSigned,
    do.SendTransaction: on.TransactionSent,
    do.ReadReceipts: on.ReceiptsRead,
    do.SignClaim: on.ClaimSigned,
    do.ReadClaim: on.ClaimRead,
    ReadPayments: PaymentsRead,
    ReadPool: PoolRead,
}
EARLY = 1e-9  # s: rounding may let a timer fire this much before its time

R = TypeVar("R", bound=do.Request)


class Requests:
    def __init__(self) -> None:
        self.now = 0.0
        self.started = False
        self._last_id = 0
        self._open: dict[int, do.Request] = {}  # by id, oldest first
        self._open_of: dict[type, dict[int, Any]] = {kind: {} for kind in ANSWER_OF}  # the same, by kind
        self._jobs = [self._open_of[kind] for kind in get_args(do.TrainerAction)]
        self._signatures = [self._open_of[kind] for kind in get_args(do.Signing)]
        self._due: dict[Timer, float] = {}
        self._actions: list[do.Action] = []

    def issue(self, make: Callable[[int], do.Request]) -> None:
        """Open a request under the next id."""
        self._last_id += 1
        request = self._open[self._last_id] = make(self._last_id)
        self._open_of[type(request)][self._last_id] = request
        self._actions.append(request)

    def emit(self, action: do.Announce) -> None:
        self._actions.append(action)

    def record(self, decision: Decision) -> None:
        self._actions.append(do.RecordDecision(decision))

    def set_timer(self, timer: Timer, delay: float) -> None:
        """Set or move a timer.  Nothing is emitted if it is already set to that moment."""
        due = self.now + delay
        if self._due.get(timer) != due:
            self._due[timer] = due
            self._actions.append(do.SetTimer(timer, delay))

    def due(self, timer: Timer) -> float | None:
        return self._due.get(timer)

    def open(self, kind: type[R]) -> list[R]:
        """Open requests of this kind, oldest first."""
        return list(self._open_of[kind].values())

    @property
    def none_open(self) -> bool:
        return not self._open

    def waits_for(self, kind: type[do.Request]) -> bool:
        return bool(self._open_of[kind])

    @property
    def trainer_is_free(self) -> bool:
        return not any(self._jobs)

    @property
    def signing(self) -> bool:
        """Whether a transaction is being signed."""
        return any(self._signatures)

    def abandon(self, request: do.Request) -> None:
        """Stop waiting: the answer will be ignored."""
        del self._open[request.request], self._open_of[type(request)][request.request]

    def abandon_all(self, *kinds: type[do.Request]) -> None:
        for kind in kinds:
            for request in self.open(kind):
                self.abandon(request)

    def validate(self, event: on.Event) -> None:
        """Accept an event; raise DriverError, and change nothing, if no driver can legally report it."""
        if not event.at >= self.now:  # written so that NaN is refused, too
            raise DriverError(f"time went back from {self.now} to {event.at}")
        if isinstance(event, on.Started) is self.started:
            raise DriverError("Started is the first event, once")
        if isinstance(event, Answering):
            if not 0 < event.request <= self._last_id:
                raise DriverError(f"request {event.request} was never issued")
            request = self._open.get(event.request)
            if request and not _answers(event, request):
                raise DriverError(f"{event} does not answer {request}")
        self.now, self.started = event.at, True

    def resolve(self, event: on.Answer) -> do.Request | None:
        """Close the request that is answered and return it; None if it is no longer open."""
        request = self._open.get(event.request)
        if request:
            self.abandon(request)
        return request

    def expire(self, timer: Timer) -> bool:
        """Whether the timer was set and is due.  One that fires early, because it was moved, is set again."""
        due = self._due.get(timer)
        if due is None:
            return False
        if due > self.now + EARLY:
            self._actions.append(do.SetTimer(timer, due - self.now))
            return False
        del self._due[timer]
        return True

    def drain(self) -> list[do.Action]:
        """The actions since the last call."""
        actions, self._actions = self._actions, []
        return actions

    def outstanding(self) -> list[do.Action]:
        """Open requests, oldest first, and timers with what was left of them at the last event."""
        timers = [do.SetTimer(timer, max(0.0, due - self.now)) for timer, due in self._due.items()]
        return [*self._open.values(), *timers]


def _answers(event: on.Answer, request: do.Request) -> bool:
    """Whether the event is of the kind that answers the request, and its content fits the request."""
    match event, request:
        case on.RequestFailed(), _:
            return True
        case on.TransactionSigned(signed=signed), do.SignDeployment() | do.SignPayment() | SignPoolCall():
            return signed.nonce == request.nonce
        case on.ReceiptsRead(receipts=receipts), do.ReadReceipts(hashes=hashes):
            pairs = zip(receipts, hashes, strict=False)
            return len(receipts) == len(hashes) and all(not receipt or receipt.hash == hash for receipt, hash in pairs)
        case on.ModelScored(score=score), _ if not 0 <= score.correct <= score.total or not score.total:
            return False
    return isinstance(event, ANSWER_OF[type(request)])
