"""CPU time of answering Prometheus: requests for metrics, including HTTP."""

import types
from collections.abc import Callable, Coroutine, Generator
from functools import partial
from time import thread_time
from typing import Any

from starlette.types import ASGIApp, Receive, Scope, Send

AddSeconds = Callable[[float], object]


class ScrapeCost:
    """ASGI middleware that passes the CPU seconds of each request for metrics, also a Kubo node's, to ``add``."""

    def __init__(self, app: ASGIApp, add: AddSeconds) -> None:
        self._app, self._add = app, add

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        answering: Any = self._app(scope, receive, send)
        if scope["type"] == "http" and scope["path"].endswith("/metrics"):
            answering = measure(answering, self._add)
        await answering


@types.coroutine
def measure(work: Coroutine[Any, None, None], add: AddSeconds) -> Generator[Any, None, None]:
    """Run a coroutine; what else the event loop does while it waits is not counted."""
    step = partial(work.send, None)
    while True:
        began = thread_time()
        try:
            waits_for = step()
        except StopIteration:
            return
        finally:
            add(thread_time() - began)
        try:
            yield waits_for
            step = partial(work.send, None)
        except BaseException as error:  # the coroutine may clean up when it is cancelled
            step = partial(work.throw, error)
