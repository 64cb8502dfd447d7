"""``ports.Chain``: one wallet on one Ethereum node.

What a payer may rely on:
1. Nonces are the caller's.  The node's count only tells which of them are mined.  A new one below it is an InputError:
   somebody else has this wallet, or had it before, and whatever were signed would never be mined.
2. Fees come from the node: its base fee twice and the tip that it advises.  Each attempt raises both by an eighth at
   least (nodes want a tenth), and follows the base fee upwards.
3. Nothing is signed unless the balance covers it and everything else that was signed here and is not mined.  After a
   restart ``recall`` tells it what that is.
4. Gas is capped: a payee that is a contract can burn ``PAY_GAS`` at most, and no fee goes above ``MAX_FEE``.
"""

import asyncio
from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Any, Protocol

from eth_account.typed_transactions.typed_transaction import TypedTransaction
from eth_utils.crypto import keccak
from hexbytes import HexBytes

from learnae.adapters.evm import dpoid
from learnae.adapters.evm.rpc import Header, Node
from learnae.errors import InputError, PortError, Reason
from learnae.messages.ids import cid_to_bytes
from learnae.protocol.types import Address, Cid, Claim, ClaimFacts, Head, Poid, Receipt, Signed, TxHash, Wei

TRANSFER_GAS = 21_000  # to an account without code
PAY_GAS = 30_000  # 22,440 for a transfer with a CID, the rest for a payee that is a contract
TIP = Wei(10**9)  # wei per gas for who makes the block, where the node has no advice
MAX_FEE = Wei(500 * 10**9)  # wei per gas; above it we wait


class TransactionSigner(Protocol):
    @property
    def address(self) -> Address: ...

    def sign(self, transaction: dict[str, Any]) -> bytes:
        """The raw transaction."""
        ...


@dataclass(frozen=True, slots=True)
class Fees:
    """Wei per gas: for who makes the block, and in all."""

    tip: int
    most: int

    def raised(self) -> "Fees":
        return Fees(_raised(self.tip), _raised(self.most))

    def at_least(self, other: "Fees") -> "Fees":
        return Fees(max(self.tip, other.tip), max(self.most, other.most))


@dataclass(frozen=True, slots=True)
class Form:
    """The newest signed form of a nonce.  ``cost``: wei it can take at most."""

    attempt: int
    fees: Fees
    cost: int


@dataclass
class EvmChain:
    node: Node
    wallet: TransactionSigner
    _forms: dict[tuple[str, int], Form] = field(default_factory=dict)  # by genesis and nonce

    async def sign_deploy(self, poid: Poid, nonce: int, attempt: int) -> Signed:
        return await self._sign(nonce, attempt, None, Wei(0), dpoid.deployment(poid), dpoid.DEPLOY_GAS)

    async def sign_pay(self, to: Address, wei: Wei, cid: Cid, nonce: int, attempt: int) -> Signed:
        return await self._sign(nonce, attempt, to, wei, cid_to_bytes(cid), PAY_GAS)

    async def sign_transfer(self, to: Address, wei: Wei, nonce: int, attempt: int) -> Signed:
        """Beyond the port: money for no model."""
        return await self._sign(nonce, attempt, to, wei, b"", TRANSFER_GAS)

    async def sign_rest(self, to: Address, nonce: int, attempt: int) -> Signed:
        """Beyond the port: all that the wallet has; the fee is what it will be, so that nothing is left.

        Raises PortError: FUNDS if it has less than the fee.
        """
        newest = await self.node.newest()
        fees = await self.advised(newest, headroom=1)
        for _ in range(attempt + 1):
            fees = fees.raised()
        fees = Fees(fees.most, fees.most)
        balance = await self.node.balance(self.wallet.address, newest.number)
        if balance <= TRANSFER_GAS * fees.most:
            raise PortError(Reason.FUNDS, self.wallet.address)
        wei = Wei(balance - TRANSFER_GAS * fees.most)
        genesis = (await self.node.block(0)).hash
        return await self._signed(genesis, nonce, to, wei, b"", TRANSFER_GAS, fees)

    async def broadcast(self, signed: Signed) -> None:
        if (await self.node.block(0)).hash != signed.genesis:
            raise PortError(Reason.CHAIN, "it was signed for the one that was here before")
        await self.node.send(signed.raw)

    async def receipt(self, hash: TxHash) -> Receipt | None:
        mined = await self.node.mined(hash)
        return Receipt(hash, mined.block, mined.succeeded, mined.contract) if mined else None

    async def head(self) -> Head:
        newest = await self.node.newest()
        genesis = await self.node.block(0)  # asked each time: the node may have been replaced
        return Head(genesis.hash, newest.number, newest.hash, newest.timestamp)

    async def read_claim(self, claim: Claim) -> ClaimFacts:
        code = await self.node.code(claim.contract)
        if not code:
            raise PortError(Reason.NOT_FOUND, f"no contract at {claim.contract}")
        try:
            poid = dpoid.read_poid(await self.node.call(claim.contract, dpoid.GET_POID))
            timestamp = dpoid.read_timestamp(await self.node.call(claim.contract, dpoid.GET_TIMESTAMP))
        except ValueError:
            raise PortError(Reason.INVALID_RESPONSE, f"{claim.contract} returned no PoID or no timestamp") from None
        deployed = await self.node.mined(claim.deploy_tx)
        block, index = (deployed.block, deployed.index) if deployed else (0, 0)
        receipt_matches = deployed is not None and deployed.contract == claim.contract.lower()
        code_matches = code == dpoid.runtime(poid, timestamp)
        if code_matches and receipt_matches:
            # A constructor of somebody's own can leave the right code with an earlier time in it.
            code_matches = (await self.node.block(block)).timestamp == timestamp
        return ClaimFacts(poid, timestamp, block, index, code_matches, receipt_matches, signature_valid=False)

    async def balance(self, wallet: Address) -> Wei:
        return await self.node.balance(wallet)

    # beyond the port

    async def holds(self, head: Head) -> bool:
        """Whether that block is still part of the chain.  If not, the chain went back, however high it is by now."""
        try:
            return (await self.node.block(head.height)).hash == head.hash
        except PortError as error:
            if error.reason is Reason.NOT_FOUND:
                return False
            raise

    async def recall(self, forms: Iterable[Signed]) -> None:
        """What an earlier process signed, in order."""
        for signed in forms:
            fields = TypedTransaction.from_bytes(HexBytes(signed.raw)).as_dict()
            fees = Fees(fields["maxPriorityFeePerGas"], fields["maxFeePerGas"])
            cost = fields["value"] + fields["gas"] * fees.most
            place = (signed.genesis, signed.nonce)
            attempt = self._forms[place].attempt + 1 if place in self._forms else 0
            self._forms[place] = Form(attempt, fees, cost)

    @property
    def committed(self) -> Wei:
        """What all that was signed here can take at most."""
        return Wei(sum(form.cost for form in self._forms.values()))

    async def advised(self, newest: Header, headroom: int = 2) -> Fees:
        """By the node, as of its newest block.  ``headroom``: 2 lasts for six full blocks in a row."""
        try:
            tip = await self.node.tip()
        except PortError as error:
            if error.reason is not Reason.INVALID_RESPONSE:
                raise
            tip = TIP
        return Fees(tip, headroom * newest.base_fee + tip)

    # in here

    async def _sign(self, nonce: int, attempt: int, to: Address | None, wei: Wei, data: bytes, gas: int) -> Signed:
        newest, genesis = await self.node.newest(), (await self.node.block(0)).hash
        fees = self._fees(self._forms.get((genesis, nonce)), attempt, await self.advised(newest))
        cost = wei + gas * fees.most
        # Both as of one block, or a transaction mined in between would count twice or not at all.
        mined = await self.node.nonce(self.wallet.address, newest.number)
        if attempt == 0 and nonce < mined:
            raise InputError(
                f"{self.wallet.address} has sent {mined} transactions on this chain and this journal counts {nonce}: "
                "put back the journal that counts them all, or start this peer anew with a new journal and a new wallet"
            )
        balance = await self.node.balance(self.wallet.address, newest.number)
        if balance < cost + self._promised(genesis, mined, nonce):
            raise PortError(Reason.FUNDS, self.wallet.address)
        signed = await self._signed(genesis, nonce, to, wei, data, gas, fees)
        self._forms[genesis, nonce] = Form(attempt, fees, cost)
        return signed

    async def _signed(
        self, genesis: str, nonce: int, to: Address | None, wei: Wei, data: bytes, gas: int, fees: Fees
    ) -> Signed:
        if fees.most > MAX_FEE:
            raise PortError(Reason.INVALID_RESPONSE, f"a fee of {fees.most} wei per gas")
        transaction = {
            "type": 2,
            "chainId": self.node.chain_id,
            "nonce": nonce,
            "to": bytes.fromhex(to[2:]) if to else b"",
            "value": wei,
            "data": data,
            "gas": gas,
            "maxFeePerGas": fees.most,
            "maxPriorityFeePerGas": fees.tip,
        }
        raw = await asyncio.to_thread(self.wallet.sign, transaction)
        return Signed(nonce, "0x" + raw.hex(), TxHash("0x" + keccak(raw).hex()), genesis)

    def _fees(self, before: Form | None, attempt: int, fees: Fees) -> Fees:
        for _ in range(attempt):
            fees = fees.raised()
        return fees.at_least(before.fees.raised()) if before and before.attempt < attempt else fees

    def _promised(self, genesis: str, mined: int, nonce: int) -> int:
        """Wei that other signed transactions can still take."""
        return sum(
            form.cost
            for (chain, other), form in self._forms.items()
            if chain == genesis and other >= mined and other != nonce
        )


def _raised(wei: int) -> int:
    return -(-wei * 9 // 8)
