"""Ports of pods on this machine, with an API server in this process that speaks its protocol over WebSockets."""

import asyncio
from collections.abc import Awaitable, Callable
from contextlib import suppress
from pathlib import Path
from types import SimpleNamespace
from typing import Any, cast

import aiohttp
import pytest
from aiohttp import web
from aiohttp.test_utils import TestServer

from learnae.backends.kubernetes import forwarding
from learnae.backends.kubernetes.cluster import Cluster
from learnae.backends.kubernetes.forwarding import PROTOCOL, Forwards
from learnae.backends.pods.plan import HOST
from learnae.errors import InputError
from learnae.pod_files.server import FilesServer

POD, PORT = "swarm-peers-0", 7100
BIG = bytes(range(256)) * 1000


class ApiServer:
    """Forwards to a server in this process.  ``gone``: the pod does not exist.  ``asked``: paths so far."""

    def __init__(self, inner: int) -> None:
        self.inner, self.gone, self.asked = inner, False, list[str]()

    async def answer(self, request: web.Request) -> web.StreamResponse:
        self.asked.append(request.path_qs)
        if self.gone or request.headers.get("Authorization") != "Bearer token":
            raise web.HTTPNotFound
        socket = web.WebSocketResponse(protocols=(PROTOCOL,))
        await socket.prepare(request)
        for channel in (b"\0", b"\1"):
            await socket.send_bytes(channel + PORT.to_bytes(2, "little"))
        reader, writer = await asyncio.open_connection("127.0.0.1", self.inner)

        async def back() -> None:
            while part := await reader.read(1000):
                await socket.send_bytes(b"\0" + part)
            await socket.close()

        task = asyncio.create_task(back())
        try:
            async for message in socket:
                assert message.data[0] == 0
                writer.write(message.data[1:])
        finally:
            writer.close()
            with suppress(ConnectionError):
                await asyncio.gather(task, writer.wait_closed())
        return socket


def forwarded(folder: Path, test: Callable[[ApiServer, str], Awaitable[None]], host: str = HOST) -> None:
    """``test`` gets the URL of a pod's files."""

    async def run() -> None:
        for name in ("volume", "gates"):
            (folder / name).mkdir(exist_ok=True)
        async with await FilesServer(folder / "volume", folder / "gates", "peer").listen("127.0.0.1", 0) as pod:
            api = ApiServer(pod.sockets[0].getsockname()[1])
            app = web.Application()
            app.router.add_get("/{any:.*}", api.answer)
            async with TestServer(app) as server:
                configuration = SimpleNamespace(
                    host=str(server.make_url("")).rstrip("/"), ssl_ca_cert=None, verify_ssl=True, cert_file=None
                )
                cluster: Any = SimpleNamespace(
                    namespace="team",
                    configuration=configuration,
                    authorization=lambda: {"Authorization": "Bearer token"},
                )
                async with Forwards(cast(Cluster, cluster), [(POD, PORT)], host) as forwards:
                    outer = forwards.url(POD, PORT).rpartition(":")[2]
                    assert forwards.multiaddr(POD, PORT) == f"/ip4/{host}/tcp/{outer}"
                    async with asyncio.timeout(60):
                        await test(api, forwards.url(POD, PORT))

    asyncio.run(run())


def test_requests_and_answers_of_any_size_pass(tmp_path: Path) -> None:
    async def test(api: ApiServer, url: str) -> None:
        async with aiohttp.ClientSession() as client:
            async with client.put(f"{url}/v1/files/rows", data=BIG) as put:
                assert put.status == 200
            async with client.get(f"{url}/v1/files/rows") as got:
                assert await got.read() == BIG
        assert api.asked == [f"/api/v1/namespaces/team/pods/{POD}/portforward?ports={PORT}"] * 2

    forwarded(tmp_path, test)


def test_a_pod_that_is_gone_closes_the_connection_and_one_that_is_back_answers_at_the_same_url(tmp_path: Path) -> None:
    async def test(api: ApiServer, url: str) -> None:
        async with aiohttp.ClientSession() as client:
            api.gone = True
            try:
                await client.get(f"{url}/v1/state")
                raise AssertionError("it answered")
            except aiohttp.ClientError:
                pass
            api.gone = False
            async with client.get(f"{url}/v1/state") as state:
                assert await state.json() == {"begun": False}

    forwarded(tmp_path, test)


def test_a_port_has_a_limited_number_of_connections_at_a_time(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(forwarding, "MAX_CONNECTIONS", 1)

    async def test(api: ApiServer, url: str) -> None:
        address = HOST, int(url.rpartition(":")[2])
        _, first = await asyncio.open_connection(*address)
        reader, second = await asyncio.open_connection(*address)
        assert await reader.read() == b"", "the first is open"
        for writer in (first, second):
            writer.close()
            await writer.wait_closed()
        async with aiohttp.ClientSession() as client:
            while True:
                with suppress(aiohttp.ClientError):
                    async with client.get(f"{url}/v1/state") as state:
                        assert state.status == 200
                        return

    forwarded(tmp_path, test)


def test_a_port_can_be_published_on_another_address_of_this_machine_and_on_no_foreign_one(tmp_path: Path) -> None:
    async def test(api: ApiServer, url: str) -> None:
        assert url.startswith("http://127.0.0.2:")
        async with aiohttp.ClientSession() as client, client.get(f"{url}/v1/state") as state:
            assert state.status == 200

    forwarded(tmp_path, test, "127.0.0.2")
    with pytest.raises(InputError, match="cannot listen on 192.0.2.1"):
        forwarded(tmp_path, test, "192.0.2.1")
