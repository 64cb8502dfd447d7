"""Ways to do without the stake of an identity, or to keep it."""

from typing import Any

import pytest
from tests.helpers.pool_mutants import forgets_to
from tests.helpers.protocol_mutants import BASE, Mutant
from tests.helpers.swarms import groups

from learnae.adapters.memory_chain.fee_pool import MemoryFeePool
from learnae.protocol.blockchain import Report, Withdrawal
from learnae.protocol.fee_pool import FeePool
from learnae.protocol.types import Address, Wei

Patch = pytest.MonkeyPatch

STAKED: dict[str, Any] = BASE | {"defence": {"stake": "0.01", "window": 60}}
UNSTAKED: dict[str, Any] = STAKED | groups({"count": 4}, {"count": 1, "stakes": False})


def takes_models_without_a_stake(patch: Patch) -> None:
    patch.setattr(FeePool, "checks_stakes", False)


def believes_one_stake_for_all(patch: Patch) -> None:
    """Every identity is taken for a member once anybody is one."""
    patch.setattr(FeePool, "holds_stake", lambda self, contract: self._state is not None)


def keeps_a_wei_of_each_stake(patch: Patch) -> None:
    withdraw = MemoryFeePool._withdraw
    patch.setattr(MemoryFeePool, "_withdraw", lambda self, sender, now: Wei(withdraw(self, sender, now) - 1))


def gives_stakes_back_too_early(patch: Patch) -> None:
    def at_once(self: MemoryFeePool, sender: Address, now: int) -> Wei:
        self.withdrawn.add(sender)
        return self.terms.stake

    sign_next = FeePool._sign_next

    def impatient(self: FeePool, finished: bool) -> None:
        member = self._state is not None and self._config.wallet in self._state.members
        if member and self._last(Withdrawal) is None and not self._transactions.signing:
            self._sign(Withdrawal())
        else:
            sign_next(self, finished)

    patch.setattr(MemoryFeePool, "_withdraw", at_once)
    patch.setattr(FeePool, "_sign_next", impatient)


MUTANTS = [
    Mutant("takes models without a stake", takes_models_without_a_stake, {"models_have_stakes"}, UNSTAKED),
    Mutant("believes one stake for all", believes_one_stake_for_all, {"models_have_stakes"}, UNSTAKED),
    Mutant("keeps a wei of each stake", keeps_a_wei_of_each_stake, {"wei_conserved"}, STAKED),
    Mutant(
        "gives stakes back too early",
        gives_stakes_back_too_early,
        {"pool_follows_its_rules", "wei_conserved", "fees_are_split"},
        STAKED,
    ),
    Mutant("never says that it has finished", forgets_to(Report), {"fees_are_split"}, STAKED),
]
