"""Tips come from the node, and a wallet can be emptied to the wei."""

import asyncio
from collections.abc import Iterator
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest
from eth_account.typed_transactions.typed_transaction import TypedTransaction
from hexbytes import HexBytes
from tests.adapters.chains import CID, balance, sent
from tests.adapters.evms import CHAIN_ID, WALLETS, Anvil, AnvilWorld, evm_chain
from web3.types import RPCEndpoint

from learnae.adapters.evm import EvmChain, Node
from learnae.adapters.evm.fees import FREE_TIP
from learnae.errors import PortError
from learnae.protocol.types import Wei

pytestmark = pytest.mark.real

GWEI = 10**9
PAYER, PAYEE = WALLETS[0], WALLETS[1].address


@pytest.fixture
def world(tmp_path: Path) -> Iterator[AnvilWorld]:
    with asyncio.Runner() as runner:
        world = AnvilWorld(runner, tmp_path)
        yield world
        world.end()


class Advised:
    """Anvil, but with advice of its own on tips."""

    def __init__(self, anvil: Anvil, advice: dict[str, Any]) -> None:
        self.anvil, self.advice = anvil, advice

    async def make_request(self, method: str, params: Any) -> Any:
        if method == "eth_maxPriorityFeePerGas":
            return {"jsonrpc": "2.0", "id": 1, **self.advice}
        return self.anvil.web3.provider.make_request(RPCEndpoint(method), params)


def advised(world: AnvilWorld, **advice: object) -> EvmChain:
    return evm_chain(Node(Advised(world.anvil, advice), CHAIN_ID), PAYER)


@pytest.mark.parametrize(
    ("advice", "tip"),
    [
        ({"result": hex(GWEI // 2)}, GWEI // 2),
        ({"result": hex(490 * GWEI)}, FREE_TIP),
        ({"result": "0x0"}, 0),
        ({"error": {"code": -32601, "message": "the method does not exist"}}, GWEI),
    ],
)
def test_tips_are_what_the_node_advises_within_a_bound(advice: dict[str, object], tip: int, world: AnvilWorld) -> None:
    signed = world.wait(advised(world, **advice).sign_pay(PAYEE, Wei(1), (CID,), 0, 0))
    fields = TypedTransaction.from_bytes(HexBytes(signed.raw)).as_dict()
    base = world.wait(world.node.newest_block()).base_fee
    assert (fields["maxPriorityFeePerGas"], fields["maxFeePerGas"]) == (tip, 2 * base + tip)


def test_no_advice_makes_a_fee_higher_than_the_limit(world: AnvilWorld) -> None:
    greedy = evm_chain(Node(Advised(world.anvil, {"result": hex(GWEI)}), CHAIN_ID), PAYER, max_fee=Decimal("0.9"))
    with pytest.raises(PortError, match="wei per gas"):
        world.wait(greedy.sign_pay(PAYEE, Wei(1), (CID,), 0, 0))
    with pytest.raises(PortError, match="wei per gas"):
        world.wait(greedy.sign_sweep(PAYEE, 0, 0))


def test_all_that_a_wallet_has_leaves_nothing(world: AnvilWorld) -> None:
    chain = world.chains[0]
    had, before = balance(world, PAYER.address), balance(world, PAYEE)
    signed = world.wait(chain.sign_sweep(PAYEE, 0, 0))
    sent(world, signed)
    world.mine()
    assert balance(world, PAYER.address) == 0
    assert balance(world, PAYEE) == before + had - world.fee(signed.hash)
    with pytest.raises(PortError, match="funds"):
        world.wait(chain.sign_sweep(PAYEE, 1, 0))
