"""Each listed mutant is caught by the check, or the property, that names it; and what is not broken is not blamed."""

from typing import Any

import pytest
from tests.helpers import (
    defence_mutants,
    feed_mutants,
    lineage_mutants,
    market_mutants,
    payout_mutants,
    pool_mutants,
    protocol_mutants,
    row_mutants,
    settlement_mutants,
    similarity_mutants,
    stake_mutants,
)
from tests.helpers.protocol_mutants import Mutant
from tests.helpers.session_properties import PROPERTIES
from tests.helpers.swarms import Faults, Run, run

from learnae.analysis.checks import CHECKS

MUTANTS = [
    *protocol_mutants.MUTANTS,
    *row_mutants.MUTANTS,
    *feed_mutants.MUTANTS,
    *settlement_mutants.MUTANTS,
    *defence_mutants.MUTANTS,
    *pool_mutants.MUTANTS,
    *market_mutants.MUTANTS,
    *payout_mutants.MUTANTS,
    *lineage_mutants.MUTANTS,
    *stake_mutants.MUTANTS,
    *similarity_mutants.MUTANTS,
]


def complaints(session: Run) -> set[str]:
    return {*session.failing, *(name for name, holds in PROPERTIES.items() if not holds(session))}


WORLDS: list[tuple[dict[str, Any], Faults]] = []
for mutant in MUTANTS:
    if (mutant.table, mutant.faults) not in WORLDS:
        WORLDS.append((mutant.table, mutant.faults))


@pytest.mark.parametrize("world", range(len(WORLDS)))
def test_unbroken_every_session_passes_all(world: int) -> None:
    table, faults = WORLDS[world]
    assert complaints(run(table, faults)) == set()


@pytest.mark.parametrize("mutant", MUTANTS, ids=lambda mutant: mutant.name)
def test_a_mutant_is_caught_by_name(mutant: Mutant, monkeypatch: pytest.MonkeyPatch) -> None:
    mutant.breaks(monkeypatch)
    assert complaints(run(mutant.table, mutant.faults)) == mutant.caught_by


def test_every_check_catches_a_mutant() -> None:
    assert {name for mutant in MUTANTS for name in mutant.caught_by} >= CHECKS.keys()
