"""A live peer of a stage behind its API, asked without a network."""

from collections.abc import Mapping
from typing import Any

import httpx
from tests.helpers.stages import Stage

from learnae.adapters.memory import MemoryPredictor
from learnae.adapters.metrics import Metrics
from learnae.runtime.peer_service import PeerService
from learnae.runtime.received_payments import ReportedPayments
from learnae.web.api.guard import Guard
from learnae.web.api.peer_api import peer_api

TOKEN = "a token of some length"
BEARER = {"Authorization": f"Bearer {TOKEN}"}
HERE = "http://127.0.0.1:8080"


class Asked:
    """p00 of a stage, before ``begin`` as after it."""

    def __init__(self, stage: Stage, token: str | None = TOKEN, client: str = "127.0.0.1") -> None:
        members = stage.simulation.setup.members
        self.inside = PeerService(members[0], stage.clock, Metrics(), members, ReportedPayments())
        self.app = peer_api(self.inside, Guard(token, ("peer.example", "testserver")))
        transport = httpx.ASGITransport(self.app, raise_app_exceptions=False, client=(client, 4321))
        self.client = httpx.AsyncClient(transport=transport, base_url=HERE)
        self.stage = stage

    def begin(self) -> None:
        self.inside.begin(self.stage.peer("p00"), MemoryPredictor())

    async def get(self, path: str, status: int = 200, **more: Any) -> Any:
        """The answer as JSON."""
        return (await self.answer("GET", path, status, **more)).json()

    async def post(self, path: str, status: int = 200, headers: Mapping[str, str] = BEARER, **more: Any) -> Any:
        return (await self.answer("POST", path, status, headers=dict(headers), **more)).json()

    async def answer(self, method: str, path: str, status: int, **more: Any) -> httpx.Response:
        answer = await self.client.request(method, path, **more)
        assert answer.status_code == status, answer.text
        if status >= 400:
            assert answer.headers["content-type"] == "application/problem+json"
            assert answer.json()["status"] == status and answer.json()["detail"]
        return answer
