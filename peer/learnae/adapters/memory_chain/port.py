"""``ports.Chain`` of one wallet on a ``MemoryChain``."""

import json
from collections.abc import Sequence
from dataclasses import dataclass, field

from learnae.adapters.memory_chain.chain import DEPLOY_GAS, MemoryChain, pay_gas
from learnae.adapters.memory_chain.encoding import encode_data, hash_of
from learnae.adapters.memory_chain.fee_pool import call_gas
from learnae.errors import InputError, PortError, Reason
from learnae.messages.ids import cids_from_calldata
from learnae.messages.pool_calls import encode_call
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
        return self._sign(nonce, attempt, None, Wei(0), encode_data(poid.peer, poid.wallet), DEPLOY_GAS)

    async def sign_pay(self, to: Address, wei: Wei, cids: Sequence[Cid], nonce: int, attempt: int) -> Signed:
        return self._sign(nonce, attempt, to, wei, encode_data(*cids), pay_gas(len(cids)))

    async def sign_call(self, call: PoolCall, nonce: int, attempt: int) -> Signed:
        wei = call.wei if isinstance(call, Deposit) else Wei(0)
        terms = self.chain.pool_terms
        gas = call_gas(call, terms.places if terms and terms.fee else 0)
        return self._sign(nonce, attempt, POOL, wei, "0x" + encode_call(call).hex(), gas)

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
            deployer=contract.deployer,
        )

    async def payments(self, since: int, wallets: Sequence[Address]) -> PaymentReport:
        chain = self._reachable_chain()
        chain.mine_due()
        transfers = (each for block in chain.blocks[since - 1 :] for each in block.transactions)
        payments = tuple(
            ModelPayment(each.sender, each.to, cids, each.wei)
            for each in transfers
            if each.to and each.to in wallets and each.succeeded and each.wei
            if (cids := cids_from_calldata(each.data))
        )
        height = len(chain.blocks)
        return PaymentReport(chain.genesis, height, height, payments)

    async def pool(self) -> PoolState:
        chain = self._reachable_chain()
        chain.mine_due()
        if chain.fee_pool is None:
            raise PortError(Reason.NOT_FOUND, "fee pool")
        return chain.fee_pool.state()

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
        fields |= {"gas": str(gas)} if to == POOL else {}
        raw = json.dumps(fields | {"price": str(price), "chain": str(chain.chain_id)})
        return Signed(nonce, raw, TxHash(hash_of(raw)), chain.genesis)
