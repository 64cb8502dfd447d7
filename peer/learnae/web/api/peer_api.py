"""The HTTP API of one peer: /v1 to read and to command, /healthz and /metrics.  Mountable at /peers/<name>."""

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
from learnae.web.api.stream import After, LastEventId, record_events

PAGE = 100  # records
DESCRIPTION = """What one peer of a LEARNAE session knows and does.

Reading is open to whoever reaches the address; `pause`, `resume` and `stop` need the bearer token. Every error is
`application/problem+json`. Amounts are in wei, as decimal strings. Until the peer has begun its session what does not
exist yet is answered with 503."""


def peer_api(inside: PeerApiPort, guard: Guard) -> FastAPI:
    app = create_app(f"LEARNAE peer {inside.name}", guard, DESCRIPTION)
    for router in (_reading(inside), _following(inside), _commanding(inside, guard), _watching(inside)):
        app.include_router(router)
    return app


def _reading(inside: PeerApiPort) -> APIRouter:
    router = APIRouter(prefix="/v1", tags=["read"])

    @router.get("/status")
    async def status() -> views.Status:
        """Who this peer is, and where it stands."""
        return inside.status()

    @router.get("/model")
    async def model() -> views.ModelView:
        """The model it goes on with."""
        return await inside.model()

    @router.get(
        "/model/safetensors",
        response_class=Response,
        responses={200: {"content": {"application/octet-stream": {}}}, 304: {"description": "You have it"}},
    )
    async def safetensors(if_none_match: Annotated[str | None, Header()] = None) -> Response:
        """Its weights: the block as it is on IPFS.  The ETag is its CID."""
        cid, block = inside.block()
        headers = {"ETag": f'"{cid}"', "Content-Disposition": f'attachment; filename="{cid}.safetensors"'}
        if if_none_match is not None and f'"{cid}"' in if_none_match:
            return Response(status_code=304, headers=headers)
        return Response(block, media_type="application/octet-stream", headers=headers)

    @router.post("/predict")
    async def predict(wanted: views.PredictionRequest) -> views.Predictions:
        """Classify rows with its model."""
        return await inside.predict(wanted.rows, wanted.standardised)

    @router.get("/directory")
    async def directory() -> list[views.DirectoryEntryView]:
        """Every contract it was told of, with verdict and reason (section 3.2)."""
        return inside.directory()

    @router.get("/payments/sent")
    async def sent() -> list[views.ReceiptView]:
        """What it owes and paid for models it averaged with, each debt with its state."""
        return inside.sent()

    @router.get("/payments/received")
    async def received() -> list[views.ReceiptView]:
        """What others paid for its models.  A lone peer knows that from the chain, and so without scores."""
        return inside.received()

    return router


def _following(inside: PeerApiPort) -> APIRouter:
    router = APIRouter(prefix="/v1", tags=["history"])

    @router.get("/history")
    async def history(after: After = -1, limit: Annotated[int, Query(ge=1, le=1000)] = PAGE) -> views.HistoryPage:
        """What it decided, in order, a page at a time."""
        told = inside.board.records
        page = [_numbered(number, each) for number, each in enumerate(told[after + 1 : after + 1 + limit], after + 1)]
        last = after + len(page)
        return views.HistoryPage(records=page, next=last if last + 1 < len(told) else None, total=len(told))

    @router.get("/events", response_class=EventSourceResponse)
    async def events(after: After = -1, last_event_id: LastEventId = None) -> AsyncIterator[ServerSentEvent]:
        """The same records as they are decided; each event's id is its record's number, so that a reader who comes
        back misses nothing."""
        async for event in record_events(inside.board, after, last_event_id):
            yield event

    return router


def _commanding(inside: PeerApiPort, guard: Guard) -> APIRouter:
    async def commands(request: Request) -> None:
        guard.command(request)

    router = APIRouter(prefix="/v1", tags=["command"], dependencies=[Security(bearer), Depends(commands)])

    def told() -> views.CommandAccepted:
        status = inside.status()
        return views.CommandAccepted(name=inside.name, paused=status.paused, state=status.state)

    @router.post("/pause")
    async def pause() -> views.CommandAccepted:
        """Compute no slice and no attempt until `resume`; payments and announcements go on."""
        inside.pause()
        return told()

    @router.post("/resume")
    async def resume() -> views.CommandAccepted:
        """Go on."""
        inside.resume()
        return told()

    @router.post("/stop", status_code=202)
    async def stop() -> views.CommandAccepted:
        """Leave; the journal is all that is needed to come back."""
        inside.stop()
        return told()

    return router


def _watching(inside: PeerApiPort) -> APIRouter:
    router = APIRouter(tags=["watch"])

    @router.get("/healthz")
    async def healthz(request: Request) -> views.Health:
        """That the process serves, and what else is up.  For clients on the same machine only."""
        if request.client is None or not is_loopback(request.client.host):
            raise HTTPException(403, "ask from the machine this peer is on")
        return inside.health()

    @router.get("/metrics", response_class=Response, responses={200: {"content": {"text/plain": {}}}})
    async def metrics() -> Response:
        """For Prometheus."""
        return Response(inside.metrics(), media_type=CONTENT_TYPE_LATEST)

    @router.get("/kubo/metrics", response_class=Response, responses={200: {"content": {"text/plain": {}}}})
    async def kubo_metrics() -> Response:
        """Its Kubo node's own, for Prometheus: that node's RPC is on loopback, and can do more than tell."""
        return Response(await inside.kubo_metrics(), media_type=CONTENT_TYPE_LATEST)

    return router


def _numbered(number: int, record: Record) -> views.Numbered:
    return views.Numbered(number=number, t=round(record.t, 6), peer=record.peer, **encode(record.fact))
