"""A Kubo node as a child process: up where it should be, gone afterwards, and refused in a sentence."""

import asyncio
import json
import socket
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from tests.adapters.kubo_nodes import IPFS, running

from learnae.adapters.ipfs_keys import create_identity, create_swarm_key
from learnae.adapters.kubo import Kubo
from learnae.adapters.kubo.process import find_kubo, kubo_config, kubo_process
from learnae.errors import InputError

KEY = create_swarm_key()
OWN = create_identity()
CONFIG = kubo_config(OWN.peer_id, OWN.key, {})


@pytest.fixture
def program() -> str:
    if not IPFS.exists():
        pytest.skip("Kubo is not there: make tools")
    return str(IPFS)


@pytest.fixture
def runner() -> Iterator[asyncio.Runner]:
    with asyncio.Runner() as made:
        yield made


async def addresses(url: str) -> tuple[str, ...]:
    kubo_process = await Kubo.connect("127.0.0.1", int(url.rpartition(":")[2]))
    try:
        assert kubo_process.peer_id == OWN.peer_id
        return await kubo_process.addresses()
    finally:
        await kubo_process.close()


@pytest.mark.real
def test_it_has_the_identity_that_it_was_given_and_is_known_where_it_was(
    program: str, runner: asyncio.Runner, tmp_path: Path
) -> None:
    async def twice() -> None:
        async with kubo_process(program, tmp_path / "ipfs", CONFIG, KEY) as url:
            first = await addresses(url)
        assert first and all(each.endswith(OWN.peer_id) for each in first)
        async with kubo_process(program, tmp_path / "ipfs", CONFIG, KEY, first) as url:
            assert await addresses(url) == first

    runner.run(twice())
    assert not running(tmp_path / "ipfs")


@pytest.mark.real
def test_whoever_fails_beside_it_leaves_none_behind(program: str, runner: asyncio.Runner, tmp_path: Path) -> None:
    async def failing() -> None:
        async with kubo_process(program, tmp_path / "ipfs", CONFIG, KEY):
            assert running(tmp_path / "ipfs")
            raise TimeoutError("of somebody else")

    with pytest.raises(TimeoutError, match="of somebody else"):
        runner.run(failing())
    assert not running(tmp_path / "ipfs")


@pytest.mark.real
def test_a_folder_that_is_in_use_is_refused(program: str, runner: asyncio.Runner, tmp_path: Path) -> None:
    async def again() -> None:
        async with (
            kubo_process(program, tmp_path / "ipfs", CONFIG, KEY),
            kubo_process(program, tmp_path / "ipfs", CONFIG, KEY),
        ):
            pass

    with pytest.raises(InputError, match="is another process using its folder or its port"):
        runner.run(again())
    assert not running(tmp_path / "ipfs")


KILLED = """
import asyncio, json, sys
from pathlib import Path
from learnae.adapters.kubo.process import kubo_process

async def main(program, folder, config, key):
    async with kubo_process(program, Path(folder), json.loads(config), key):
        print("up", flush=True)
        await asyncio.Event().wait()

asyncio.run(main(*sys.argv[1:]))
"""


@pytest.mark.real
def test_a_node_that_a_killed_process_left_is_ended_by_the_next(
    program: str, runner: asyncio.Runner, tmp_path: Path
) -> None:
    folder = tmp_path / "ipfs"
    arguments = [sys.executable, "-c", KILLED, program, str(folder), json.dumps(CONFIG), KEY]
    with subprocess.Popen(arguments, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout and process.stdout.readline() == "up\n"
        process.kill()
    assert running(folder)

    async def again() -> None:
        async with kubo_process(program, folder, CONFIG, KEY) as url:
            assert await addresses(url)

    runner.run(again())
    assert not running(folder)


@pytest.mark.real
def test_a_port_that_is_taken_is_refused(program: str, runner: asyncio.Runner, tmp_path: Path) -> None:
    async def start(port: int) -> None:
        async with kubo_process(
            program, tmp_path / "ipfs", CONFIG, KEY, [f"/ip4/127.0.0.1/tcp/{port}/p2p/{OWN.peer_id}"]
        ):
            pass

    with socket.create_server(("0.0.0.0", 0)) as taken:
        with pytest.raises(InputError, match="is another process using its folder or its port"):
            runner.run(start(taken.getsockname()[1]))
    assert not running(tmp_path / "ipfs")


@pytest.mark.parametrize("program", ["/bin/true", "/bin/false", "/dev/null"])
def test_what_is_no_kubo_is_refused(program: str, runner: asyncio.Runner, tmp_path: Path) -> None:
    async def start() -> None:
        async with kubo_process(program, tmp_path / "ipfs", CONFIG, KEY):
            pass

    with pytest.raises(InputError, match="Kubo"):
        runner.run(start())


def test_a_kubo_that_is_not_there_is_named(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="no Kubo at .*none.*make tools"):
        find_kubo(tmp_path / "none")
