"""Chains that the EVM adapter is tested on: eth-tester in this process, and Anvil on loopback."""

import asyncio
import gzip
import secrets
import subprocess
import time
from collections.abc import Coroutine, Mapping
from pathlib import Path
from threading import Event, Thread
from typing import Any, TypeVar

import pytest
from tests.adapters.chains import FINNEY
from tests.helpers.ports import free_port
from tests.helpers.waiting import HANG
from web3 import Web3
from web3.types import RPCEndpoint

from learnae.adapters.evm import EvmChain, Node, http_node
from learnae.adapters.evm.fees import FeePolicy
from learnae.adapters.evm.local import LocalEvm
from learnae.adapters.keystore import Wallet
from learnae.adapters.memory import keys
from learnae.ports import Chain
from learnae.protocol.settings import ChainSettings
from learnae.protocol.types import ETHER, Address, TxHash, Wei

T = TypeVar("T")
ANVIL = Path(__file__).parents[2] / ".tools" / "bin" / "anvil"
CHAIN_ID = 31337
WALLETS = tuple(Wallet.from_key(bytes([number]) * 32) for number in (1, 2, 3))
ALLOC = dict(zip((each.address for each in WALLETS), (Wei(100 * ETHER), Wei(ETHER), Wei(3 * FINNEY)), strict=True))


def evm_chain(node: Node, wallet: Wallet, **limits: object) -> EvmChain:
    return EvmChain(node, wallet, FeePolicy.of(ChainSettings(**limits)))  # type: ignore[arg-type]


class Evms:
    """What both worlds share: three chains on one node, and a loop to wait in."""

    def __init__(self, runner: asyncio.Runner, node: Node) -> None:
        self.runner, self.node = runner, node
        self.chains = [evm_chain(node, wallet) for wallet in WALLETS]
        self.payer: Chain = self.chains[0]
        self.payee: Chain = self.chains[1]
        self.poor: Chain = self.chains[2]
        self.payer_wallet, self.payee_wallet, self.poor_wallet = (wallet.address for wallet in WALLETS)
        self.peer = keys("1")[0]

    def wait(self, coroutine: Coroutine[Any, Any, T]) -> T:
        return self.runner.run(coroutine)

    def fee(self, hash: TxHash) -> Wei:
        mined = self.wait(self.node.receipt(hash))
        assert mined
        return Wei(mined.gas_used * mined.gas_price)


class LocalWorld(Evms):
    def __init__(self, runner: asyncio.Runner, separate: bool = False) -> None:
        self.evm = LocalEvm(ALLOC, CHAIN_ID, separate)
        super().__init__(runner, Node(self.evm, CHAIN_ID))

    def mine(self, blocks: int = 1) -> None:
        self.wait(self.evm.mine(blocks))

    def stop(self) -> None:
        self.evm.reachable = False

    def roll_back(self, blocks: int) -> None:
        self.wait(self.evm.roll_back(blocks))

    def start_anew(self) -> None:
        self.wait(self.evm.start_anew())

    def end(self) -> None:
        self.evm.close()


class Anvil:
    """One process, which mines when it is told to.

    What Anvil 1.7.1 does, found out here: `--init` cannot be combined with `--state`.  The hash of its genesis block
    follows from `--timestamp` alone, and each start makes such a block anew: with another time, a chain that was loaded
    has one of two genesis blocks.  Its clock starts at that time, too, also after a restart, so it is set each time.
    After a restart the balances of old blocks are gone.

    ``saves``: it keeps its state in ``folder`` when it is terminated, and loses what happened since when it is killed.
    """

    def __init__(self, folder: Path, alloc: Mapping[Address, Wei], *arguments: str, saves: bool = False) -> None:
        if not ANVIL.exists():
            pytest.skip("Anvil is not there: make tools")
        self._state, self._alloc, self._arguments, self._saves = folder / "state.json", alloc, arguments, saves
        self.port = free_port()  # the same ever after
        self.begin()

    def begin(self) -> None:
        """Another chain."""
        self._state.unlink(missing_ok=True)
        self._timestamp = 1_700_000_000 + secrets.randbelow(10**6)
        self.start()
        if self._saves:
            dump = bytes.fromhex(self.ask("anvil_dumpState")[2:])
            self._state.write_bytes(gzip.decompress(dump))
            self.kill()
            self.start()

    def start(self) -> None:
        """The same chain, as far as it was saved."""
        state = ("--state", str(self._state)) if self._state.exists() else ()
        own = (f"--port={self.port}", f"--timestamp={self._timestamp}", "--no-mining", "--accounts=0")
        self.process = subprocess.Popen(
            [str(ANVIL), *own, *state, *self._arguments], stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True
        )
        listening, self._log = Event(), list[str]()
        self._reader = Thread(target=self._read, args=(listening,), daemon=True)
        self._reader.start()
        if not listening.wait(HANG):
            self.kill()
            raise AssertionError("".join(self._log))
        self.web3 = Web3(Web3.HTTPProvider(self.url, {"timeout": 60}))
        self.ask("anvil_setTime", int(time.time()))
        if not state:
            for wallet, wei in self._alloc.items():
                self.ask("anvil_setBalance", wallet, hex(wei))

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    def ask(self, method: str, *params: Any) -> Any:
        answer = self.web3.provider.make_request(RPCEndpoint(method), params)
        assert "error" not in answer, answer
        return answer["result"]

    def terminate(self) -> None:
        self.process.terminate()
        self._reap()

    def kill(self) -> None:
        self.process.kill()
        self._reap()

    def _reap(self) -> None:
        self.process.wait(HANG)
        self._reader.join(HANG)
        assert self.process.stdout
        self.process.stdout.close()

    def _read(self, listening: Event) -> None:
        """To the end, or a full pipe would stop it."""
        assert self.process.stdout
        for line in self.process.stdout:
            self._log.append(line)
            if line.startswith("Listening on"):
                listening.set()


class AnvilWorld(Evms):
    def __init__(self, runner: asyncio.Runner, folder: Path, saves: bool = False) -> None:
        self.anvil = Anvil(folder, ALLOC, saves=saves)
        super().__init__(runner, http_node(self.anvil.url, CHAIN_ID, timeout=60.0))

    def mine(self, blocks: int = 1) -> None:
        self.anvil.ask("anvil_mine", hex(blocks))

    def stop(self) -> None:
        self.anvil.kill()

    def roll_back(self, blocks: int) -> None:
        self.anvil.ask("anvil_rollback", blocks)
        self.anvil.ask("anvil_dropAllTransactions")

    def start_anew(self) -> None:
        self.anvil.kill()
        self.anvil.begin()

    def end(self) -> None:
        self.wait(self.node.close())
        if self.anvil.process.poll() is None:
            self.anvil.kill()
