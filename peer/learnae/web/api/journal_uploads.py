"""Where remote peers report that they run, and upload their journals.  Every request needs the peer's token."""

from collections.abc import Mapping
from typing import Protocol

from fastapi import FastAPI, HTTPException, Request

from learnae.errors import InputError
from learnae.web.api.guard import Guard
from learnae.web.api.problems import RESPONSES, install_handlers

MAX_JOURNAL = 64 << 20  # bytes


class JournalUploads(Protocol):
    @property
    def tokens(self) -> Mapping[str, str]:
        """By the peer's name."""

    def report_running(self, name: str) -> None: ...

    async def store(self, name: str, journal: bytes) -> None:
        """Raises InputError if it is not that peer's journal."""


def uploads_app(uploads: JournalUploads) -> FastAPI:
    app = FastAPI(title="LEARNAE uploads of remote peers", version="1", openapi_url=None, responses=RESPONSES)
    install_handlers(app)

    @app.post("/v1/remote-peers/{name}", status_code=204)
    async def report_running(name: str, request: Request) -> None:
        """Report that the peer runs; repeated while it runs."""
        _admit(uploads, name, request)
        uploads.report_running(name)

    @app.put("/v1/journals/{name}", status_code=204)
    async def store(name: str, request: Request) -> None:
        """Upload the whole journal; a later upload replaces it."""
        _admit(uploads, name, request)
        journal = bytearray()
        async for part in request.stream():
            journal += part
            if len(journal) > MAX_JOURNAL:
                raise HTTPException(413, f"the journal exceeds {MAX_JOURNAL} bytes", {"Connection": "close"})
        try:
            await uploads.store(name, bytes(journal))
        except InputError as error:
            raise HTTPException(422, str(error)) from None

    return app


def _admit(uploads: JournalUploads, name: str, request: Request) -> None:
    if name not in uploads.tokens:
        raise HTTPException(404, f"{name} is not a remote peer of this session")
    Guard(uploads.tokens[name]).check_token(request)
