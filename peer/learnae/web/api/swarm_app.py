"""A swarm over HTTP: the live page at /, its content as JSON and as events, and the API of each peer.

Everything is derived from the records, so that it is the same for a session in this process, for one that sends its
records from elsewhere, and for one that has ended.
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

POLL_INTERVAL = 0.25  # s between two checks for changes
# Scripts, styles and data come from this server only; Plotly sets the style attributes of elements.
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
    """``peers``: apps by name, mounted at /peers/<name>; ``apis``: addresses of APIs that are served elsewhere.

    ``verdict`` and ``report`` return None until they exist.
    """
    app = create_app("LEARNAE swarm", guard)
    mounted = peers or {}
    local_apis = {name: f"peers/{name}" for name in mounted}
    _page(app)
    _data(app, board, verdict, metrics, report)
    _streams(app, board, PageState(board, verdict, lambda: report() is not None, lambda: {**local_apis, **apis()}))
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
        """Settings, roster, session seconds so far, and the verdict if there is one."""
        began = History(tuple(board.records)).began
        seconds = board.records[-1].t if board.records else 0.0
        return {"began": began and encode(began), "seconds": seconds, "closed": board.closed, "verdict": verdict()}

    @app.get("/report.html", response_class=Response, include_in_schema=False)
    async def report_file() -> Response:
        path = report()
        if path is None:
            raise HTTPException(404, "there is no report yet: it is written when the session ends")
        return FileResponse(path, media_type="text/html; charset=utf-8")

    @app.get("/metrics", response_class=Response, responses={200: {"content": {"text/plain": {}}}})
    async def all_metrics() -> Response:
        """Metrics of every peer, for Prometheus."""
        return Response(metrics(), media_type=CONTENT_TYPE_LATEST)


def _streams(app: FastAPI, board: EventLog, state: PageState) -> None:
    @app.get("/v1/events", response_class=EventSourceResponse)
    async def events(after: After = -1, last_event_id: LastEventId = None) -> AsyncIterator[ServerSentEvent]:
        """All records of the session as they are written; an event's id is its record's number."""
        async for event in record_events(board, after, last_event_id):
            yield event

    @app.get("/v1/page", response_class=EventSourceResponse, include_in_schema=False)
    async def page(last_event_id: LastEventId = None) -> AsyncIterator[ServerSentEvent]:
        """``log`` events have the new lines of the log, ``parts`` events the parts of the page that changed."""
        number, sent = last_seen(board, -1, last_event_id) + 1, dict[str, str]()
        fresh = number == 0  # the reader drops the log that it may have of another session
        while True:
            lines, number = state.log(number)
            if lines or fresh:
                data = {"fresh": fresh, "lines": lines}
                yield ServerSentEvent(raw_data=json.dumps(data), event="log", id=str(number - 1))
            fresh = False
            parts = await state.parts()
            changed = [f"{json.dumps(name)}:{part}" for name, part in parts.items() if sent.get(name) != part]
            if changed:
                yield ServerSentEvent(raw_data=f"{{{','.join(changed)}}}", event="parts")
            sent = parts
            await asyncio.sleep(POLL_INTERVAL)
