"""The HTTP API of one peer: /v1 for reading and commands, /healthz and /metrics.  Can be mounted at /peers/<name>."""

from collections.abc import AsyncIterator
from typing import Annotated

from fastapi import Depends, FastAPI, Header, HTTPException, Query, Request, Response, Security
from fastapi.routing import APIRouter
from fastapi.sse import EventSourceResponse, ServerSentEvent
from prometheus_client import CONTENT_TYPE_LATEST

from learnae.messages.codec import encode
from learnae.records.history import Record
from learnae.web.api import views
from learnae.web.api.app import create_app
from learnae.web.api.guard import Guard, bearer, is_loopback
from learnae.web.api.peer_api_port import PeerApiPort
from learnae.web.api.prediction_views import PredictionRequest, Predictions
from learnae.web.api.stream import After, LastEventId, record_events

PAGE_SIZE = 100  # records
DESCRIPTION = """The state and the commands of one peer of a LEARNAE session.

Reading needs no token, except for the weights of a session that seals its models; commands (`pause`, `resume`, `stop`,
`close`) need the bearer token. Errors are
`application/problem+json`. Amounts are in wei, as decimal strings. What does not exist yet, for example the model of a
peer that is starting, is answered with 503."""


def peer_api(peer: PeerApiPort, guard: Guard) -> FastAPI:
    app = create_app(f"LEARNAE peer {peer.name}", guard, DESCRIPTION)
    reading, commands = _read_routes(peer, guard), _command_routes(peer, guard)
    for router in (reading, _history_routes(peer), commands, _monitoring_routes(peer)):
        app.include_router(router)
    return app


def _read_routes(peer: PeerApiPort, guard: Guard) -> APIRouter:
    router = APIRouter(prefix="/v1", tags=["read"])

    @router.get("/status")
    async def status() -> views.Status:
        """Identity, role and current state of the peer."""
        return peer.status()

    @router.get("/model")
    async def model() -> views.ModelView:
        """The current model."""
        return await peer.model()

    @router.get(
        "/model/safetensors",
        response_class=Response,
        responses={200: {"content": {"application/octet-stream": {}}}, 304: {"description": "Not modified"}},
    )
    async def safetensors(request: Request, if_none_match: Annotated[str | None, Header()] = None) -> Response:
        """The weights of the current model.  The ETag is the CID of the block.  Sealed: with the token only."""
        cid, block, sealed = peer.block()
        if sealed:
            guard.check_token(request)
        headers = {"ETag": f'"{cid}"', "Content-Disposition": f'attachment; filename="{cid}.safetensors"'}
        if if_none_match is not None and f'"{cid}"' in if_none_match:
            return Response(status_code=304, headers=headers)
        return Response(block, media_type="application/octet-stream", headers=headers)

    @router.post("/predict")
    async def predict(request: PredictionRequest) -> Predictions:
        """Classify rows with the current model."""
        return await peer.predict(request.rows, request.standardised)

    @router.get("/directory")
    async def directory() -> list[views.DirectoryEntryView]:
        """Every announced contract, with the peer's verdict and its reason (section 3.2)."""
        return peer.directory()

    @router.get("/rest")
    async def rest() -> views.RestView:
        """Whether only news can make the peer act again, and the announcements by which a host can tell."""
        return peer.rest()

    @router.get("/payments/sent")
    async def sent() -> list[views.ReceiptView]:
        """Debts for models that the peer averaged with, paid or not, each with its state."""
        return peer.payments_sent()

    @router.get("/payments/received")
    async def received() -> list[views.ReceiptView]:
        """Payments for the peer's models.  Payments that are known only from the chain have no scores."""
        return peer.payments_received()

    return router


def _history_routes(peer: PeerApiPort) -> APIRouter:
    router = APIRouter(prefix="/v1", tags=["history"])

    @router.get("/history")
    async def history(after: After = -1, limit: Annotated[int, Query(ge=1, le=1000)] = PAGE_SIZE) -> views.HistoryPage:
        """The peer's decisions, in order and in pages."""
        records = peer.log.records
        start = after + 1
        page = [_numbered(number, record) for number, record in enumerate(records[start : start + limit], start)]
        last = after + len(page)
        return views.HistoryPage(records=page, next=last if last + 1 < len(records) else None, total=len(records))

    @router.get("/events", response_class=EventSourceResponse)
    async def events(after: After = -1, last_event_id: LastEventId = None) -> AsyncIterator[ServerSentEvent]:
        """The same records as server-sent events; an event's id is its record's number, so that a client can resume."""
        async for event in record_events(peer.log, after, last_event_id):
            yield event

    return router


def _command_routes(peer: PeerApiPort, guard: Guard) -> APIRouter:
    async def check_token(request: Request) -> None:
        guard.check_token(request)

    router = APIRouter(prefix="/v1", tags=["command"], dependencies=[Security(bearer), Depends(check_token)])

    def accepted() -> views.CommandAccepted:
        status = peer.status()
        return views.CommandAccepted(name=peer.name, paused=status.paused, state=status.state)

    @router.post("/pause")
    async def pause() -> views.CommandAccepted:
        """Stop computing slices and attempts until `resume`; payments and announcements continue."""
        peer.pause()
        return accepted()

    @router.post("/resume")
    async def resume() -> views.CommandAccepted:
        """Continue computing."""
        peer.resume()
        return accepted()

    @router.post("/stop", status_code=202)
    async def stop() -> views.CommandAccepted:
        """Leave the session; the peer can return with its journal."""
        peer.stop()
        return accepted()

    @router.post("/close", status_code=202)
    async def close() -> views.CommandAccepted:
        """End, because the session is over: give up what can no longer be settled."""
        peer.close()
        return accepted()

    return router


def _monitoring_routes(peer: PeerApiPort) -> APIRouter:
    router = APIRouter(tags=["watch"])

    @router.get("/healthz")
    async def healthz(request: Request) -> views.Health:
        """Whether the process and its dependencies are up.  For clients on the same machine only."""
        if request.client is None or not is_loopback(request.client.host):
            raise HTTPException(403, "only clients on the same machine may ask")
        return peer.health()

    @router.get("/metrics", response_class=Response, responses={200: {"content": {"text/plain": {}}}})
    async def metrics() -> Response:
        """Metrics of the peer, for Prometheus."""
        return Response(peer.metrics(), media_type=CONTENT_TYPE_LATEST)

    @router.get("/kubo/metrics", response_class=Response, responses={200: {"content": {"text/plain": {}}}})
    async def kubo_metrics() -> Response:
        """Metrics of the peer's Kubo node, for Prometheus, which cannot reach the node's RPC on loopback."""
        return Response(await peer.kubo_metrics(), media_type=CONTENT_TYPE_LATEST)

    return router


def _numbered(number: int, record: Record) -> views.Numbered:
    return views.Numbered(number=number, t=round(record.t, 6), peer=record.peer, **encode(record.fact))
