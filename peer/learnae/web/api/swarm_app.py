"""A swarm over HTTP: the live page at /, what it shows as JSON and as events, and the API of each peer.

All of it is derived from the records on a board, so that it is the same for a session that runs here, one that runs
elsewhere and sends its records, and one that is over.
"""

import asyncio
import json
from collections.abc import AsyncIterator, Callable, Mapping
from pathlib import Path
from typing import Any

from fastapi import FastAPI, HTTPException, Response
from fastapi.responses import FileResponse
from fastapi.sse import EventSourceResponse, ServerSentEvent
from prometheus_client import CONTENT_TYPE_LATEST

from learnae.messages.codec import encode
from learnae.records.history import History
from learnae.web.api.app import create_app
from learnae.web.api.guard import Guard
from learnae.web.api.stream import After, LastEventId, last_seen, record_events
from learnae.web.event_log import EventLog
from learnae.web.live_page.page import live_page, page_assets
from learnae.web.live_page.page_state import PageState

BEAT = 0.25  # s between two looks for news
# Scripts, styles and data come from here and nowhere else; Plotly sets the style of single elements.
POLICY = (
    "default-src 'none'; script-src 'self'; style-src 'self'; style-src-attr 'unsafe-inline'; img-src 'self' data: "
    "blob:; connect-src 'self'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
)
HEADERS = {
    "Content-Security-Policy": POLICY,
    "Cache-Control": "no-cache",
    "Referrer-Policy": "no-referrer",
    "X-Content-Type-Options": "nosniff",
}

Verdict = dict[str, Any]


def swarm_app(
    board: EventLog,
    guard: Guard,
    peers: Mapping[str, FastAPI] | None = None,
    verdict: Callable[[], Verdict | None] = lambda: None,
    metrics: Callable[[], bytes] = lambda: b"",
    report: Callable[[], Path | None] = lambda: None,
    apis: Callable[[], Mapping[str, str]] = dict,
) -> FastAPI:
    """``peers``: an app by name, mounted at /peers/<name>; ``apis``: the address of each that is served elsewhere.

    ``verdict`` and ``report`` are None until there is one.
    """
    app = create_app("LEARNAE swarm", guard)
    mounted = peers or {}
    here = {name: f"peers/{name}" for name in mounted}
    _page(app)
    _data(app, board, verdict, metrics, report)
    _streams(app, board, PageState(board, verdict, lambda: report() is not None, lambda: {**here, **apis()}))
    for name, peer in mounted.items():
        app.mount(f"/peers/{name}", peer)
    return app


def _page(app: FastAPI) -> None:
    index, files = live_page(), page_assets()

    @app.get("/", response_class=Response, include_in_schema=False)
    async def page() -> Response:
        return Response(index, media_type="text/html; charset=utf-8", headers=HEADERS)

    @app.get("/static/{name}", response_class=Response, include_in_schema=False)
    async def static(name: str) -> Response:
        if name not in files:
            raise HTTPException(404)
        kind = "text/css" if name.endswith(".css") else "text/javascript"
        return Response(files[name], media_type=f"{kind}; charset=utf-8", headers=HEADERS)


def _data(
    app: FastAPI,
    board: EventLog,
    verdict: Callable[[], Verdict | None],
    metrics: Callable[[], bytes],
    report: Callable[[], Path | None],
) -> None:
    @app.get("/v1/session")
    async def session() -> dict[str, Any]:
        """What runs here: settings, roster, session seconds so far, and the verdict when there is one."""
        found = History(tuple(board.records)).began
        began = encode(found) if found else None
        seconds = board.records[-1].t if board.records else 0.0
        return {"began": began, "seconds": seconds, "closed": board.closed, "verdict": verdict()}

    @app.get("/report.html", response_class=Response, include_in_schema=False)
    async def written() -> Response:
        path = report()
        if path is None:
            raise HTTPException(404, "there is no report yet: it is drawn when the session has ended")
        return FileResponse(path, media_type="text/html; charset=utf-8")

    @app.get("/metrics", response_class=Response, responses={200: {"content": {"text/plain": {}}}})
    async def of_all() -> Response:
        """Of every peer, for Prometheus."""
        return Response(metrics(), media_type=CONTENT_TYPE_LATEST)


def _streams(app: FastAPI, board: EventLog, state: PageState) -> None:
    @app.get("/v1/events", response_class=EventSourceResponse)
    async def events(after: After = -1, last_event_id: LastEventId = None) -> AsyncIterator[ServerSentEvent]:
        """All records of the session as they happen; each event's id is its record's number."""
        async for event in record_events(board, after, last_event_id):
            yield event

    @app.get("/v1/page", response_class=EventSourceResponse, include_in_schema=False)
    async def page(last_event_id: LastEventId = None) -> AsyncIterator[ServerSentEvent]:
        """What the page shows: ``log`` has the sentences since the last, ``parts`` whatever part has changed."""
        at, sent = last_seen(board, -1, last_event_id) + 1, dict[str, str]()
        fresh = at == 0  # whatever log the reader has is of another session
        while True:
            lines, at = state.log(at)
            if lines or fresh:
                data = {"fresh": fresh, "lines": lines}
                yield ServerSentEvent(raw_data=json.dumps(data), event="log", id=str(at - 1))
            fresh = False
            parts = await state.parts()
            changed = [f"{json.dumps(name)}:{part}" for name, part in parts.items() if sent.get(name) != part]
            if changed:
                yield ServerSentEvent(raw_data=f"{{{','.join(changed)}}}", event="parts")
            sent = parts
            await asyncio.sleep(BEAT)
