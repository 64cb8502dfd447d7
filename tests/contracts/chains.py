"""Two EVMs that the contract is deployed on, without the adapter: eth-tester's and Anvil's."""

from collections.abc import Callable
from pathlib import Path

from eth_typing import ChecksumAddress
from tests.adapters.evms import Anvil
from web3 import EthereumTesterProvider, Web3
from web3.types import TxReceipt

from learnae.adapters.keystore import Wallet
from learnae.protocol.types import ETHER, Wei

WALLET = Wallet.from_key(b"\x07" * 32)
GAS = 1_000_000


class Deployer:
    """One wallet whose every transaction is mined at once.  ``made`` counts them."""

    def __init__(self, web3: Web3, mined: Callable[[], object]) -> None:
        self.web3, self._mined, self.made = web3, mined, 0

    def send(self, data: bytes, to: str | None = None, wei: int = 0) -> TxReceipt:
        chain_id = self.web3.eth.chain_id
        fees = {"type": 2, "maxFeePerGas": 10**11, "maxPriorityFeePerGas": 10**9, "gas": GAS}
        target = {"chainId": chain_id, "nonce": self.made, "to": bytes.fromhex(to[2:]) if to else b""}
        raw = WALLET.sign(fees | target | {"value": wei, "data": data})
        hash = self.web3.eth.send_raw_transaction(raw)
        self.made += 1
        self._mined()
        return self.web3.eth.get_transaction_receipt(hash)

    def deploy(self, data: bytes) -> ChecksumAddress:
        """Where the contract is."""
        address = self.send(data)["contractAddress"]
        assert address
        return address


def eth_tester() -> Deployer:
    web3 = Web3(EthereumTesterProvider())
    rich = web3.eth.accounts[0]
    web3.eth.send_transaction(
        {"from": rich, "to": Web3.to_checksum_address(WALLET.address), "value": Web3.to_wei(1000, "ether")}
    )
    return Deployer(web3, lambda: None)


def anvil(folder: Path) -> tuple[Deployer, Anvil]:
    node = Anvil(folder, {WALLET.address: Wei(1000 * ETHER)})
    return Deployer(node.web3, lambda: node.ask("anvil_mine", "0x1")), node
