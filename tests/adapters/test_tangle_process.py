"""A node of the Tangle as a child process: what it keeps, and when it ends."""

import asyncio
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

import aiohttp
import pytest

from learnae.adapters.tangle import network
from learnae.adapters.tangle.blocks import GENESIS
from learnae.adapters.tangle.network import Endpoints, Programs, find_programs, write_network
from learnae.adapters.tangle.process import TangleNode, tangle_network
from learnae.adapters.tangle.rest import NodeAddress, TangleRest
from learnae.checkout import REPOSITORY
from learnae.errors import InputError, PortError, Reason

ENDPOINTS = Endpoints("127.0.0.1", *(f"127.0.0.1:{port}" for port in range(4)))


@pytest.fixture
def runner() -> Iterator[asyncio.Runner]:
    if not (REPOSITORY / ".tools" / "bin" / "hornet").exists():
        pytest.skip("HORNET is not there: make tools")
    with asyncio.Runner() as runner:
        yield runner


@pytest.mark.real
def test_a_stopped_node_keeps_its_blocks_and_a_killed_one_begins_anew(runner: asyncio.Runner, tmp_path: Path) -> None:
    async def story(node: TangleNode, rest: TangleRest) -> None:
        block = await rest.post(b"tag", b"data", [GENESIS])
        await node.stop()
        await node.start()
        assert (await rest.block(block)).data == b"data"
        await node.kill()
        await node.start()
        with pytest.raises(PortError) as failed:
            await rest.block(block)
        assert failed.value.reason is Reason.NOT_FOUND

    async def whole() -> None:
        async with tangle_network(tmp_path / "network", 1) as (node,), aiohttp.ClientSession() as session:
            await story(node, TangleRest(node.address.url, session, 5.0))

    runner.run(whole())


async def closed(port: int) -> None:
    """Wait until nobody listens there: the bridge ends soon after its node."""
    with suppress(ConnectionRefusedError):
        while True:
            _, writer = await asyncio.open_connection("127.0.0.1", port)
            writer.close()
            await asyncio.sleep(0.05)


@pytest.mark.real
def test_a_node_and_its_bridge_end_with_the_process_that_started_them(runner: asyncio.Runner, tmp_path: Path) -> None:
    """The end of a process closes its pipes, however it ends."""

    async def whole() -> None:
        async with tangle_network(tmp_path / "network", 1) as (node,):
            assert node._process and node._process.stdin
            node._process.stdin.close()
            async with asyncio.timeout(60):
                await node._process.wait()
                for port in (node.address.mqtt_port, int(node.address.url.rsplit(":", 1)[1])):
                    await closed(port)

    runner.run(whole())


@pytest.mark.parametrize("program", ["/bin/false", "/dev/null", "/none"])
def test_what_is_no_hornet_is_refused(program: str, tmp_path: Path) -> None:
    with pytest.raises(InputError, match=f"{program}"):
        write_network(tmp_path / "network", [ENDPOINTS], Programs(program, program))


def test_a_hornet_that_fails_without_a_word_is_refused(tmp_path: Path) -> None:
    program = tmp_path / "hornet"
    program.write_text("#!/bin/sh\necho; echo >&2; exit 1\n", encoding="utf-8")
    program.chmod(0o700)
    with pytest.raises(InputError, match=r"could not create a network \(no output\)"):
        write_network(tmp_path / "network", [ENDPOINTS], Programs(str(program), str(program)))


def test_a_node_that_ends_at_once_is_refused_with_its_last_words(tmp_path: Path) -> None:
    folder = tmp_path / "node"
    (folder / "seed").mkdir(parents=True)
    program = tmp_path / "hornet"
    program.write_text("#!/bin/sh\necho the database is corrupt\nexit 1\n", encoding="utf-8")
    program.chmod(0o700)
    node = TangleNode(folder, NodeAddress("http://127.0.0.1:9", "127.0.0.1", 9), Programs(str(program), "/bin/true"))
    with pytest.raises(InputError, match="ended at once .*the database is corrupt"):
        asyncio.run(node.start())


def test_programs_that_are_not_there_are_named(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setattr(network, "REPOSITORY", tmp_path)
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(InputError, match="HORNET or inx-mqtt is not there: run make tools"):
        find_programs()
