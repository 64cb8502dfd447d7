"""An Ethereum node that needs nothing but Python: a provider for ``Node`` in front of a ``Tester``.

The EVM works in a thread, or in a process of its own, where it holds up nobody's interpreter; either way the event loop
goes on meanwhile.  Between two blocks an answer stays what it is: what many ask is worked out once.
"""

import asyncio
import multiprocessing
import signal
import time
from collections.abc import Callable, Mapping
from concurrent.futures import ThreadPoolExecutor
from multiprocessing.connection import Connection
from typing import Any, Protocol, TypeVar

from web3 import AsyncEthereumTesterProvider
from web3.providers.async_base import AsyncBaseProvider
from web3.types import RPCEndpoint, RPCResponse

from learnae.adapters.evm.rpc import SEND
from learnae.protocol.types import Address, Wei

T = TypeVar("T")


class LocalEvm(AsyncEthereumTesterProvider):
    """A provider for ``Node``.  Blocks are made by ``mine``, or all the time by ``mine_every``.

    ``apart``: in a process of its own, which is waited for here and ends with ``close`` or with this process.
    ``seconds``: of processor time that the EVM has taken.
    """

    def __init__(self, alloc: Mapping[Address, Wei], chain_id: int = 31337, apart: bool = False) -> None:
        AsyncBaseProvider.__init__(self)  # the parent's would make a chain that nobody uses
        self.reachable, self.seconds = True, 0.0
        self._answers: dict[tuple[RPCEndpoint, str], RPCResponse] = {}  # since the last block
        self._thread = ThreadPoolExecutor(1, "evm")
        self._place: EvmHost = (SeparateProcess if apart else InProcess)(alloc, chain_id)

    async def make_request(self, method: RPCEndpoint, params: Any) -> RPCResponse:
        if not self.reachable:
            raise ConnectionError("stopped")
        question = (method, repr(params))
        found = self._answers.get(question)
        if found is None:
            return await self._in_thread(self._answer, question, params)
        await asyncio.sleep(0)  # who asks in a loop must let others have their turn
        return found

    async def mine(self, blocks: int = 1) -> None:
        for _ in range(blocks):
            await self._in_thread(self._change, "mine")

    async def mine_every(self, seconds: float) -> None:
        """Mine blocks until cancelled, as long as the node is reachable."""
        while True:
            await asyncio.sleep(seconds)
            if self.reachable:
                await self.mine()

    # what can be provoked

    async def roll_back(self, blocks: int) -> None:
        """Lose the last blocks and all that was waiting: a node killed before it could save."""
        await self._in_thread(self._change, "roll_back", blocks)

    async def start_anew(self) -> None:
        """Another chain with the same id and the same accounts."""
        await self._in_thread(self._change, "start_anew")

    def close(self) -> None:
        self._thread.shutdown()
        self._place.close()

    # in the thread

    def _answer(self, question: tuple[RPCEndpoint, str], params: Any) -> RPCResponse:
        if question not in self._answers:
            answer: RPCResponse = self._do("answer", question[0], params)
            if question[0] == SEND:
                return answer
            self._answers[question] = answer
        return self._answers[question]

    def _change(self, method: str, *arguments: Any) -> None:
        self._do(method, *arguments)
        self._answers = {}

    def _do(self, method: str, *arguments: Any) -> Any:
        result, self.seconds = self._place.do(method, *arguments)
        return result

    async def _in_thread(self, work: Callable[..., T], *arguments: Any) -> T:
        return await asyncio.get_running_loop().run_in_executor(self._thread, work, *arguments)


class EvmHost(Protocol):
    """Where the tester is.  It is made in one thread and asked from another."""

    def do(self, method: str, *arguments: Any) -> tuple[Any, float]:
        """What that method of the tester returns, and the seconds of processor time that it has taken so far."""

    def close(self) -> None: ...


class InProcess:
    def __init__(self, alloc: Mapping[Address, Wei], chain_id: int) -> None:
        from learnae.adapters.evm.tester import Tester  # whoever has it elsewhere need not import py-evm

        self._tester = Tester(alloc, chain_id)

    def do(self, method: str, *arguments: Any) -> tuple[Any, float]:
        return getattr(self._tester, method)(*arguments), time.thread_time()

    def close(self) -> None:
        pass


class SeparateProcess:
    def __init__(self, alloc: Mapping[Address, Wei], chain_id: int) -> None:
        context = multiprocessing.get_context("spawn")
        self._pipe, theirs = context.Pipe()
        self._process = context.Process(target=serve, args=(theirs, alloc, chain_id), name="evm", daemon=True)
        self._process.start()
        theirs.close()  # so that either side notices the end of the other
        self._pipe.recv()  # it is up: what is asked afterwards has a deadline

    def do(self, method: str, *arguments: Any) -> tuple[Any, float]:
        try:
            self._pipe.send((method, arguments))
            answer: tuple[Any, float] = self._pipe.recv()
        except EOFError:
            raise ConnectionError("the process of the EVM has ended") from None
        return answer

    def close(self) -> None:
        self._pipe.close()
        self._process.join()


def serve(pipe: Connection, alloc: Mapping[Address, Wei], chain_id: int) -> None:
    """The process of an ``SeparateProcess``: until the other side is gone."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C is for whoever asks, who may still want an export
    from learnae.adapters.evm.tester import Tester

    tester = Tester(alloc, chain_id)
    pipe.send(None)
    while True:
        try:
            method, arguments = pipe.recv()
        except (EOFError, OSError):
            return
        pipe.send((getattr(tester, method)(*arguments), time.process_time()))
