"""An Ethereum node in pure Python: a provider for ``Node`` that runs a ``Tester``.

The EVM runs in a thread, or in a separate process, where it does not occupy this interpreter; neither blocks the event
loop.  Answers do not change between two blocks, so each is computed once.
"""

import asyncio
import multiprocessing
import signal
import time
from collections.abc import Callable, Mapping
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from multiprocessing.connection import Connection
from typing import Any, Protocol, TypeVar

from learnae.adapters.evm.rpc import SEND
from learnae.errors import child_ended
from learnae.protocol.types import Address, Wei

T = TypeVar("T")


class LocalEvm:
    """A provider for ``Node``.  ``mine`` adds blocks, ``mine_every`` continuously.

    ``contracts``: code in the genesis block, by address.
    ``separate``: run in a separate process, which ends with ``close`` or with this process.
    ``seconds``: CPU time used by the EVM.
    """

    def __init__(
        self,
        alloc: Mapping[Address, Wei],
        chain_id: int = 31337,
        separate: bool = False,
        contracts: Mapping[Address, bytes] | None = None,
    ) -> None:
        self.reachable, self.seconds = True, 0.0
        self._answers: dict[tuple[str, str], Any] = {}  # since the last block
        self._thread = ThreadPoolExecutor(1, "evm")
        self._host: EvmHost = (SeparateProcess if separate else InProcess)(alloc, chain_id, contracts or {})

    async def make_request(self, method: str, params: Any) -> Any:
        if not self.reachable:
            raise ConnectionError("stopped")
        request = (method, repr(params))
        answer = self._answers.get(request)
        if answer is None:
            return await self._in_thread(self._answer, request, params)
        await asyncio.sleep(0)  # a caller that polls in a loop must let other tasks run
        return answer

    async def mine(self, blocks: int = 1) -> None:
        for _ in range(blocks):
            await self._in_thread(self._change, "mine")

    async def mine_every(self, seconds: float) -> None:
        """Mine blocks until cancelled, as long as the node is reachable."""
        while True:
            await asyncio.sleep(seconds)
            if self.reachable:
                await self.mine()

    # faults

    async def roll_back(self, blocks: int) -> None:
        """Lose the last blocks and all waiting transactions, like a node that is killed before it saves its state."""
        await self._in_thread(self._change, "roll_back", blocks)

    async def start_anew(self) -> None:
        """Replace the chain by another one with the same id and the same accounts."""
        await self._in_thread(self._change, "start_anew")

    def close(self) -> None:
        self._thread.shutdown()
        self._host.close()

    # in the thread

    def _answer(self, request: tuple[str, str], params: Any) -> Any:
        if request not in self._answers:
            answer = self._do("answer", request[0], params)
            if request[0] == SEND:
                return answer
            self._answers[request] = answer
        return self._answers[request]

    def _change(self, method: str, *arguments: Any) -> None:
        self._do(method, *arguments)
        self._answers = {}

    def _do(self, method: str, *arguments: Any) -> Any:
        result, self.seconds = self._host.do(method, *arguments)
        return result

    async def _in_thread(self, work: Callable[..., T], *arguments: Any) -> T:
        return await asyncio.get_running_loop().run_in_executor(self._thread, work, *arguments)


class EvmHost(Protocol):
    """Runs the tester, which is created in one thread and called from another."""

    def do(self, method: str, *arguments: Any) -> tuple[Any, float]:
        """Call a method of the tester; return its result and the CPU time used so far, in s."""

    def close(self) -> None: ...


class InProcess:
    def __init__(self, alloc: Mapping[Address, Wei], chain_id: int, contracts: Mapping[Address, bytes]) -> None:
        from learnae.adapters.evm.tester import Tester  # not at the top: a separate process needs no py-evm here

        self._tester = Tester(alloc, chain_id, contracts)

    def do(self, method: str, *arguments: Any) -> tuple[Any, float]:
        return getattr(self._tester, method)(*arguments), time.thread_time()

    def close(self) -> None:
        pass


class SeparateProcess:
    def __init__(self, alloc: Mapping[Address, Wei], chain_id: int, contracts: Mapping[Address, bytes]) -> None:
        context = multiprocessing.get_context("spawn")
        self._pipe, theirs = context.Pipe()
        self._process = context.Process(
            target=serve, args=(theirs, alloc, chain_id, contracts), name="evm", daemon=True
        )
        self._process.start()
        theirs.close()  # so that each side notices when the other ends
        self._received()  # wait until it is ready, because later calls have deadlines

    def do(self, method: str, *arguments: Any) -> tuple[Any, float]:
        with suppress(OSError):  # it has ended
            self._pipe.send((method, arguments))
        answer: tuple[Any, float] = self._received()
        return answer

    def _received(self) -> Any:
        """Raises InputError: its chain is lost with it, so the session cannot continue."""
        try:
            return self._pipe.recv()
        except (EOFError, OSError):
            self._process.join()
            advice = "check that this machine has enough memory, and run the session again"
            raise child_ended("the process of the EVM", self._process.exitcode, advice) from None

    def close(self) -> None:
        self._pipe.close()
        self._process.join()


def serve(pipe: Connection, alloc: Mapping[Address, Wei], chain_id: int, contracts: Mapping[Address, bytes]) -> None:
    """Main function of a ``SeparateProcess``: serve until the other side closes the pipe."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # the parent handles Ctrl-C and may still need an export
    from learnae.adapters.evm.tester import Tester

    tester = Tester(alloc, chain_id, contracts)
    pipe.send(None)
    while True:
        try:
            method, arguments = pipe.recv()
        except (EOFError, OSError):
            return
        pipe.send((getattr(tester, method)(*arguments), time.process_time()))
