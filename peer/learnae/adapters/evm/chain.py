"""``ports.Chain``: one wallet on one Ethereum node.

Guarantees for a payer:
1. The caller chooses nonces.  The node's count only shows which of them are mined.  A new nonce below it is an
   InputError: the wallet is or was used elsewhere, and the transaction would never be mined.
2. Fees follow the node: twice its base fee plus the tip that it suggests, within the bounds of ``fees``.  Each attempt
   raises both by an eighth or more (nodes require a tenth) and follows a rising base fee.
3. A transaction is signed only if the balance covers it and all others that were signed here and are not mined.
   After a restart, ``restore`` provides those.
4. Gas is limited: a payee that is a contract can burn up to ``pay_gas``, and ``policy`` bounds the price and the sum.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from typing import Any, Protocol

from eth_hash.auto import keccak

from learnae.adapters.evm import dpoid, fee_pool
from learnae.adapters.evm.export import read_block
from learnae.adapters.evm.fees import DEFAULT_TIP, FeePolicy, Fees, TransactionLimits
from learnae.adapters.evm.rpc import BlockHeader, Node
from learnae.errors import InputError, PortError, Reason
from learnae.messages.ids import cids_from_calldata, cids_to_bytes
from learnae.messages.pool_calls import GET_STATE, decode_state, encode_call
from learnae.protocol.blockchain import (
    POOL,
    Deposit,
    Head,
    ModelPayment,
    PaymentReport,
    PoolCall,
    PoolState,
    Receipt,
    Signed,
)
from learnae.protocol.types import Address, Cid, Claim, ClaimFacts, Poid, TxHash, Wei

TRANSFER_GAS = 21_000  # to an account without code
PAY_GAS = 30_000  # 22,440 for a transfer with a CID, the rest for the code of a payee that is a contract
MODEL_GAS = 1_440  # for each further CID
MAX_BLOCKS = 50  # that one call reads payments from


class TransactionSigner(Protocol):
    @property
    def address(self) -> Address: ...

    def sign(self, transaction: dict[str, Any]) -> bytes:
        """The raw transaction."""
        ...


def pay_gas(models: int) -> int:
    """Gas limit of a payment that names so many models."""
    return PAY_GAS + MODEL_GAS * (models - 1)


@dataclass(frozen=True, slots=True)
class SignedAttempt:
    """The newest transaction signed for a nonce.  ``cost``: max wei that it can spend."""

    attempt: int
    fees: Fees
    cost: int


@dataclass
class EvmChain:
    node: Node
    wallet: TransactionSigner
    policy: FeePolicy
    _attempts: dict[tuple[str, int], SignedAttempt] = field(default_factory=dict)  # by genesis and nonce
    _newest: BlockHeader | None = None  # when the head was read last
    _genesis: str = ""  # of the chain with that block

    async def sign_deploy(self, poid: Poid, nonce: int, attempt: int) -> Signed:
        return await self._sign(nonce, attempt, None, Wei(0), dpoid.deployment_data(poid), dpoid.DEPLOY_GAS)

    async def sign_pay(self, to: Address, wei: Wei, cids: Sequence[Cid], nonce: int, attempt: int) -> Signed:
        return await self._sign(nonce, attempt, to, wei, cids_to_bytes(cids), pay_gas(len(cids)))

    async def sign_call(self, call: PoolCall, nonce: int, attempt: int) -> Signed:
        wei = call.wei if isinstance(call, Deposit) else Wei(0)
        return await self._sign(nonce, attempt, POOL, wei, encode_call(call), fee_pool.gas_limit(call))

    async def sign_transfer(self, to: Address, wei: Wei, nonce: int, attempt: int) -> Signed:
        """Beyond the port: a transfer that pays for no model."""
        return await self._sign(nonce, attempt, to, wei, b"", TRANSFER_GAS)

    async def sign_sweep(self, to: Address, nonce: int, attempt: int) -> Signed:
        """Beyond the port: transfer the whole balance; the fee is exact, so that nothing is left.

        Raises PortError: FUNDS if it has less than the fee.
        """
        newest = await self.node.newest_block()
        limit = (await self.suggested_fees(newest, headroom=1)).raised(attempt + 1).max
        fees = Fees(limit, limit)
        balance = await self.node.balance(self.wallet.address, newest.number)
        if balance <= TRANSFER_GAS * fees.max:
            raise PortError(Reason.FUNDS, self.wallet.address)
        wei = Wei(balance - TRANSFER_GAS * fees.max)
        genesis = (await self.node.block(0)).hash
        return await self._signed(genesis, nonce, to, wei, b"", TRANSFER_GAS, fees)

    async def broadcast(self, signed: Signed) -> None:
        if (await self.node.block(0)).hash != signed.genesis:
            raise PortError(Reason.CHAIN, "it was signed for the chain that was here before")
        await self.node.send(signed.raw)

    async def receipt(self, hash: TxHash) -> Receipt | None:
        mined = await self.node.receipt(hash)
        return Receipt(hash, mined.block, mined.succeeded, mined.contract) if mined else None

    async def head(self) -> Head:
        newest = await self.node.newest_block()
        if not (self._newest and self._newest.hash in (newest.hash, newest.parent)):
            self._newest = None
            self._genesis = (await self.node.block(0)).hash  # the node may have been replaced by one on another chain
        self._newest = newest
        return Head(self._genesis, newest.number, newest.hash, newest.timestamp)

    async def read_claim(self, claim: Claim) -> ClaimFacts:
        code = await self.node.code(claim.contract)
        if not code:
            raise PortError(Reason.NOT_FOUND, f"no contract at {claim.contract}")
        genuine = dpoid.read_runtime_code(code)
        poid, timestamp = genuine or await self._ask_contract(claim.contract)
        deployed = await self.node.receipt(claim.deploy_tx)
        block, index = (deployed.block, deployed.index) if deployed else (0, 0)
        receipt_matches = deployed is not None and deployed.contract == claim.contract.lower()
        code_matches = genuine is not None
        if code_matches and receipt_matches:
            # A different constructor can produce the same code with an earlier timestamp in it.
            code_matches = (await self.node.block(block)).timestamp == timestamp
        deployer = deployed.sender if deployed else Address("")
        return ClaimFacts(poid, timestamp, block, index, code_matches, receipt_matches, False, deployer)

    async def payments(self, since: int, wallets: Sequence[Address]) -> PaymentReport:
        genesis, head = (await self.node.block(0)).hash, await self.node.newest_block()
        until, payments = min(head.number, since + MAX_BLOCKS - 1), []
        for number in range(since, until + 1):
            block = await read_block(self.node, await self.node.block(number, full=True), wallets)
            for each in block.transactions:
                if each.to and each.to in wallets and each.succeeded and each.wei:
                    if cids := cids_from_calldata(each.data):
                        payments.append(ModelPayment(each.sender, each.to, cids, each.wei))
        return PaymentReport(genesis, max(until, since - 1), head.number, tuple(payments))

    async def pool(self) -> PoolState:
        returned = await self.node.call(POOL, GET_STATE)
        if not returned:
            raise PortError(Reason.NOT_FOUND, "the chain has no fee pool")
        try:
            return decode_state(returned)
        except ValueError as error:
            raise PortError(Reason.INVALID_RESPONSE, str(error)) from None

    async def balance(self, wallet: Address) -> Wei:
        return await self.node.balance(wallet)

    # beyond the port

    async def contains(self, head: Head) -> bool:
        """Whether the chain, as of the last ``head``, still has that block.  If not, it was rolled back."""
        if self._newest and head.hash in (self._newest.hash, self._newest.parent):
            return True  # after almost every poll, so that it costs no request
        try:
            return (await self.node.block(head.height)).hash == head.hash
        except PortError as error:
            if error.reason is Reason.NOT_FOUND:
                return False
            raise

    async def restore(self, transactions: Iterable[Signed]) -> None:
        """Register what an earlier process signed, in order."""
        for signed in transactions:
            limits, key = TransactionLimits.of(signed), (signed.genesis, signed.nonce)
            attempt = self._attempts[key].attempt + 1 if key in self._attempts else 0
            self._attempts[key] = SignedAttempt(attempt, limits.fees, limits.value + limits.gas)
            self.policy.count([signed])

    @property
    def max_spending(self) -> Wei:
        """The maximum that all signed transactions can spend."""
        return Wei(sum(signed.cost for signed in self._attempts.values()))

    async def suggested_fees(self, newest: BlockHeader, headroom: int = 2) -> Fees:
        """The node's suggestion within the bounds of the policy."""
        try:
            tip = await self.node.suggested_tip()
        except PortError as error:
            if error.reason is not Reason.INVALID_RESPONSE:
                raise
            tip = DEFAULT_TIP
        genesis = (await self.node.block(0)).hash
        return self.policy.suggestion(genesis, newest, tip, headroom)

    # private

    async def _ask_contract(self, contract: Address) -> tuple[Poid, int]:
        """What a contract that is not genuine returns.  Raises PortError."""
        try:
            poid = dpoid.parse_poid(await self.node.call(contract, dpoid.GET_POID))
            return poid, dpoid.parse_timestamp(await self.node.call(contract, dpoid.GET_TIMESTAMP))
        except ValueError:
            raise PortError(Reason.INVALID_RESPONSE, f"{contract} returned no PoID or no timestamp") from None

    async def _sign(self, nonce: int, attempt: int, to: Address | None, wei: Wei, data: bytes, gas: int) -> Signed:
        newest, genesis = await self.node.newest_block(), (await self.node.block(0)).hash
        fees = _raised_fees(self._attempts.get((genesis, nonce)), attempt, await self.suggested_fees(newest))
        cost = wei + gas * fees.max
        # Both as of one block: otherwise a transaction mined in between would count twice or not at all.
        mined = await self.node.nonce(self.wallet.address, newest.number)
        if attempt == 0 and nonce < mined:
            raise InputError(
                f"{self.wallet.address} has sent {mined} transactions on this chain and this journal counts {nonce}: "
                "restore the journal that counts them all, or restart this peer with a new journal and a new wallet"
            )
        balance = await self.node.balance(self.wallet.address, newest.number)
        if balance < cost + self._reserved(genesis, mined, nonce):
            raise PortError(Reason.FUNDS, self.wallet.address)
        signed = await self._signed(genesis, nonce, to, wei, data, gas, fees)
        self._attempts[genesis, nonce] = SignedAttempt(attempt, fees, cost)
        return signed

    async def _signed(
        self, genesis: str, nonce: int, to: Address | None, wei: Wei, data: bytes, gas: int, fees: Fees
    ) -> Signed:
        self.policy.check(genesis, nonce, fees, gas)
        transaction = {
            "chainId": self.node.chain_id,
            "nonce": nonce,
            "to": bytes.fromhex(to[2:]) if to else b"",
            "value": wei,
            "data": data,
            "gas": gas,
            "maxFeePerGas": fees.max,
            "maxPriorityFeePerGas": fees.tip,
        }
        raw = self.wallet.sign(transaction)
        signed = Signed(nonce, "0x" + raw.hex(), TxHash("0x" + keccak(raw).hex()), genesis)
        self.policy.count([signed])
        return signed

    def _reserved(self, genesis: str, mined: int, nonce: int) -> int:
        """Wei that other signed transactions can still spend."""
        return sum(
            signed.cost
            for (chain, other), signed in self._attempts.items()
            if chain == genesis and other >= mined and other != nonce
        )


def _raised_fees(before: SignedAttempt | None, attempt: int, fees: Fees) -> Fees:
    fees = fees.raised(attempt)
    return fees.at_least(before.fees.raised()) if before and before.attempt < attempt else fees
