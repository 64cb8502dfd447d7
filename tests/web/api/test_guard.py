"""Who may ask a peer and who may not; and its server: ports, and how it ends."""

import asyncio
from collections.abc import AsyncIterator, Callable
from pathlib import Path

import httpx
import pytest
from tests.helpers.apis import HERE, TOKEN, Asked
from tests.helpers.stages import Stage

from learnae.errors import InputError
from learnae.protocol.decisions import WorkChanged, WorkState
from learnae.web.api.body_limits import MAX_BODY
from learnae.web.api.guard import Guard, read_token
from learnae.web.api.server import address, listen, serving, url

Staged = Callable[..., Stage]


@pytest.mark.parametrize(
    ("host", "at", "admitted"),
    [
        ("127.0.0.1:8080", None, True),
        ("localhost", None, True),
        ("LOCALHOST:1", None, True),
        ("[::1]:8080", None, True),
        ("peer.example", None, True),
        ("peer.example:8080", None, True),
        ("10.0.0.7:8080", "10.0.0.7", True),
        ("10.0.0.8:8080", "10.0.0.7", False),
        ("evil.example", "10.0.0.7", False),
        ("evil.example", "evil.example", False),
        ("127.0.0.1.evil.example", None, False),
        ("peer.example.evil.example", None, False),
        ("peer.example@evil.example", None, False),
        ("[", None, False),
        ("", None, False),
    ],
)
def test_a_host_is_admitted_if_it_is_ours(host: str, at: str | None, admitted: bool) -> None:
    assert Guard(None, ("peer.example",)).admits(host, at) is admitted


def test_a_page_of_another_site_neither_reads_nor_commands(staged: Staged) -> None:
    async def play() -> None:
        asked = Asked(staged())
        rebound = {"Host": "evil.example", "Origin": "http://evil.example"}
        assert "unknown Host" in (await asked.get("/v1/status", 421, headers=rebound))["detail"]
        bearer = {"Authorization": f"Bearer {TOKEN}"}
        for origin in ("http://evil.example", "http://127.0.0.1:9", "null", "file://", "http://[", ""):
            await asked.get("/v1/status", 403, headers={"Origin": origin})
            await asked.post("/v1/stop", 403, headers=bearer | {"Origin": origin})
        assert not asked.inside.stopped
        own = await asked.answer("GET", "/v1/status", 200, headers={"Origin": HERE})
        assert not [name for name in own.headers if name.startswith("access-control")]
        await asked.post("/v1/pause", headers=bearer | {"Origin": HERE})

    asyncio.run(play())


def test_the_health_of_a_peer_is_for_its_own_machine(staged: Staged) -> None:
    async def play() -> None:
        for here in ("127.0.0.1", "::1"):
            await Asked(staged(), client=here).get("/healthz")
        for elsewhere in ("10.0.0.7", "127.0.0.1.evil.example"):
            await Asked(staged(), client=elsewhere).get("/healthz", 403)

    asyncio.run(play())


def test_a_body_is_bounded_whether_it_says_its_length_or_not(staged: Staged) -> None:
    read = 0

    async def endless() -> AsyncIterator[bytes]:
        nonlocal read
        while True:
            read += 1 << 16
            yield b" " * (1 << 16)

    async def play() -> None:
        asked = Asked(staged())
        for path in ("/v1/predict", "/v1/stop", "/v1/nothing"):
            await asked.post(path, 413, content=b" " * (MAX_BODY + 1))
            await asked.post(path, 413, content=endless())
        assert read < 3 * MAX_BODY + 10 * (1 << 16)
        await asked.post("/v1/predict", 422, content=b" " * MAX_BODY, headers={"Content-Type": "application/json"})

    asyncio.run(play())


def test_a_token_is_read_from_a_file_that_nobody_else_can_read(tmp_path: Path) -> None:
    file = tmp_path / "token"
    with pytest.raises(InputError, match="cannot be read"):
        read_token(file)
    file.touch(0o644)
    with pytest.raises(InputError, match="chmod 600"):
        read_token(file)
    file.chmod(0o600)
    for text in ("", "short", "two words that are long", "a line\nand another line", "ä" * 20, "\0" * 20):
        file.write_text(text)
        with pytest.raises(InputError, match="holds no token") as refused:
            read_token(file)
        assert not text or text not in str(refused.value)
    file.write_bytes(b"\xff" * 20)
    with pytest.raises(InputError, match="not a text file"):
        read_token(file)
    file.write_text("0123456789abcdef\n")
    assert read_token(file) == "0123456789abcdef"


def test_the_token_is_in_no_repr() -> None:
    assert "secret" not in repr(Guard("a secret of some length"))


@pytest.mark.parametrize(
    ("text", "found"),
    [
        ("8080", ("127.0.0.1", 8080)),
        (":8080", ("127.0.0.1", 8080)),
        ("0.0.0.0:0", ("0.0.0.0", 0)),
        ("[::1]:8080", ("::1", 8080)),
        ("peer.example:80", ("peer.example", 80)),
    ],
)
def test_an_address_is_a_host_and_a_port(text: str, found: tuple[str, int]) -> None:
    assert address(text) == found


@pytest.mark.parametrize(
    "text", ["", "peer", "127.0.0.1:", "127.0.0.1:99999", "http://127.0.0.1:1", "a@b:1", "[:1", "-1"]
)
def test_what_is_no_address_is_refused(text: str) -> None:
    with pytest.raises(InputError, match="HOST:PORT"):
        address(text)


def test_a_port_that_is_taken_is_replaced_by_a_free_one_and_a_foreign_address_is_refused() -> None:
    first = listen("127.0.0.1", 0)
    port = first.getsockname()[1]
    second = listen("127.0.0.1", port)
    assert second.getsockname()[1] not in (0, port)
    assert url(first) == f"http://127.0.0.1:{port}"
    first.close()
    second.close()
    with pytest.raises(InputError, match="address of this machine"):
        listen("192.0.2.1", 0)


def test_a_server_on_every_address_goes_by_the_one_it_was_asked_at_and_by_no_other(staged: Staged) -> None:
    async def play() -> None:
        asked, sock = Asked(staged()), listen("0.0.0.0", 0)
        port = sock.getsockname()[1]
        async with serving(asked.app, sock), httpx.AsyncClient(base_url=f"http://127.0.0.2:{port}") as client:
            assert (await client.get("/v1/status")).status_code == 200
            for host in ("evil.example", f"127.0.0.3:{port}", f"10.0.0.1:{port}"):
                assert (await client.get("/v1/status", headers={"Host": host})).status_code == 421

    asyncio.run(play())


def test_followers_hear_what_is_decided_and_are_let_go_when_the_server_ends(staged: Staged) -> None:
    """Also those whose peer is not over: nobody waits for them for long."""

    async def play() -> None:
        asked, sock = Asked(staged()), listen("127.0.0.1", 0)
        loop = asyncio.get_running_loop()
        async with httpx.AsyncClient(base_url=url(sock), timeout=60) as client:
            async with serving(asked.app, sock), client.stream("GET", "/v1/events") as events:
                lines = events.aiter_lines()
                for work in (WorkState.IDLE, WorkState.TRAINING):
                    asked.inside.observe(1.0, "p00", WorkChanged(work))
                    assert f'"work":"{work}"' in await anext(lines)
                    assert (await anext(lines)).startswith("id: ")
                    assert await anext(lines) == ""
                assert (await client.get("/v1/status")).json()["name"] == "p00"
                began = loop.time()
            assert loop.time() - began < 3
            with pytest.raises(httpx.ConnectError):
                await client.get("/v1/status")

    asyncio.run(play())
