"""What answering Prometheus costs: processor seconds of requests for metrics, HTTP included."""

import types
from collections.abc import Callable, Coroutine, Generator
from functools import partial
from time import thread_time
from typing import Any

from starlette.types import ASGIApp, Receive, Scope, Send

Spent = Callable[[float], None]


class ScrapeCost:
    """ASGI middleware: ``spent`` is told what requests for metrics cost, those passed on to a Kubo node included."""

    def __init__(self, app: ASGIApp, spent: Spent) -> None:
        self._app, self._spent = app, spent

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        answering: Any = self._app(scope, receive, send)
        if scope["type"] == "http" and scope["path"].endswith("/metrics"):
            answering = measure(answering, self._spent)
        await answering


@types.coroutine
def measure(work: Coroutine[Any, None, None], spent: Spent) -> Generator[Any, None, None]:
    """Does the work; what others do while it waits is not counted."""
    step = partial(work.send, None)
    while True:
        began = thread_time()
        try:
            waits_for = step()
        except StopIteration:
            return
        finally:
            spent(thread_time() - began)
        try:
            yield waits_for
            step = partial(work.send, None)
        except BaseException as error:  # it may clean up when it is cancelled
            step = partial(work.throw, error)
