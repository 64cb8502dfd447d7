"""Sessions with a fee pool in the simulator, on chains that are slower than the peers that read them."""

from typing import Any

import pytest
from tests.helpers.swarms import SMALL, Run, run

from learnae.analysis.fee_pool import Call, pool_calls
from learnae.protocol.decisions import DebtState


def ended(block_time: float, **more: Any) -> Run:
    return run(SMALL | {"defence": {"kind": "profiles", "window": 100}, "chain": {"block_time": block_time}} | more)


def reports(session: Run) -> list[Call]:
    return [call for call in pool_calls(session.history) if call.kind == "report"]


@pytest.mark.parametrize("block_time", [2.0, 3.0])
def test_nobody_reports_before_its_deposit_is_mined(block_time: float) -> None:
    """``chain.poll`` is 1 s, so each peer reads the pool while its deposit waits for a block."""
    session = ended(block_time)
    assert session.failing == []
    assert len(reports(session)) == 6 and all(call.shares for call in reports(session))
    states = [state for name in session.history.roster for state in session.debt_states(name)]
    assert states.count(DebtState.FINAL) > len(states) / 2


def test_who_joins_as_late_as_is_allowed_still_deposits_reports_and_withdraws() -> None:
    session = ended(1.0, groups=[{"count": 5}, {"count": 1, "joins_at": 75.0}], start={"timeout": 3.0}, linger=60.0)
    assert session.failing == [] and len(reports(session)) == 6
