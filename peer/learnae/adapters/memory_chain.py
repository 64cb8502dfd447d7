"""``ports.Chain`` in memory: accounts, blocks, gas and nonces of an EVM chain, and no EVM.

Blocks fall due every ``block_time`` seconds of whatever clock is passed in.  Everything a test or a fault wants of a
chain can be provoked: it stalls, it loses its last blocks and what was in them, it is replaced by another.
"""

import hashlib
import json
from collections.abc import Callable
from dataclasses import dataclass, field, replace

from learnae.errors import InputError, PortError, Reason
from learnae.protocol.types import Address, Cid, Claim, ClaimFacts, Head, PeerId, Poid, Receipt, Signed, TxHash, Wei
from learnae.records.chain_export import Balances, Block, ChainRecord, ChainTransaction, Genesis

DEPLOY_GAS = 102_000  # measured for DPoID.sol (FACTS: 102k)
TRANSFER_GAS = 22_400  # a transfer whose calldata is a CID
EPOCH = 1_700_000_000  # chain time at session second 0, Unix seconds


@dataclass(frozen=True)
class Contract:
    """A DPoID contract: its two immutable fields and where it was deployed."""

    poid: Poid
    timestamp: int
    block: int
    index: int
    tx: TxHash
    genuine: bool = True  # the known code


@dataclass
class MemoryChain:
    clock: Callable[[], float]
    alloc: dict[Address, Wei]
    chain_id: int = 31337
    block_time: float = 1.0
    gas_price: Wei = Wei(2 * 10**9)
    reachable: bool = True
    refusing: set[Address] = field(default_factory=set)  # accounts that revert when they are paid
    generation: int = 0  # of the chain: another genesis
    forks: int = 0

    def __post_init__(self) -> None:
        self._begin()

    def _begin(self) -> None:
        self.genesis = _hash("genesis", self.chain_id, self.generation, sorted(self.alloc.items()))
        self.blocks: list[Block] = []
        self._pool: list[ChainTransaction] = []
        self._offset = self.clock() // self.block_time  # blocks of other chains, forks and stalls
        self._restate()

    def _restate(self) -> None:
        """Accounts, contracts and receipts, from the blocks."""
        self.balances = dict(self.alloc)
        self.nonces: dict[Address, int] = {}
        self.contracts: dict[Address, Contract] = {}
        self.receipts: dict[TxHash, Receipt] = {}
        for block in self.blocks:
            for index, transaction in enumerate(block.transactions):
                self._apply(transaction, block.number, index, block.timestamp)

    # what nodes do

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
        if TxHash(_hash(raw)) in self.receipts or nonce < self.nonces.get(sender, 0):
            return
        transaction = self._transaction(raw, fields)
        rivals = [each for each in self._pool if (each.sender, each.nonce) == (sender, nonce)]
        if any(rival.gas_price >= transaction.gas_price for rival in rivals):
            return
        self._pool = [each for each in self._pool if each not in rivals] + [transaction]

    def mine_due(self) -> None:
        if not self.reachable:
            return
        due = int(self.clock() // self.block_time - self._offset)
        while len(self.blocks) < due:
            self._mine()

    # what can be provoked

    def stall(self) -> None:
        self.mine_due()
        self.reachable = False

    def resume(self) -> None:
        """Time that passed meanwhile made no blocks."""
        self._offset = self.clock() // self.block_time - len(self.blocks)
        self.reachable = True

    def roll_back(self, blocks: int) -> None:
        """Lose the last blocks, their transactions and what was waiting: a node killed before it could save."""
        self.mine_due()
        self.forks += 1
        self.blocks = self.blocks[: max(0, len(self.blocks) - blocks)]
        self._pool = []
        self._offset = self.clock() // self.block_time - len(self.blocks)
        self._restate()

    def start_anew(self) -> None:
        """Another chain with the same id."""
        self.generation += 1
        self._begin()

    def export(self) -> list[ChainRecord]:
        self.mine_due()
        full = [block for block in self.blocks if block.transactions]
        genesis = Genesis(self.genesis, self.chain_id, dict(self.alloc))
        return [genesis, *full, Balances(len(self.blocks), dict(self.balances))]

    # in here

    def _mine(self) -> None:
        number = len(self.blocks) + 1
        timestamp = EPOCH + int((self._offset + number) * self.block_time)
        parent = self.blocks[-1].hash if self.blocks else self.genesis
        mined: list[ChainTransaction] = []
        waiting = True
        while waiting:  # a transaction may wait for the nonce of a later arrival
            waiting = False
            for transaction in list(self._pool):
                if transaction.nonce == self.nonces.get(transaction.sender, 0) and self._affords(transaction):
                    self._pool.remove(transaction)
                    judged = replace(transaction, succeeded=transaction.to not in self.refusing)
                    mined.append(self._apply(judged, number, len(mined), timestamp))
                    waiting = True
        hash = _hash(parent, number, self.forks, [each.hash for each in mined])
        self.blocks.append(Block(number, hash, parent, timestamp, tuple(mined)))

    def _affords(self, transaction: ChainTransaction) -> bool:
        cost = transaction.wei + transaction.gas_used * transaction.gas_price
        return self.balances.get(transaction.sender, 0) >= cost

    def _apply(self, transaction: ChainTransaction, number: int, index: int, timestamp: int) -> ChainTransaction:
        sender, to = transaction.sender, transaction.to
        moved = transaction.wei if transaction.succeeded else 0
        spent = moved + transaction.gas_used * transaction.gas_price
        self.balances[sender] = Wei(self.balances.get(sender, 0) - spent)
        if to is not None:
            self.balances[to] = Wei(self.balances.get(to, 0) + moved)
        self.nonces[sender] = transaction.nonce + 1
        self.receipts[transaction.hash] = Receipt(transaction.hash, number, transaction.succeeded, transaction.contract)
        if transaction.contract:
            poid = Poid(*_untext(transaction.data))
            self.contracts[transaction.contract] = Contract(poid, timestamp, number, index, transaction.hash)
        return transaction

    def _transaction(self, raw: str, fields: dict[str, str]) -> ChainTransaction:
        sender, nonce, to = Address(fields["from"]), int(fields["nonce"]), fields["to"]
        contract = None if to else Address("0x" + _hash(sender, nonce)[2:42])
        gas = TRANSFER_GAS if to else DEPLOY_GAS
        recipient = Address(to) if to else None
        price, wei = Wei(int(fields["price"])), Wei(int(fields["wei"]))
        hash = TxHash(_hash(raw))
        return ChainTransaction(hash, sender, recipient, nonce, wei, gas, price, fields["data"], contract, True)


@dataclass
class MemoryChainPort:
    """``ports.Chain`` of one wallet on a ``MemoryChain``."""

    ledger: MemoryChain
    wallet: Address
    _promised: dict[tuple[str, int], int] = field(default_factory=dict)  # genesis, nonce -> wei and gas signed for

    async def sign_deploy(self, poid: Poid, nonce: int, attempt: int) -> Signed:
        return self._sign(nonce, attempt, None, Wei(0), _text(poid.peer, poid.wallet), DEPLOY_GAS)

    async def sign_pay(self, to: Address, wei: Wei, cid: Cid, nonce: int, attempt: int) -> Signed:
        return self._sign(nonce, attempt, to, wei, _text(cid), TRANSFER_GAS)

    async def broadcast(self, signed: Signed) -> None:
        ledger = self._reach()
        if signed.genesis != ledger.genesis:
            raise PortError(Reason.CHAIN, "chain")
        ledger.submit(signed.raw)

    async def receipt(self, hash: TxHash) -> Receipt | None:
        ledger = self._reach()
        ledger.mine_due()
        return ledger.receipts.get(hash)

    async def head(self) -> Head:
        return self._reach().head()

    async def read_claim(self, claim: Claim) -> ClaimFacts:
        ledger = self._reach()
        ledger.mine_due()
        contract = ledger.contracts.get(claim.contract)
        if contract is None:
            raise PortError(Reason.NOT_FOUND, claim.contract)
        receipt = ledger.receipts.get(claim.deploy_tx)
        return ClaimFacts(
            contract.poid,
            contract.timestamp,
            contract.block,
            contract.index,
            code_matches=contract.genuine,
            receipt_matches=receipt is not None and receipt.contract == claim.contract,
            signature_valid=False,
        )

    async def balance(self, wallet: Address) -> Wei:
        ledger = self._reach()
        ledger.mine_due()
        return Wei(ledger.balances.get(wallet, 0))

    def _reach(self) -> MemoryChain:
        if not self.ledger.reachable:
            raise PortError(Reason.UNREACHABLE, "chain")
        return self.ledger

    def _sign(self, nonce: int, attempt: int, to: Address | None, wei: Wei, data: str, gas: int) -> Signed:
        ledger = self._reach()
        ledger.mine_due()
        price = ledger.gas_price * 9**attempt // 8**attempt  # a node takes a replacement from 10 % more on
        mined = ledger.nonces.get(self.wallet, 0)
        if attempt == 0 and nonce < mined:
            raise InputError(f"{self.wallet} has sent {mined} transactions, and whoever signs knows of {nonce}")
        here = [(other, cost) for (genesis, other), cost in self._promised.items() if genesis == ledger.genesis]
        promised = sum(cost for other, cost in here if other >= mined and other != nonce)
        if ledger.balances.get(self.wallet, 0) < promised + wei + gas * price:
            raise PortError(Reason.FUNDS, self.wallet)
        self._promised[ledger.genesis, nonce] = wei + gas * price
        fields = {"from": self.wallet, "nonce": str(nonce), "to": to or "", "wei": str(wei), "data": data}
        raw = json.dumps(fields | {"price": str(price), "chain": str(ledger.chain_id)})
        return Signed(nonce, raw, TxHash(_hash(raw)), ledger.genesis)


def _hash(*parts: object) -> str:
    return "0x" + hashlib.sha256(repr(parts).encode()).hexdigest()


def _text(*parts: str) -> str:
    return "0x" + " ".join(parts).encode().hex()


def _untext(data: str) -> tuple[PeerId, Address]:
    peer, wallet = bytes.fromhex(data[2:]).decode().split()
    return PeerId(peer), Address(wallet)
