"""Sums that are nothing, a stake that nobody makes and addresses that nobody has are refused in one sentence."""

from typing import Any

import pytest

from learnae.errors import InputError
from learnae.session.session_file import parse


@pytest.mark.parametrize(
    ("settings", "sentence"),
    [
        ({"defence": {"stake": "1e-20"}}, "defence.stake = 1E-20 is below 1 wei (1e-18 ETH), which is nothing: raise"),
        ({"defence": {"kind": "profiles", "fee": "1e-20"}}, "defence.fee = 1E-20 is below 1 wei"),
        ({"groups": [{"unit_cost": "1e-19"}]}, "groups.unit_cost = 1E-19 is below 1 wei"),
        (
            {"defence": {"stake": "0.01"}, "groups": [{"stakes": False}]},
            "defence.stake is set, but no group makes the deposit: leave groups.stakes true in one",
        ),
        (
            {"groups": [{"count": 1, "payout": "0x" + "ffff".rjust(40, "0")}, {}]},
            "groups.payout is an address from which nobody can take money",
        ),
    ],
)
def test_money_that_goes_nowhere_is_refused(settings: dict[str, Any], sentence: str) -> None:
    with pytest.raises(InputError) as refused:
        parse(settings)
    assert sentence in str(refused.value)
