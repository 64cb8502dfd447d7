"""An Anvil that is nobody's in particular: outside every swarm, reachable from containers, and never empty."""

import json
import secrets
import subprocess
from collections.abc import Mapping
from ipaddress import ip_network
from pathlib import Path
from threading import Event, Lock, Thread
from typing import Any

import pytest
from tests.helpers.docker_engine import require_engine
from tests.helpers.waiting import HANG
from web3 import Web3
from web3.types import RPCEndpoint

from learnae.adapters.keystore import Wallet
from learnae.backends.compose.docker_cli import docker
from learnae.protocol.types import Address, Wei

ANVIL = Path(__file__).parents[2] / ".tools" / "bin" / "anvil"
CHAIN_ID = 4242
EVERY = 0.3  # s from one transfer of the stranger's to the next
SECRET = "s3cret-of-the-provider"


def gateway() -> str:
    """This machine's address on Docker's own bridge: containers reach it, and nobody elsewhere does."""
    require_engine()
    [bridge] = json.loads(docker("network", "inspect", "bridge", "--format", "{{json .IPAM.Config}}"))
    return bridge.get("Gateway") or str(ip_network(bridge["Subnet"])[1])  # an engine that has just made it names none


class ForeignAnvil:
    """``with``: it lives meanwhile, and a stranger sends money around on it.  ``url`` holds ``SECRET``."""

    def __init__(self, host: str, *arguments: str) -> None:
        if not ANVIL.exists():
            pytest.skip("Anvil is not there: make tools")
        self._host, self._over, self._giving = host, Event(), Lock()
        own = (f"--host={host}", "--port=0", f"--chain-id={CHAIN_ID}", "--block-time=1", "--accounts=1")
        self._command = [str(ANVIL), *own, *arguments]

    def __enter__(self) -> "ForeignAnvil":
        self._process = subprocess.Popen(self._command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)
        listening = Event()
        self._threads = [Thread(target=self._read, args=(listening,), daemon=True)]
        self._threads[0].start()
        if not listening.wait(HANG):
            self._process.kill()
            self._threads[0].join(HANG)
            self._process.communicate()
            raise AssertionError(f"no chain came up: {' '.join(self._command)}")
        self.url = f"http://{self._host}:{self._port}/?key={SECRET}"
        self.web3 = Web3(Web3.HTTPProvider(self.url, {"timeout": 60}))
        self.stranger = Address(self.web3.eth.accounts[0].lower())
        self._threads.append(Thread(target=self._busy, daemon=True))
        self._threads[1].start()
        return self

    def __exit__(self, *_: object) -> None:
        self._over.set()
        self._threads[1].join(HANG)
        self._process.kill()
        self._process.wait(HANG)
        self._threads[0].join(HANG)
        assert self._process.stdout
        self._process.stdout.close()

    def ask(self, method: str, *params: Any) -> Any:
        answer = self.web3.provider.make_request(RPCEndpoint(method), params)
        assert "error" not in answer, answer
        return answer["result"]

    def give(self, wallet: Address, wei: Wei) -> None:
        """The stranger does; it is not waited for."""
        with self._giving:  # or two transactions would get the same nonce
            self.ask("eth_sendTransaction", {"from": self.stranger, "to": wallet, "value": hex(wei)})

    def balance(self, wallet: Address) -> int:
        return int(self.ask("eth_getBalance", wallet, "latest"), 16)

    def fund(self, wallet: Wallet, wei: Wei) -> None:
        self.ask("anvil_setBalance", wallet.address, hex(wei))

    def sent_by(self, wallets: Mapping[Address, object]) -> int:
        """Wei of gas that these accounts have spent, by the blocks."""
        gas = 0
        for number in range(self.web3.eth.block_number + 1):
            for each in self.ask("eth_getBlockByNumber", hex(number), True)["transactions"]:
                if each["from"].lower() in wallets:
                    receipt = self.ask("eth_getTransactionReceipt", each["hash"])
                    gas += int(receipt["gasUsed"], 16) * int(receipt["effectiveGasPrice"], 16)
        return gas

    def _busy(self) -> None:
        while not self._over.wait(EVERY):
            self.give(Address("0x" + secrets.token_hex(20)), Wei(secrets.randbelow(10**9)))

    def _read(self, listening: Event) -> None:
        """To the end, or a full pipe would stop it."""
        assert self._process.stdout
        for line in self._process.stdout:
            if line.startswith("Listening on"):
                self._port = int(line.rsplit(":", 1)[1])
                listening.set()
