"""The files of a pod over HTTP, with the server in this process."""

import asyncio
import os
from collections.abc import Awaitable, Callable
from pathlib import Path

import aiohttp
import pytest

from learnae.pod_files.server import MAX_PART, FilesServer

Ask = Callable[..., Awaitable[tuple[int, bytes]]]


def served(folder: Path, test: Callable[[Ask], Awaitable[None]]) -> None:
    """``folder``: with the volume and the gates."""
    for name in ("volume", "gates"):
        (folder / name).mkdir(exist_ok=True)

    async def run() -> None:
        server = FilesServer(folder / "volume", folder / "gates", "peer")
        async with await server.listen("127.0.0.1", 0) as listening, aiohttp.ClientSession() as client:
            base = f"http://127.0.0.1:{listening.sockets[0].getsockname()[1]}"

            async def ask(method: str, path: str, body: bytes = b"") -> tuple[int, bytes]:
                async with client.request(method, base + path, data=body) as response:
                    return response.status, await response.read()

            await test(ask)

    asyncio.run(run())


def test_what_was_put_can_be_read_and_appended_to(tmp_path: Path) -> None:
    async def test(ask: Ask) -> None:
        await ask("PUT", "/v1/files/peer/initial/p00.bin", b"old and long")
        await ask("PUT", "/v1/files/peer/initial/p00.bin", b"one ")
        await ask("POST", "/v1/files/peer/initial/p00.bin", b"two")
        assert await ask("GET", "/v1/files/peer/initial/p00.bin") == (200, b"one two")
        assert (await ask("GET", "/v1/files/none"))[0] == 404

    served(tmp_path, test)


def test_gates_open_and_after_the_last_one_no_file_can_be_changed(tmp_path: Path) -> None:
    async def test(ask: Ask) -> None:
        await ask("POST", "/v1/gates/pod")
        assert (tmp_path / "gates" / "pod").exists() and b"false" in (await ask("GET", "/v1/state"))[1]
        assert (await ask("PUT", "/v1/files/token", b"1"))[0] == 200
        await ask("POST", "/v1/gates/peer")
        assert (tmp_path / "gates" / "peer").exists() and b"true" in (await ask("GET", "/v1/state"))[1]
        for method in ("PUT", "POST"):
            assert (await ask(method, "/v1/files/token", b"2"))[0] == 409
        assert await ask("GET", "/v1/files/token") == (200, b"1")

    served(tmp_path, test)


@pytest.mark.parametrize("path", ["../x", "a/../../x", ".begun", "a/.x", "a//b", "a/b/c/d/e", "a%2f..%2fx", ""])
def test_no_path_leads_out_of_the_volume_or_to_hidden_files(tmp_path: Path, path: str) -> None:
    async def test(ask: Ask) -> None:
        server = FilesServer(tmp_path / "volume", tmp_path / "gates", "peer")
        with pytest.raises(Exception, match="the paths are"):
            server.check("PUT", f"/v1/files/{path}", {})

    served(tmp_path, test)


def test_links_are_not_followed_and_bodies_are_limited(tmp_path: Path) -> None:
    async def test(ask: Ask) -> None:
        (tmp_path / "secret").write_text("secret")
        os.symlink(tmp_path / "secret", tmp_path / "volume" / "journal")
        status, answer = await ask("GET", "/v1/files/journal")
        assert status == 403 and b"a link leads to it" in answer
        assert (await ask("PUT", "/v1/files/big", bytes(MAX_PART + 1)))[0] == 413

    served(tmp_path, test)
