"""``ports.Chain`` in memory: accounts, blocks, gas and nonces of an EVM chain, without an EVM.

A block is due every ``block_time`` seconds of the given clock.  Tests and faults can stall the chain, roll back its
last blocks and replace it by another chain.
"""

import hashlib
import json
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace

from learnae.errors import InputError, PortError, Reason
from learnae.protocol.blockchain import Head, ModelPayment, PaymentReport, Receipt, Signed
from learnae.protocol.types import Address, Cid, Claim, ClaimFacts, PeerId, Poid, TxHash, Wei
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
    generation: int = 0  # number of chains before this one; part of the genesis hash
    forks: int = 0

    def __post_init__(self) -> None:
        self._reset()

    def _reset(self) -> None:
        self.genesis = _hash("genesis", self.chain_id, self.generation, sorted(self.alloc.items()))
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
        if TxHash(_hash(raw)) in self.receipts or nonce < self.nonces.get(sender, 0):
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
        hash = _hash(parent, number, self.forks, [transaction.hash for transaction in mined])
        self.blocks.append(Block(number, hash, parent, timestamp, tuple(mined)))

    def _can_pay(self, transaction: ChainTransaction) -> bool:
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
            poid = Poid(*_decode_poid(transaction.data))
            self.contracts[transaction.contract] = Contract(poid, timestamp, number, index, transaction.hash)
        return transaction

    def _transaction(self, raw: str, fields: dict[str, str]) -> ChainTransaction:
        sender, nonce, to = Address(fields["from"]), int(fields["nonce"]), fields["to"]
        contract = None if to else Address("0x" + _hash(sender, nonce)[2:42])
        gas = pay_gas(len(_decode_cids(fields["data"]))) if to else DEPLOY_GAS
        recipient = Address(to) if to else None
        price, wei = Wei(int(fields["price"])), Wei(int(fields["wei"]))
        hash = TxHash(_hash(raw))
        return ChainTransaction(hash, sender, recipient, nonce, wei, gas, price, fields["data"], contract, True)


@dataclass
class MemoryChainPort:
    """``ports.Chain`` of one wallet on a ``MemoryChain``."""

    chain: MemoryChain
    wallet: Address
    max_fee: Wei | None = None  # wei per gas
    gas_cap: Wei | None = None  # wei
    _reserved: dict[tuple[str, int], int] = field(default_factory=dict)  # genesis, nonce -> max wei to be spent
    _gas: dict[tuple[str, int], int] = field(default_factory=dict)  # likewise, for gas alone

    async def sign_deploy(self, poid: Poid, nonce: int, attempt: int) -> Signed:
        return self._sign(nonce, attempt, None, Wei(0), _encode_data(poid.peer, poid.wallet), DEPLOY_GAS)

    async def sign_pay(self, to: Address, wei: Wei, cids: Sequence[Cid], nonce: int, attempt: int) -> Signed:
        return self._sign(nonce, attempt, to, wei, _encode_data(*cids), pay_gas(len(cids)))

    async def broadcast(self, signed: Signed) -> None:
        chain = self._reachable_chain()
        if signed.genesis != chain.genesis:
            raise PortError(Reason.CHAIN, "chain")
        chain.submit(signed.raw)

    async def receipt(self, hash: TxHash) -> Receipt | None:
        chain = self._reachable_chain()
        chain.mine_due()
        return chain.receipts.get(hash)

    async def head(self) -> Head:
        return self._reachable_chain().head()

    async def read_claim(self, claim: Claim) -> ClaimFacts:
        chain = self._reachable_chain()
        chain.mine_due()
        contract = chain.contracts.get(claim.contract)
        if contract is None:
            raise PortError(Reason.NOT_FOUND, claim.contract)
        receipt = chain.receipts.get(claim.deploy_tx)
        return ClaimFacts(
            contract.poid,
            contract.timestamp,
            contract.block,
            contract.index,
            code_matches=contract.genuine,
            receipt_matches=receipt is not None and receipt.contract == claim.contract,
            signature_valid=False,
        )

    async def payments(self, since: int, wallets: Sequence[Address]) -> PaymentReport:
        chain = self._reachable_chain()
        chain.mine_due()
        transfers = (each for block in chain.blocks[since - 1 :] for each in block.transactions)
        found = (each for each in transfers if each.to in wallets and each.succeeded and each.wei)
        payments = (ModelPayment(each.sender, each.to, _decode_cids(each.data)) for each in found if each.to)
        height = len(chain.blocks)
        return PaymentReport(chain.genesis, height, height, tuple(payments))

    async def balance(self, wallet: Address) -> Wei:
        chain = self._reachable_chain()
        chain.mine_due()
        return Wei(chain.balances.get(wallet, 0))

    def _reachable_chain(self) -> MemoryChain:
        if not self.chain.reachable:
            raise PortError(Reason.UNREACHABLE, "chain")
        return self.chain

    def _sign(self, nonce: int, attempt: int, to: Address | None, wei: Wei, data: str, gas: int) -> Signed:
        chain = self._reachable_chain()
        chain.mine_due()
        price = chain.gas_price * 9**attempt // 8**attempt  # nodes accept a replacement with a fee increase of 10 %
        if self.max_fee is not None and price > self.max_fee:
            raise PortError(Reason.INVALID_RESPONSE, f"a fee of {price} wei per gas")
        mined = chain.nonces.get(self.wallet, 0)
        if attempt == 0 and nonce < mined:
            raise InputError(f"{self.wallet} has sent {mined} transactions, but the signer counts {nonce}")
        pending = [(other, cost) for (genesis, other), cost in self._reserved.items() if genesis == chain.genesis]
        reserved = sum(cost for other, cost in pending if other >= mined and other != nonce)
        if chain.balances.get(self.wallet, 0) < reserved + wei + gas * price:
            raise PortError(Reason.FUNDS, self.wallet)
        spent = self._gas | {(chain.genesis, nonce): gas * price}
        if self.gas_cap is not None and sum(spent.values()) > self.gas_cap:
            raise PortError(Reason.GAS_CAP, self.wallet)
        self._gas = spent
        self._reserved[chain.genesis, nonce] = wei + gas * price
        fields = {"from": self.wallet, "nonce": str(nonce), "to": to or "", "wei": str(wei), "data": data}
        raw = json.dumps(fields | {"price": str(price), "chain": str(chain.chain_id)})
        return Signed(nonce, raw, TxHash(_hash(raw)), chain.genesis)


def _hash(*parts: object) -> str:
    return "0x" + hashlib.sha256(repr(parts).encode()).hexdigest()


def _encode_data(*parts: str) -> str:
    return "0x" + " ".join(parts).encode().hex()


def _decode_cids(data: str) -> tuple[Cid, ...]:
    return tuple(map(Cid, bytes.fromhex(data[2:]).decode().split()))


def _decode_poid(data: str) -> tuple[PeerId, Address]:
    peer, wallet = bytes.fromhex(data[2:]).decode().split()
    return PeerId(peer), Address(wallet)
