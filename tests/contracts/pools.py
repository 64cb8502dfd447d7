"""The fee pool on two EVMs: a contract of each test's own, and wallets with their DPoIDs to call it with."""

import json
from collections.abc import Callable
from pathlib import Path

from eth_tester import EthereumTester, PyEVMBackend
from hexbytes import HexBytes
from tests.adapters.evms import Anvil
from web3 import EthereumTesterProvider, Web3
from web3.types import TxReceipt

from learnae import resources
from learnae.adapters.evm import dpoid, fee_pool
from learnae.adapters.keystore import Wallet
from learnae.messages.ids import peer_id
from learnae.messages.pool_calls import GET_STATE, decode_state, encode_call
from learnae.protocol.blockchain import Deposit, PoolCall, PoolState, PoolTerms
from learnae.protocol.types import ETHER, Address, Poid, Wei

ARTEFACT = json.loads(resources.FEE_POOL.read_text(encoding="utf-8"))
WALLETS = tuple(Wallet.from_key(bytes([number]) * 32) for number in range(1, 34))
PRICE = 10**10  # wei per gas; the base fee is burnt, the rest goes to nobody who is asked about


class Evm:
    """Every transaction is mined at once, at the time that is set.  ``ahead``: the chain's clock, by the test."""

    def __init__(self, web3: Web3, at: Callable[[int], None], mined: Callable[[], object], wallets: int) -> None:
        self.web3, self._at, self._mined = web3, at, mined
        self.wallets, self.nonces = WALLETS[:wallets], dict.fromkeys(WALLETS, 0)
        self.now: int = web3.eth.get_block("latest")["timestamp"]
        poids = [Poid(peer_id(bytes([number]) * 32), each.address) for number, each in enumerate(self.wallets, 1)]
        self.dpoids = [
            self.deploy(each, dpoid.deployment_data(poid)) for each, poid in zip(self.wallets, poids, strict=True)
        ]

    def send(
        self, wallet: Wallet, data: bytes, to: str | None, wei: int = 0, seconds: int = 1, gas: int = 5_000_000
    ) -> TxReceipt:
        """``seconds``: by which the clock goes on before."""
        self.now += seconds
        self._at(self.now)
        fees = {"type": 2, "maxFeePerGas": PRICE, "maxPriorityFeePerGas": PRICE, "gas": gas}
        target = {
            "chainId": self.web3.eth.chain_id,
            "nonce": self.nonces[wallet],
            "to": bytes.fromhex((to or "0x")[2:]),
        }
        hash = self.web3.eth.send_raw_transaction(wallet.sign(fees | target | {"value": wei, "data": data}))
        self.nonces[wallet] += 1
        self._mined()
        receipt = self.web3.eth.get_transaction_receipt(hash)
        assert self.web3.eth.get_block(receipt["blockNumber"])["timestamp"] == self.now
        return receipt

    def deploy(self, wallet: Wallet, data: bytes) -> Address:
        address = self.send(wallet, data, None)["contractAddress"]
        assert address
        return Address(address.lower())

    def pool(self, terms: PoolTerms) -> "EvmPool":
        arguments = b"".join(number.to_bytes(32) for number in (terms.fee, terms.stake, terms.places, terms.window))
        address = self.deploy(self.wallets[0], bytes.fromhex(ARTEFACT["creation"][2:]) + arguments)
        assert self.web3.eth.get_code(Web3.to_checksum_address(address)) == HexBytes(fee_pool.runtime_code(terms))
        return EvmPool(self, terms, address)


class EvmPool:
    def __init__(self, evm: Evm, terms: PoolTerms, address: Address) -> None:
        self.evm, self.terms, self.address = evm, terms, address
        self.gas: list[int] = []  # of each call
        self.refused: list[int] = []  # numbers of calls

    def call(self, index: int, call: PoolCall, wei: int | None = None, seconds: int = 1) -> Wei | None:
        """What the caller is paid; None if the pool refuses."""
        wallet = self.evm.wallets[index]
        wei = (self.terms.deposit if isinstance(call, Deposit) else 0) if wei is None else wei
        before = self.balance()
        receipt = self.evm.send(wallet, encode_call(call), self.address, wei, seconds)
        self.gas.append(receipt["gasUsed"])
        if not receipt["status"]:
            self.refused.append(len(self.gas) - 1)
            assert self.balance() == before
            return None
        return Wei(before + wei - self.balance())

    def balance(self) -> int:
        return self.evm.web3.eth.get_balance(Web3.to_checksum_address(self.address))

    def state(self) -> PoolState:
        call = {
            "from": Web3.to_checksum_address(WALLETS[0].address),
            "to": Web3.to_checksum_address(self.address),
            "data": "0x" + GET_STATE.hex(),
            "gas": 200_000,
        }
        return decode_state(bytes(self.evm.web3.eth.call(call)))  # type: ignore[arg-type]


def eth_tester(wallets: int) -> Evm:
    accounts = {bytes.fromhex(each.address[2:]): _account() for each in WALLETS}
    tester = EthereumTester(PyEVMBackend(PyEVMBackend.generate_genesis_params({}), accounts))
    provider = EthereumTesterProvider(tester)
    return Evm(Web3(provider), lambda now: _travel(tester, now), lambda: None, wallets)


def _travel(tester: EthereumTester, now: int) -> None:
    """The block that is being filled has this time."""
    pending = tester.backend.chain.header.timestamp
    if now != pending:
        tester.time_travel(now)


def _account() -> dict[str, object]:
    return {"balance": 1000 * ETHER, "nonce": 0, "code": b"", "storage": {}}


def anvil(folder: Path, wallets: int) -> tuple[Evm, Anvil]:
    node = Anvil(folder, {each.address: Wei(1000 * ETHER) for each in WALLETS})
    node.ask("evm_mine")  # the first block has the present time, which no later one may precede

    def at(now: int) -> None:
        node.ask("evm_setNextBlockTimestamp", now)

    return Evm(node.web3, at, lambda: node.ask("evm_mine"), wallets), node
