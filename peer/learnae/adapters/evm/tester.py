"""eth-tester's EVM with a pool of waiting transactions, as a synchronous Ethereum node.

eth-tester mines every transaction at once and rejects a nonce that arrives early.  Real nodes do not: a payer must
handle replacements, fees and gaps.  This pool accepts, replaces and refuses transactions as they do.
"""

import sys
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from os import urandom
from typing import Any

from eth.constants import ZERO_ADDRESS
from eth.exceptions import PyEVMError
from eth_account import Account
from eth_account.typed_transactions.typed_transaction import TypedTransaction
from eth_tester import EthereumTester, PyEVMBackend
from eth_tester.exceptions import BlockNotFound, TransactionFailed
from eth_tester.exceptions import ValidationError as BadRequest
from eth_utils.crypto import keccak
from eth_utils.exceptions import ValidationError
from hexbytes import HexBytes
from rlp.exceptions import RLPException
from web3 import EthereumTesterProvider, Web3
from web3.providers.eth_tester.middleware import transaction_result_remapper

from learnae.adapters.evm.rpc import SEND
from learnae.protocol.types import Address, Wei

CALLER = Address("0x" + "ca11" * 10)  # an account with money, because eth-tester charges for calls
REFUSALS = (ValidationError, BadRequest, BlockNotFound, TransactionFailed, PyEVMError, RecursionError)
RECURSION = 3000  # Python frames


class TransactionRefused(Exception):
    """The text is the error of other nodes."""


@dataclass(frozen=True, slots=True)
class PoolTransaction:
    raw: bytes
    hash: bytes
    sender: bytes
    nonce: int
    tip: int
    max_fee: int
    cost: int

    @staticmethod
    def read(raw: bytes) -> "PoolTransaction":
        try:
            fields = TypedTransaction.from_bytes(HexBytes(raw)).as_dict()
            sender = bytes.fromhex(Account.recover_transaction(raw)[2:])
            tip, max_fee = fields["maxPriorityFeePerGas"], fields["maxFeePerGas"]
        except (ValueError, TypeError, KeyError, RLPException) as error:
            raise TransactionRefused(f"not a signed EIP-1559 transaction: {error}") from None
        return PoolTransaction(
            raw, keccak(raw), sender, fields["nonce"], tip, max_fee, fields["value"] + fields["gas"] * max_fee
        )

    def replaces(self, other: "PoolTransaction") -> bool:
        """Nodes require a tenth more for both fees."""
        return 10 * self.tip >= 11 * other.tip and 10 * self.max_fee >= 11 * other.max_fee


class Tester:
    """The node.  ``alloc``: balances in its genesis block; ``contracts``: the code of the contracts in it."""

    def __init__(self, alloc: Mapping[Address, Wei], chain_id: int, contracts: Mapping[Address, bytes]) -> None:
        # py-evm raises it to 12,288, for contracts that call contracts; then deeply nested JSON overflows the C stack.
        sys.setrecursionlimit(min(sys.getrecursionlimit(), RECURSION))
        self._alloc, self._chain_id, self._contracts = alloc, chain_id, contracts
        self._own: dict[str, Callable[[Any], object]] = {
            "eth_chainId": lambda _: self._chain_id,
            SEND: lambda params: self._accept(bytes(HexBytes(params[0]))),
            "eth_getTransactionReceipt": lambda params: self._receipt(bytes(HexBytes(params[0]))),
            "eth_call": lambda params: self._call(params[0]),
            "eth_getBlockByNumber": lambda params: self._block(*params),
        }
        self.start_anew()

    def answer(self, method: str, params: Any) -> Any:
        try:
            if method not in self._own:
                return self._rpc(method, params)
            return {"jsonrpc": "2.0", "id": 0, "result": self._own[method](params)}
        except (TransactionRefused, *REFUSALS) as error:
            return {"jsonrpc": "2.0", "id": 0, "error": {"code": -32000, "message": str(error)}}

    def start_anew(self) -> None:
        """Another chain with the same id and the same accounts."""
        genesis = PyEVMBackend.generate_genesis_params({"extra_data": urandom(32)})
        alloc = {CALLER: 10**30, **self._alloc}
        accounts = {bytes.fromhex(wallet[2:]): _account(wei) for wallet, wei in alloc.items()}
        accounts |= {bytes.fromhex(address[2:]): _account(0, code) for address, code in self._contracts.items()}
        self._evm = PyEVMBackend(genesis, accounts)
        type(self._evm.chain).chain_id = self._chain_id  # each backend has its own class
        self._tester = EthereumTester(self._evm)
        web3 = Web3(EthereumTesterProvider(self._tester), middleware=[])
        self._rpc: Callable[[Any, Any], Any] = web3.provider.request_func(web3, web3.middleware_onion)
        self._pool: list[PoolTransaction] = []
        self._mined: dict[bytes, int] = {}  # transactions and their blocks
        self._receipts: dict[bytes, object] = {}

    def _accept(self, raw: bytes) -> str:
        new = PoolTransaction.read(raw)
        rival = next(
            (waiting for waiting in self._pool if (waiting.sender, waiting.nonce) == (new.sender, new.nonce)), None
        )
        if new.hash in self._mined or new == rival:
            raise TransactionRefused("already known")
        if new.nonce < self._evm.get_nonce(new.sender):
            raise TransactionRefused("nonce too low")
        if rival and not new.replaces(rival):
            raise TransactionRefused("replacement transaction underpriced")
        if self._evm.get_balance(new.sender) < new.cost:
            raise TransactionRefused("insufficient funds for gas * price + value")
        self._pool = [waiting for waiting in self._pool if waiting is not rival] + [new]
        return "0x" + new.hash.hex()

    def mine(self) -> None:
        """Mine a block of all transactions that fit, in order of arrival; those of one sender in order of nonce."""
        ready, chain = self._ready(), self._evm.chain
        decode = chain.get_vm().get_transaction_builder().decode
        try:
            # Applying them one by one would recompute the tries of the whole block each time.
            chain.mine_all(
                [decode(waiting.raw) for waiting in ready], coinbase=ZERO_ADDRESS, mix_hash=urandom(32), blob_gas_used=0
            )
        except REFUSALS:  # a fee is too low now, a balance is spent, or the block is full
            ready = list(self._applied(ready))
            self._evm.mine_blocks()
        self._mined |= dict.fromkeys((waiting.hash for waiting in ready), self._height)
        self._pool = [waiting for waiting in self._pool if waiting not in ready]

    def _ready(self) -> list[PoolTransaction]:
        """The transactions whose nonce is the next one of the sender."""
        ready: list[PoolTransaction] = []
        nonces = {sender: self._evm.get_nonce(sender) for sender in {waiting.sender for waiting in self._pool}}
        while True:
            before = len(ready)
            for waiting in self._pool:
                if waiting.nonce == nonces[waiting.sender]:
                    nonces[waiting.sender] += 1
                    ready.append(waiting)
            if len(ready) == before:
                return ready

    def _applied(self, ready: Sequence[PoolTransaction]) -> Iterator[PoolTransaction]:
        """Apply transactions and yield those that the next block can hold."""
        for waiting in ready:
            with suppress(*REFUSALS):  # rejected transactions wait, and with them the later nonces of the same sender
                self._evm.send_raw_transaction(waiting.raw)
                yield waiting

    @property
    def _height(self) -> int:
        return int(self._evm.chain.get_canonical_head().block_number)

    def _receipt(self, hash: bytes) -> object:
        """Cached, because eth-tester searches the whole chain for each receipt."""
        if hash in self._mined and hash not in self._receipts:
            answer = self._rpc("eth_getTransactionReceipt", ["0x" + hash.hex()])
            self._receipts[hash] = answer["result"]
        return self._receipts.get(hash)

    def _call(self, transaction: dict[str, Any]) -> object:
        limits = {"gas": int(transaction["gas"], 16), "max_fee_per_gas": 10**15, "max_priority_fee_per_gas": 0}
        return self._tester.call(transaction | limits | {"from": CALLER})

    def _block(self, number: str | int, full: bool = False) -> object:
        block = self._rpc("eth_getBlockByNumber", [number, full])["result"]
        if block and full:  # web3 converts blocks and transactions, but not transactions in blocks
            block = block | {"transactions": [transaction_result_remapper(item) for item in block["transactions"]]}
        return block

    def roll_back(self, blocks: int) -> None:
        """Lose the last blocks and all waiting transactions, like a node that is killed before it saves its state."""
        height = max(0, self._height - blocks)
        self._evm.revert_to_snapshot(self._evm.get_block_by_number(height)["hash"])
        self._mined = {hash: block for hash, block in self._mined.items() if block <= height}
        self._pool, self._receipts = [], {}


def _account(wei: int, code: bytes = b"") -> dict[str, object]:
    return {"balance": wei, "nonce": 0, "code": code, "storage": {}}
