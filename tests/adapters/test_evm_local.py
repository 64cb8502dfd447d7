"""The EVM of this process, and the same EVM in a process of its own."""

import asyncio
import subprocess
import sys
from collections.abc import Iterator

import pytest
from tests.adapters.chains import pay, reason, sent
from tests.adapters.evms import LocalWorld

from learnae.errors import Reason
from learnae.protocol.blockchain import Signed
from learnae.protocol.types import TxHash


@pytest.fixture
def runner() -> Iterator[asyncio.Runner]:
    with asyncio.Runner() as runner:
        yield runner


@pytest.fixture
def local(runner: asyncio.Runner) -> Iterator[LocalWorld]:
    world = LocalWorld(runner)
    yield world
    world.end()


class TestLocal:
    """What only the node in this process has."""

    def test_the_loop_goes_on_while_it_mines(self, local: LocalWorld) -> None:
        sent(local, *(pay(local, nonce) for nonce in range(10)))

        async def turns() -> int:
            mining, count = asyncio.ensure_future(local.evm.mine()), 0
            while not mining.done():
                await asyncio.sleep(0)
                count += 1
            return count

        assert local.wait(turns()) > 10

    def test_it_mines_all_the_time_if_it_is_told_to(self, local: LocalWorld) -> None:
        async def grows() -> int:
            mining = asyncio.ensure_future(local.evm.mine_every(0.01))
            while (height := (await local.payer.head()).height) < 3:
                pass
            mining.cancel()
            return height

        assert local.wait(grows()) >= 3

    @pytest.mark.parametrize("raw", ["0x", "0x00", "0x02", "0x02c0", "0xf86b", "0x" + "ff" * 200])
    def test_what_is_no_transaction_is_refused(self, local: LocalWorld, raw: str) -> None:
        signed = Signed(0, raw, TxHash(""), local.wait(local.payer.head()).genesis)
        assert reason(local, local.payer.broadcast(signed)) is Reason.INVALID_RESPONSE


class TestApart:
    """The same node in a process of its own."""

    def test_what_it_is_told_there_it_tells_here(self, runner: asyncio.Runner) -> None:
        world = LocalWorld(runner, separate=True)
        try:
            sent(world, pay(world, 0))
            world.mine()
            assert world.wait(world.node.nonce(world.payer_wallet, 1)) == 1
            assert world.evm.seconds > 0
            world.roll_back(1)
            assert world.wait(world.payer.head()).height == 0
        finally:
            world.end()

    def test_its_process_ends_with_whoever_made_it(self) -> None:
        made = (
            "from learnae.adapters.evm.local import LocalEvm; LocalEvm({}, separate=True); print(flush=True); input()"
        )
        with subprocess.Popen([sys.executable, "-c", made], stdin=subprocess.PIPE, stdout=subprocess.PIPE) as maker:
            assert maker.stdout and maker.stdout.readline()
            maker.kill()
            assert maker.stdout.read() == b""  # the end of it, when nobody holds it open any more
