"""The EVM adapter keeps the promises of ports.Chain on eth-tester and on Anvil, whatever happens to them."""

import asyncio
from collections.abc import Iterator
from pathlib import Path

import pytest
from tests.ports.chains import ChainSuite
from tests.ports.evms import AnvilWorld, LocalWorld


@pytest.fixture
def runner() -> Iterator[asyncio.Runner]:
    with asyncio.Runner() as runner:
        yield runner


class TestLocalEvm(ChainSuite):
    @pytest.fixture
    def world(self, runner: asyncio.Runner) -> Iterator[LocalWorld]:
        world = LocalWorld(runner)
        yield world
        world.end()


class TestAnvil(ChainSuite):
    @pytest.fixture
    def world(self, runner: asyncio.Runner, tmp_path: Path) -> Iterator[AnvilWorld]:
        world = AnvilWorld(runner, tmp_path)
        yield world
        world.end()
