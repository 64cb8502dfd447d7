"""Settings in the units that peers compute with."""

from decimal import Decimal

import pytest

from learnae.protocol.settings import ChainSettings, RewardSettings


@pytest.mark.parametrize(("gwei", "wei"), [(Decimal(100), 10**11), (Decimal("0.001"), 10**6), (Decimal("1e-10"), 0)])
def test_fees_are_in_wei_per_gas(gwei: Decimal, wei: int) -> None:
    assert ChainSettings(max_fee=gwei).max_fee_wei == wei


def test_sums_are_in_wei() -> None:
    assert ChainSettings(gas_cap=Decimal("0.1")).gas_cap_wei == 10**17
    assert RewardSettings(factor=Decimal("0.052"), cap=Decimal(2)).factor_wei == 52 * 10**15
    assert RewardSettings(factor=Decimal("0.052"), cap=Decimal(2)).cap_wei == 2 * 10**18
