"""The chain in memory: accounts, blocks, gas and nonces of an EVM chain, without an EVM.

A block is due every ``block_time`` seconds of the given clock.  Tests and faults can stall the chain, roll back its
last blocks and replace it by another chain.
"""

import json
from collections.abc import Callable
from dataclasses import dataclass, field, replace

from learnae.adapters.memory_chain.encoding import decode_cids, decode_poid, hash_of
from learnae.adapters.memory_chain.fee_pool import MemoryFeePool, Reverted
from learnae.messages.pool_calls import decode_call
from learnae.protocol.blockchain import POOL, Deposit, Head, PoolTerms, Receipt
from learnae.protocol.types import Address, Poid, TxHash, Wei
from learnae.records.chain_export import Balances, Block, ChainRecord, ChainTransaction, Genesis

DEPLOY_GAS = 102_000  # measured for DPoID.sol
TRANSFER_GAS = 21_000
MODEL_GAS = 1_440  # for each CID in the calldata of a transfer
EPOCH = 1_700_000_000  # chain time at session second 0, Unix seconds


def pay_gas(models: int) -> int:
    """Gas of a payment that names so many models."""
    return TRANSFER_GAS + MODEL_GAS * models


@dataclass(frozen=True)
class Contract:
    """A DPoID contract: its two immutable fields and where it was deployed."""

    poid: Poid
    timestamp: int
    block: int
    index: int
    tx: TxHash
    deployer: Address
    genuine: bool = True  # has the known code


@dataclass
class MemoryChain:
    clock: Callable[[], float]
    alloc: dict[Address, Wei]
    chain_id: int = 31337
    block_time: float = 1.0
    gas_price: Wei = Wei(2 * 10**9)
    reachable: bool = True
    reverting: set[Address] = field(default_factory=set)  # accounts that revert when they are paid
    pool_terms: PoolTerms | None = None  # of the session's fee pool, if it has one
    generation: int = 0  # number of chains before this one; part of the genesis hash
    forks: int = 0

    def __post_init__(self) -> None:
        self._reset()

    def _reset(self) -> None:
        self.genesis = hash_of("genesis", self.chain_id, self.generation, sorted(self.alloc.items()))
        self.blocks: list[Block] = []
        self._pool: list[ChainTransaction] = []
        self._offset = self.clock() // self.block_time  # blocks of earlier chains, forks and stalls
        self._recompute_state()

    def _recompute_state(self) -> None:
        """Compute accounts, contracts and receipts from the blocks."""
        self.balances = dict(self.alloc)
        self.nonces: dict[Address, int] = {}
        self.contracts: dict[Address, Contract] = {}
        self.receipts: dict[TxHash, Receipt] = {}
        self.fee_pool = MemoryFeePool(self.pool_terms) if self.pool_terms else None
        for block in self.blocks:
            for index, transaction in enumerate(block.transactions):
                self._apply(transaction, block.number, index, block.timestamp)

    # what a node does

    @property
    def height(self) -> int:
        self.mine_due()
        return len(self.blocks)

    def head(self) -> Head:
        self.mine_due()
        last = self.blocks[-1] if self.blocks else None
        return Head(
            self.genesis, len(self.blocks), last.hash if last else self.genesis, last.timestamp if last else EPOCH
        )

    def submit(self, raw: str) -> None:
        self.mine_due()
        fields = json.loads(raw)
        sender, nonce = Address(fields["from"]), int(fields["nonce"])
        if TxHash(hash_of(raw)) in self.receipts or nonce < self.nonces.get(sender, 0):
            return
        transaction = self._transaction(raw, fields)
        rivals = [waiting for waiting in self._pool if (waiting.sender, waiting.nonce) == (sender, nonce)]
        if any(rival.gas_price >= transaction.gas_price for rival in rivals):
            return
        self._pool = [waiting for waiting in self._pool if waiting not in rivals] + [transaction]

    def mine_due(self) -> None:
        if not self.reachable:
            return
        due = int(self.clock() // self.block_time - self._offset)
        while len(self.blocks) < due:
            self._mine()

    # faults

    def stall(self) -> None:
        self.mine_due()
        self.reachable = False

    def resume(self) -> None:
        """Continue; no blocks are added for the time of the stall."""
        self._offset = self.clock() // self.block_time - len(self.blocks)
        self.reachable = True

    def roll_back(self, blocks: int) -> None:
        """Lose the last blocks and all waiting transactions, like a node that is killed before it saves its state."""
        self.mine_due()
        self.forks += 1
        self.blocks = self.blocks[: max(0, len(self.blocks) - blocks)]
        self._pool = []
        self._offset = self.clock() // self.block_time - len(self.blocks)
        self._recompute_state()

    def start_anew(self) -> None:
        """Replace the chain by another one with the same id."""
        self.generation += 1
        self._reset()

    def export(self) -> list[ChainRecord]:
        self.mine_due()
        full = [block for block in self.blocks if block.transactions]
        genesis = Genesis(self.genesis, self.chain_id, dict(self.alloc))
        return [genesis, *full, Balances(len(self.blocks), dict(self.balances))]

    # private

    def _mine(self) -> None:
        number = len(self.blocks) + 1
        timestamp = EPOCH + int((self._offset + number) * self.block_time)
        parent = self.blocks[-1].hash if self.blocks else self.genesis
        mined: list[ChainTransaction] = []
        progress = True
        while progress:  # a transaction may wait for the nonce of one that arrived later
            progress = False
            for transaction in list(self._pool):
                if transaction.nonce == self.nonces.get(transaction.sender, 0) and self._can_pay(transaction):
                    self._pool.remove(transaction)
                    executed = replace(transaction, succeeded=transaction.to not in self.reverting)
                    mined.append(self._apply(executed, number, len(mined), timestamp))
                    progress = True
        hash = hash_of(parent, number, self.forks, [transaction.hash for transaction in mined])
        self.blocks.append(Block(number, hash, parent, timestamp, tuple(mined)))

    def _can_pay(self, transaction: ChainTransaction) -> bool:
        cost = transaction.wei + transaction.gas_used * transaction.gas_price
        return self.balances.get(transaction.sender, 0) >= cost

    def _apply(self, transaction: ChainTransaction, number: int, index: int, timestamp: int) -> ChainTransaction:
        sender, to = transaction.sender, transaction.to
        if to == POOL and self.fee_pool:
            transaction = self._call_pool(self.fee_pool, transaction, timestamp)
        moved = transaction.wei if transaction.succeeded else 0
        spent = moved + transaction.gas_used * transaction.gas_price
        self.balances[sender] = Wei(self.balances.get(sender, 0) - spent)
        if to is not None:
            self.balances[to] = Wei(self.balances.get(to, 0) + moved)
        self.nonces[sender] = transaction.nonce + 1
        self.receipts[transaction.hash] = Receipt(transaction.hash, number, transaction.succeeded, transaction.contract)
        if transaction.contract:
            poid = Poid(*decode_poid(transaction.data))
            self.contracts[transaction.contract] = Contract(
                poid, timestamp, number, index, transaction.hash, transaction.sender
            )
        return transaction

    def _call_pool(self, pool: MemoryFeePool, transaction: ChainTransaction, timestamp: int) -> ChainTransaction:
        sender, wei = transaction.sender, transaction.wei
        try:
            call = decode_call(bytes.fromhex(transaction.data[2:]), wei)
            dpoid = self.contracts.get(call.contract) if isinstance(call, Deposit) else None
            paid = pool.call(sender, call, wei, dpoid.poid.wallet if dpoid else None, timestamp)
        except (ValueError, Reverted):
            return replace(transaction, succeeded=False)
        self.balances[sender] = Wei(self.balances.get(sender, 0) + paid)
        self.balances[POOL] = Wei(self.balances.get(POOL, 0) - paid)
        return transaction

    def _transaction(self, raw: str, fields: dict[str, str]) -> ChainTransaction:
        sender, nonce, to = Address(fields["from"]), int(fields["nonce"]), fields["to"]
        contract = None if to else Address("0x" + hash_of(sender, nonce)[2:42])
        if to == POOL:
            gas = int(fields["gas"])
        else:
            gas = pay_gas(len(decode_cids(fields["data"]))) if to else DEPLOY_GAS
        recipient = Address(to) if to else None
        price, wei = Wei(int(fields["price"])), Wei(int(fields["wei"]))
        hash = TxHash(hash_of(raw))
        return ChainTransaction(hash, sender, recipient, nonce, wei, gas, price, fields["data"], contract, True)
