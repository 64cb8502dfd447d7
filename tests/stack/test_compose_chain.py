"""The swarm's chain outlives a kill, whatever that left of the file that Anvil was writing."""

import asyncio
import json
import os
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from tests.helpers.docker_engine import require_engine
from tests.helpers.waiting import until
from tests.stack.compose_swarm import PROJECT

from learnae.backends.compose import images
from learnae.backends.compose.container_lifecycle import sound
from learnae.backends.compose.docker_cli import docker
from learnae.backends.pods.files import _write_chain

pytestmark = pytest.mark.docker

NAME = f"{PROJECT}-kept"


@pytest.fixture
def chain(tmp_path: Path) -> Iterator[Path]:
    """The folder of a chain that runs and makes a block each second."""
    require_engine()
    asyncio.run(images.build(PROJECT))
    folder = tmp_path / "chain"
    _write_chain(folder, {}, {})
    environment = [f"--env={each}" for each in ("CHAIN_ID=31337", "BLOCK_TIME=1", f"GENESIS={int(time.time())}")]
    place = ["--network=none", f"--user={os.getuid()}:{os.getgid()}", f"--volume={folder}:/chain"]
    docker("run", "--detach", "--init", f"--name={NAME}", *place, *environment, f"{PROJECT}-chain")
    try:
        yield folder
    finally:
        docker("rm", "-f", NAME)


def state(path: Path) -> dict[str, Any] | None:
    """What Anvil wrote, if it is whole."""
    told = path.read_bytes() if path.is_file() else b""
    found: dict[str, Any] | None = json.loads(told) if sound(told) else None
    return found


def height(path: Path) -> int:
    found = state(path)
    return int(found["best_block_number"]) if found else -1


def test_half_a_file_is_replaced_by_the_last_sound_one(chain: Path) -> None:
    written, kept = chain / "state.json", chain / "kept.json"
    until(lambda: height(kept) >= 2)
    docker("kill", NAME)
    before = state(kept)
    assert before
    written.write_bytes(written.read_bytes()[: written.stat().st_size // 2])
    docker("start", NAME)
    until(lambda: height(written) > int(before["best_block_number"]))
    after = state(written)
    assert after and [block for block in before["blocks"] if block not in after["blocks"]] == []
