"""Where models take longer to travel than to compute, work keeps pace with the network and does not run ahead of it."""

from typing import Any

import pytest
from tests.helpers.swarms import Run, run

from learnae.protocol.decisions import Averaged, Published, Trained

SLICES = 6
SESSION: dict[str, Any] = {"peers": 8, "data": {"rows": 1200}, "work": {"slices": SLICES, "patience": 8}}
SLOW: dict[str, Any] = {"network": {"latency": 1.0}}  # s: a slice takes 0.08 s, a fetch 2 s


@pytest.fixture(scope="module")
def slow() -> Run:
    return run(SESSION | SLOW, journals=False)


def test_attempts_take_turns_with_slices_although_each_model_has_to_be_waited_for(slow: Run) -> None:
    for name in slow.history.roster:
        done = [record.fact for record in slow.records if record.peer == name]
        units = [type(fact) for fact in done if isinstance(fact, Trained | Averaged)]
        last = max(position for position, unit in enumerate(units) if unit is Trained)
        assert units[:last].count(Averaged) >= SLICES - 3


def test_nearly_all_models_are_published(slow: Run) -> None:
    trained, averaged = list(slow.history.facts(Trained)), list(slow.history.facts(Averaged))
    made = len(trained) + sum(fact.adopted for _, fact in averaged)
    assert len(list(slow.history.facts(Published))) >= 0.9 * made
