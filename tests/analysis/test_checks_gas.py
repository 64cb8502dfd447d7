"""What peers may spend on gas, computed from the chain's export."""

from dataclasses import replace
from decimal import Decimal
from typing import Any

import pytest
from tests.helpers.histories import SETTINGS, amended, caught, fact_is

from learnae.records.history import SessionBegan


@pytest.mark.parametrize(
    ("limits", "reason"),
    [
        ({"max_fee": Decimal(2), "gas_cap": Decimal("0.000249")}, None),
        ({"max_fee": Decimal("1.9")}, "ann paid 2000000000 wei per gas in block 1, above the limit of 1900000000"),
        ({"gas_cap": Decimal("0.000248")}, "ann spent 248880000000000 wei on gas, above the cap of 248000000000000"),
    ],
)
def test_gas_above_the_limits_of_the_session_is_invalid(limits: dict[str, Any], reason: str | None) -> None:
    session = replace(SETTINGS, chain=replace(SETTINGS.chain, **limits))
    found = caught(amended(fact_is("swarm", SessionBegan), session=session))
    assert found.keys() == ({"gas_within_limits"} if reason else set())
    assert reason is None or reason in found["gas_within_limits"]
