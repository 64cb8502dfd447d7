"""One peer's open requests, set timers and the actions of the event at hand: what both machines write to."""

from collections.abc import Callable
from typing import TypeVar

from learnae.core import actions as do
from learnae.core import events as on
from learnae.core.facts import Fact
from learnae.core.types import Timer
from learnae.errors import DriverError

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


R = TypeVar("R", bound=do.Request)


class Desk:
    def __init__(self) -> None:
        self.now = 0.0
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

    def record(self, fact: Fact) -> None:
        self._actions.append(do.Record(fact))

    def set_timer(self, timer: Timer, delay: float) -> None:
        """Set, or move, a timer; setting it to the moment it is set to already is no action."""
        due = self.now + delay
        if self._due.get(timer) != due:
            self._due[timer] = due
            self._actions.append(do.SetTimer(timer, delay))

    def due(self, timer: Timer) -> float | None:
        return self._due.get(timer)

    def asked(self, kind: type[R]) -> list[R]:
        return [request for request in self.open.values() if isinstance(request, kind)]

    def waits_for(self, *kinds: type[do.Request]) -> bool:
        return any(isinstance(request, kinds) for request in self.open.values())

    def drop(self, *kinds: type[do.Request]) -> None:
        """Wait no longer: answers to these will be ignored."""
        self.open = {id: request for id, request in self.open.items() if not isinstance(request, kinds)}

    def admit(self, event: on.Event) -> None:
        """Raise DriverError, and change nothing, for what a driver cannot legally report."""
        if event.at < self.now:
            raise DriverError(f"time went back from {self.now} to {event.at}")
        if isinstance(event, on.Answer):
            if not 0 < event.request <= self.issued:
                raise DriverError(f"request {event.request} was never issued")
            asked = self.open.get(event.request)
            if asked and not isinstance(event, (ANSWERS[type(asked)], on.RequestFailed)):
                raise DriverError(f"{type(event).__name__} does not answer {type(asked).__name__}")

    def close(self, event: on.Answer) -> do.Request | None:
        """The request that is answered; None if it is not open any more."""
        return self.open.pop(event.request, None)

    def expire(self, timer: Timer) -> bool:
        """Whether the timer was set and due: one that was moved since is not."""
        due = self._due.get(timer)
        if due is None or due > self.now + 1e-9:
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
