"""The ``ports.Pending`` a trainer hands out: answered already, refused already, or still to be computed."""

from collections.abc import Callable
from typing import Generic, Never, TypeVar

from learnae.errors import PortError
from learnae.learn.jobs import JobResult
from learnae.learn.pool import Ticket

T = TypeVar("T", covariant=True)


class AnsweredJob(Generic[T]):
    def __init__(self, answer: T) -> None:
        self._answer = answer

    def result(self) -> T:
        return self._answer


class RefusedJob:
    """The request named weights that are missing or unsound; found out when asked, said when the result is due."""

    def __init__(self, error: PortError) -> None:
        self._error = error

    def result(self) -> Never:
        raise self._error


class TicketResult(Generic[T]):
    """A ticket and what to make of its result.  Asking twice gives the same answer, made once."""

    def __init__(self, ticket: Ticket, finish: Callable[[JobResult], T]) -> None:
        self._ticket, self._finish = ticket, finish
        self._answer: list[T] = []

    def result(self) -> T:
        if not self._answer:
            self._answer.append(self._finish(self._ticket.result()))
        return self._answer[0]
