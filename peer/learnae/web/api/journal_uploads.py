"""Where the peers that run elsewhere say that they have come, and hand in their journals.  Everything needs a token."""

from collections.abc import Mapping
from typing import Protocol

from fastapi import FastAPI, HTTPException, Request

from learnae.errors import InputError
from learnae.web.api.guard import Guard
from learnae.web.api.problems import RESPONSES, install_handlers

LIMIT = 64 << 20  # bytes of a journal


class JournalUploads(Protocol):
    @property
    def tokens(self) -> Mapping[str, str]:
        """By guest."""

    def come(self, name: str) -> None: ...

    async def take(self, name: str, journal: bytes) -> None:
        """Raises InputError: it is not that guest's."""


def guests_app(reception: JournalUploads) -> FastAPI:
    app = FastAPI(title="LEARNAE guests", version="1", openapi_url=None, responses=RESPONSES)
    install_handlers(app)

    @app.post("/v1/guests/{name}", status_code=204)
    async def come(name: str, request: Request) -> None:
        """Here I am, and still."""
        _admit(reception, name, request)
        reception.come(name)

    @app.put("/v1/journals/{name}", status_code=204)
    async def take(name: str, request: Request) -> None:
        """A journal, whole; a later one takes its place."""
        _admit(reception, name, request)
        journal = bytearray()
        async for part in request.stream():
            journal += part
            if len(journal) > LIMIT:
                raise HTTPException(413, f"a journal may have {LIMIT} bytes at most", {"Connection": "close"})
        try:
            await reception.take(name, bytes(journal))
        except InputError as error:
            raise HTTPException(422, str(error)) from None

    return app


def _admit(reception: JournalUploads, name: str, request: Request) -> None:
    if name not in reception.tokens:
        raise HTTPException(404, f"{name} is not invited to this session")
    Guard(reception.tokens[name]).command(request)
