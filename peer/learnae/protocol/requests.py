"""One peer's open requests, set timers and the actions of the event at hand: what both machines write to."""

from collections.abc import Callable
from typing import TypeVar

from learnae.errors import DriverError
from learnae.protocol import actions as do
from learnae.protocol import events as on
from learnae.protocol.decisions import Decision
from learnae.protocol.types import Timer

ANSWERS: dict[type, type] = {
    do.ScoreModel: on.ModelScored,
    do.TrainSlice: on.ModelScored,
    do.AverageModels: on.ModelScored,
    do.ForgeModel: on.ModelForged,
    do.FetchModel: on.ModelFetched,
    do.StoreModel: on.ModelStored,
    do.SignDeployment: on.TransactionSigned,
    do.SignPayment: on.TransactionSigned,
    do.SendTransaction: on.TransactionSent,
    do.ReadReceipts: on.ReceiptsRead,
    do.SignClaim: on.ClaimSigned,
    do.ReadClaim: on.ClaimRead,
}
EARLY = 1e-9  # s: a timer that fires so little before its time has fired

R = TypeVar("R", bound=do.Request)


class Requests:
    def __init__(self) -> None:
        self.now = 0.0
        self.started = False
        self.issued = 0
        self.open: dict[int, do.Request] = {}
        self._due: dict[Timer, float] = {}
        self._actions: list[do.Action] = []

    def ask(self, make: Callable[[int], do.Request]) -> int:
        """Open a request under the next id."""
        self.issued += 1
        request = make(self.issued)
        self.open[self.issued] = request
        self._actions.append(request)
        return self.issued

    def tell(self, action: do.Announce) -> None:
        self._actions.append(action)

    def record(self, fact: Decision) -> None:
        self._actions.append(do.RecordDecision(fact))

    def set_timer(self, timer: Timer, delay: float) -> None:
        """Set, or move, a timer; setting it to the moment it is set to already is no action."""
        due = self.now + delay
        if self._due.get(timer) != due:
            self._due[timer] = due
            self._actions.append(do.SetTimer(timer, delay))

    def due(self, timer: Timer) -> float | None:
        return self._due.get(timer)

    def asked(self, *kinds: type[R]) -> list[R]:
        return [request for request in self.open.values() if isinstance(request, kinds)]

    def waits_for(self, *kinds: type[do.Request]) -> bool:
        return any(isinstance(request, kinds) for request in self.open.values())

    def drop(self, request: do.Request) -> None:
        """Wait no longer: its answer will be ignored."""
        del self.open[request.request]

    def admit(self, event: on.Event) -> None:
        """Let an event in; raise DriverError, and change nothing, for what a driver cannot legally report."""
        if not event.at >= self.now:  # so that NaN is refused, too
            raise DriverError(f"time went back from {self.now} to {event.at}")
        if isinstance(event, on.Started) is self.started:
            raise DriverError("Started is the first event, once")
        if isinstance(event, on.Answer):
            if not 0 < event.request <= self.issued:
                raise DriverError(f"request {event.request} was never issued")
            asked = self.open.get(event.request)
            if asked and not _answers(event, asked):
                raise DriverError(f"{event} does not answer {asked}")
        self.now, self.started = event.at, True

    def close(self, event: on.Answer) -> do.Request | None:
        """The request that is answered; None if it is not open any more."""
        return self.open.pop(event.request, None)

    def expire(self, timer: Timer) -> bool:
        """Whether the timer was set and is due.  One that is early (moved since, or a hasty clock) is set again."""
        due = self._due.get(timer)
        if due is None:
            return False
        if due > self.now + EARLY:
            self._actions.append(do.SetTimer(timer, due - self.now))
            return False
        del self._due[timer]
        return True

    def take(self) -> list[do.Action]:
        actions, self._actions = self._actions, []
        return actions

    def outstanding(self) -> list[do.Action]:
        """Open requests, oldest first, and timers with what was left of them at the last event."""
        timers = [do.SetTimer(timer, max(0.0, due - self.now)) for timer, due in self._due.items()]
        return [*self.open.values(), *timers]


def _answers(event: on.Answer, request: do.Request) -> bool:
    """Whether it is the kind of answer, and an answer to this very question."""
    match event, request:
        case on.RequestFailed(), _:
            return True
        case on.TransactionSigned(signed=signed), do.SignDeployment() | do.SignPayment():
            return signed.nonce == request.nonce
        case on.ReceiptsRead(receipts=receipts), do.ReadReceipts(hashes=hashes):
            pairs = zip(receipts, hashes, strict=False)
            return len(receipts) == len(hashes) and all(not found or found.hash == hash for found, hash in pairs)
        case on.ModelScored(score=score), _ if not 0 <= score.correct <= score.total or not score.total:
            return False
    return isinstance(event, ANSWERS[type(request)])
