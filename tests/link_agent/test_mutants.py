"""Each way to break agent or runner is caught by the property that names it; and what is not broken is not blamed."""

import asyncio

import pytest
from tests.link_agent.mutants import MUTANTS, Mutant
from tests.link_agent.properties import PROPERTIES

from learnae.backends.pods import link_client


async def failing() -> set[str]:
    return {name for name, holds in PROPERTIES.items() if not await holds()}


@pytest.fixture(autouse=True)
def leases_are_soon_renewed(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(link_client, "RENEW", 0.03)


def test_unbroken_all_of_it_holds() -> None:
    assert asyncio.run(failing()) == set()


@pytest.mark.parametrize("mutant", MUTANTS, ids=lambda mutant: mutant.name)
def test_a_mutant_is_caught_by_name(mutant: Mutant, monkeypatch: pytest.MonkeyPatch) -> None:
    mutant.breaks(monkeypatch)
    assert asyncio.run(failing()) == mutant.caught_by


def test_every_property_catches_a_mutant() -> None:
    assert {name for mutant in MUTANTS for name in mutant.caught_by} == PROPERTIES.keys()
