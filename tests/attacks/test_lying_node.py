"""An Ethereum node advises high fees, to have a wallet's money paid to block producers."""

import asyncio
from collections.abc import Iterator
from contextlib import closing
from decimal import Decimal
from typing import Any

import pytest
from tests.adapters.chains import CID
from tests.adapters.evms import ALLOC, CHAIN_ID, WALLETS, evm_chain
from tests.helpers.live_peer_lives import Live

from learnae.adapters.evm import EvmChain, Node
from learnae.adapters.evm.local import LocalEvm
from learnae.adapters.keystore import Wallet
from learnae.errors import PortError, Reason
from learnae.protocol.blockchain import Signed
from learnae.protocol.decisions import DebtState
from learnae.protocol.types import Wei, wei
from learnae.records.chain_export import Block

GWEI = 10**9
CAP = Decimal("0.001")  # ETH


class LyingEvm(LocalEvm):
    """Advises tips of 490 gwei; ``lie`` is the base fee that it states, ``genesis`` the hash of its genesis block."""

    lie: int | None = None
    genesis: str | None = None

    async def make_request(self, method: str, params: Any) -> Any:
        if method == "eth_maxPriorityFeePerGas":
            return {"jsonrpc": "2.0", "id": 0, "result": hex(490 * GWEI)}
        answer = await super().make_request(method, params)
        if method == "eth_getBlockByNumber" and answer.get("result"):
            block = dict(answer["result"])
            if self.lie is not None:
                block["baseFeePerGas"] = hex(self.lie)
            if self.genesis and params[0] == "0x0":
                block["hash"] = self.genesis
            return {**answer, "result": block}
        return answer


class Victim:
    """A payer on such a node."""

    def __init__(self, **limits: object) -> None:
        self.evm, self.limits = LyingEvm(ALLOC, CHAIN_ID), {"gas_cap": CAP, **limits}
        self.node, self.wallet, self.signed = Node(self.evm, CHAIN_ID), WALLETS[0], list[Signed]()
        self.start()

    def start(self) -> None:
        """A process that knows what its journal holds."""
        self.chain: EvmChain = evm_chain(self.node, self.wallet, **self.limits)
        self.chain.policy.count(self.signed)

    async def pay(self, nonce: int, attempt: int = 0) -> None:
        signed = await self.chain.sign_pay(WALLETS[1].address, Wei(1), (CID,), nonce, attempt)
        self.signed.append(signed)
        await self.node.send(signed.raw)
        await self.evm.mine()

    async def pay_all(self) -> int:
        """Pay until it refuses; how often it paid."""
        for nonce in range(len(self.signed), 200):
            try:
                await self.pay(nonce)
            except PortError as error:
                assert error.reason is Reason.GAS_CAP
                return len(self.signed)
        raise AssertionError("the cap was never reached")

    async def lost(self, wallet: Wallet) -> int:
        return ALLOC[wallet.address] - await self.node.balance(wallet.address) - len(self.signed)


@pytest.fixture
def victim() -> Iterator[Victim]:
    victim = Victim()
    with closing(victim.evm):
        yield victim


def test_a_tip_of_490_gwei_is_cut_and_the_wallet_loses_no_more_than_the_cap(victim: Victim) -> None:
    async def play() -> None:
        assert await victim.pay_all() >= 5
        assert 0 < await victim.lost(victim.wallet) <= wei(CAP)
        victim.start()
        assert await victim.pay_all() == len(victim.signed), "the cap survives a restart"
        victim.evm.genesis = "0x" + "77" * 32
        with pytest.raises(PortError, match="gas cap"):
            await victim.chain.sign_pay(WALLETS[1].address, Wei(1), (CID,), len(victim.signed), 0)

    asyncio.run(play())


def test_a_base_fee_that_rises_faster_than_blocks_allow_is_cut(victim: Victim) -> None:
    async def play() -> None:
        true = (await victim.node.newest_block()).base_fee
        await victim.pay(0)
        victim.evm.lie = 40 * GWEI
        signed = await victim.chain.sign_pay(WALLETS[1].address, Wei(1), (CID,), 1, 0)
        limits = await victim.chain.suggested_fees(await victim.node.newest_block())
        assert limits.max <= 2 * true * 9 // 8 + 2 * GWEI + 2
        assert signed.nonce == 1

    asyncio.run(play())


def test_replacements_count_once_and_stay_within_the_cap(victim: Victim) -> None:
    async def play() -> None:
        for attempt in range(40):
            victim.signed.append(await victim.chain.sign_pay(WALLETS[1].address, Wei(1), (CID,), 0, attempt))

    with pytest.raises(PortError, match="gas cap|wei per gas"):
        asyncio.run(play())
    assert len(victim.signed) > 5


@pytest.mark.slow
def test_a_session_on_a_lying_node_declines_what_the_gas_cap_does_not_cover() -> None:
    cap = Decimal("0.0007")  # ETH, for a registration and one or two payments
    live = Live(
        {
            "peers": 3,
            "max_duration": 600.0,
            "chain": {"gas_cap": cap, "block_time": 0.2, "poll": 0.1, "resend_after": 5.0},
        }
    )
    live.swarm.evm.close()
    live.swarm.evm = LyingEvm(live.swarm.alloc, live.session.chain.id, separate=True)
    live.swarm.node = Node(live.swarm.evm, live.session.chain.id)
    for peer in live.swarm.peers:
        assert isinstance(peer.ports.chain, EvmChain)
        peer.ports.chain.node = live.swarm.node
    assert live.run() == "quiet"
    assert live.verdict["verdict"] == "valid", live.verdict["checks"]
    declined = [changes[-1][1] for changes in live.history.debts.values() if changes[-1][1].state is DebtState.DECLINED]
    assert declined and {debt.reason for debt in declined} == {Reason.GAS_CAP.value}
    for entry in live.history.roster.values():
        mined = [tx for block in live.history.exports(Block) for tx in block.transactions if tx.sender == entry.wallet]
        assert sum(tx.gas_used * tx.gas_price for tx in mined) <= wei(cap)
