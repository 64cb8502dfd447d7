"""Futures whose work runs in the thread that first waits for the result, so that a pool can collect jobs meanwhile."""

from collections.abc import Callable
from concurrent.futures import Future
from threading import Lock
from typing import Any, TypeVar

T = TypeVar("T")


class LazyFuture(Future[T]):
    """A future that ``complete`` fulfils when ``result`` or ``exception`` is first called; other methods only look.

    ``complete`` receives the future and sets its result or exception.  A timeout does not bound that work.
    """

    def __init__(self, complete: "Callable[[Any], None]") -> None:
        super().__init__()
        self._complete, self._completing = complete, Lock()

    def result(self, timeout: float | None = None) -> T:
        self._ensure_completed()
        return super().result(timeout)

    def exception(self, timeout: float | None = None) -> BaseException | None:
        self._ensure_completed()
        return super().exception(timeout)

    def _ensure_completed(self) -> None:
        with self._completing:
            if not self.done():
                self._complete(self)


def lazy(work: Callable[[], T]) -> Future[T]:
    """A future for the value that ``work`` returns or the exception that it raises."""

    def complete(future: Future[T]) -> None:
        try:
            future.set_result(work())
        except Exception as error:
            future.set_exception(error)

    return LazyFuture(complete)


def failed(error: Exception) -> Future[Any]:
    """A future that has failed already."""
    future = Future[Any]()
    future.set_exception(error)
    return future
