"""Rows with a price in an embedded swarm: their creators are paid on a real EVM."""

from functools import cache

import pytest
from tests.helpers.live_peer_lives import Live

from learnae.protocol.decisions import DebtState
from learnae.records.chain_export import Block

GROUPS = [{"count": 1}, {"count": 1, "computes": False}, {"count": 2, "has_rows": False}]


@cache
def ended(settle: str) -> Live:
    reward, payment = {"data": "0.05"}, {"settle": settle, "threshold": "0.001"}
    live = Live({"privacy": False, "groups": GROUPS, "reward": reward, "payment": payment, "max_duration": 600.0})
    assert live.run() == "quiet"
    return live


@pytest.mark.parametrize("settle", ["each", pytest.param("batched", marks=pytest.mark.slow)])
def test_who_publishes_rows_and_no_models_earns_what_the_history_says_to_the_wei(settle: str) -> None:
    live = ended(settle)
    assert {name: check for name, check in live.verdict["checks"].items() if check["result"] != "valid"} == {}
    provider = live.history.roster["p01"]
    debts = [changes[-1][1] for changes in live.history.debts.values() if changes[-1][1].creator == provider.peer]
    assert debts and all(debt.shares for debt in debts)
    assert {debt.state for debt in debts if debt.wei} == {DebtState.FINAL}
    transfers = [tx for block in live.history.exports(Block) for tx in block.transactions if tx.to == provider.wallet]
    assert sum(tx.wei for tx in transfers) == sum(debt.wei for debt in debts) > 0
