"""The live page's server in a thread of its own, beside whoever drives a browser."""

import asyncio
import threading
from collections.abc import Callable, Coroutine, Sequence
from typing import Any

from fastapi import FastAPI

from learnae.records.history import Record
from learnae.web.api.guard import Guard
from learnae.web.api.server import listen, serve, url
from learnae.web.api.swarm_app import swarm_app
from learnae.web.event_log import EventLog


class Stage:
    """It can vanish and come back at the same address."""

    def __init__(self) -> None:
        self.board = EventLog()
        self.found: dict[str, Any] | None = None
        self.address = ""
        self._port = 0
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._loop.run_forever, daemon=True)
        self._thread.start()
        self._serving: asyncio.Task[None] | None = None

    def open(self) -> None:
        async def serving() -> None:
            peers = {f"p{number:02}": FastAPI() for number in range(6)}
            app = swarm_app(self.board, Guard(), peers, lambda: self.found)
            sock = listen("127.0.0.1", self._port)
            self._port, self.address = sock.getsockname()[1], url(sock)
            self._serving = asyncio.create_task(serve(app, sock))

        self._do(serving)

    def vanish(self) -> None:
        async def stopping() -> None:
            assert self._serving
            self._serving.cancel()
            await asyncio.wait([self._serving])

        self._do(stopping)

    def tell(self, records: Sequence[Record], found: dict[str, Any] | None = None) -> None:
        async def telling() -> None:
            self.found = found
            for record in records:
                self.board.add(record)

        self._do(telling)

    def close(self) -> None:
        self.vanish()
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join()
        self._loop.close()

    def _do(self, what: Callable[[], Coroutine[Any, Any, None]]) -> None:
        asyncio.run_coroutine_threadsafe(what(), self._loop).result()
