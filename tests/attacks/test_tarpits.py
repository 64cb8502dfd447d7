"""Attack: peers announce models that nobody can fetch, so that others wait for them.

Before fetches ran beside the work, one announcement made such a session of 21 s take 141 s, and one identity with a new
step every seven seconds 1,021 s.
"""

from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from math import inf
from statistics import fmean
from typing import Any

import pytest
from tests.helpers.swarms import Faults, Run, run

from learnae.messages.wire import cid_of
from learnae.protocol.decisions import AttemptFailed, Averaged, FetchFailed
from learnae.protocol.delivery import MAX_FAILURES, TRIAL_AFTER
from learnae.protocol.events import ModelAnnouncement
from learnae.protocol.types import ModelRef, PeerId, Weights
from learnae.runtime.simulator import Simulator

HONEST = 10
SEEDS = (1, 2, 3)
SESSION: dict[str, Any] = {"peers": HONEST, "data": {"rows": 2000}, "work": {"slices": 6, "patience": 8}}
WAITING = 10.0  # s: idle_after and linger; with a model that nobody has, peers cannot tell that nothing is left
LIMIT = {1: 1.5, 5: 3.0}  # how much longer a session may take besides, by number of identities


@dataclass(frozen=True)
class Tarpit:
    """``identities`` that each announce ``steps`` models, one ``every`` so many seconds.

    ``delivered``: steps whose blocks do arrive.  ``fresh``: each step comes from an identity that was never seen.
    ``recovers``: when its blocks begin to arrive, as those of a creator whose outage is over.
    """

    identities: int
    steps: int = 1000
    every: float = 1.0
    delivered: int = 0
    fresh: bool = False
    recovers: float = inf

    def __call__(self, simulator: Simulator) -> None:
        for number in range(self.identities):
            simulator.at(1.0 + number / 10, partial(self._announce, simulator, number, 1))

    def _announce(self, simulator: Simulator, number: int, step: int) -> None:
        block = f"{500 + number} tarpit {number} {step}".encode()
        creator = PeerId(f"tarpit {number} {step}" if self.fresh else f"tarpit {number}")
        model = ModelRef(creator, step, Weights(cid_of(block), f"digest {number} {step}"))
        if step <= self.delivered or simulator.clock.now >= self.recovers:
            simulator.swarm.blocks[model.weights.cid] = block
            simulator.swarm.holders[model.weights.cid] = dict.fromkeys(simulator.hosts)
        for host in simulator.hosts.values():
            simulator.receive(host, creator, ModelAnnouncement(host.config.session, model, ()))
        if step < self.steps:
            simulator.after(self.every, partial(self._announce, simulator, number, step + 1))


def sessions(faults: Faults) -> list[Run]:
    return [run(SESSION | {"seed": seed}, faults, journals=False) for seed in SEEDS]


def seconds(runs: list[Run]) -> float:
    return fmean(each.history.seconds for each in runs)


def payments(runs: list[Run]) -> int:
    return sum(len(each.payments()) for each in runs)


def attempts(runs: list[Run]) -> int:
    return sum(1 for each in runs for _ in each.history.facts(Averaged))


@pytest.fixture(scope="module")
def calm() -> list[Run]:
    return sessions(lambda simulator: None)


@pytest.mark.parametrize("identities", LIMIT)
@pytest.mark.parametrize(
    "tarpit",
    [partial(Tarpit, steps=1), partial(Tarpit), partial(Tarpit, every=4.0), partial(Tarpit, fresh=True, steps=20)],
    ids=["one announcement", "a new step every second", "a new step when all are done", "new identities"],
)
def test_a_session_ends_about_as_soon_and_pays_as_much(
    calm: list[Run], tarpit: Callable[[int], Tarpit], identities: int
) -> None:
    attacked = sessions(tarpit(identities))
    assert all(not each.failing and each.ended_by == "quiet" for each in attacked)
    assert seconds(attacked) <= LIMIT[identities] * (seconds(calm) + WAITING)
    assert attempts(attacked) >= 0.9 * attempts(calm)
    assert payments(attacked) >= 0.8 * payments(calm)


@pytest.mark.parametrize("identities", LIMIT)
def test_tarpits_that_delivered_before_delay_little_more(calm: list[Run], identities: int) -> None:
    attacked = sessions(Tarpit(identities, delivered=1))
    assert all(not each.failing and each.ended_by == "quiet" for each in attacked)
    assert seconds(attacked) <= LIMIT[identities] * (seconds(calm) + WAITING)


def test_however_often_a_tarpit_announces_its_models_are_fetched_seldom() -> None:
    attacked = run(SESSION | {"linger": 600.0}, Tarpit(1, steps=100_000, every=0.5), journals=False)
    failed = [record.t for record, fact in attacked.history.facts(FetchFailed) if record.peer == "p00"]
    assert attacked.history.seconds > 600
    assert len(failed) <= 20


def test_a_creator_behind_an_outage_of_minutes_is_tried_again_although_it_was_given_up() -> None:
    slowly = {"peers": 4, "work": {"slices": 100, "patience": 8}, "pace": {"slice": 5.0}}
    session = run(SESSION | slowly, Tarpit(1, steps=100, every=5.0, recovers=320.0), journals=False)
    failed = [record.t for record, fact in session.history.facts(FetchFailed) if record.peer == "p00"]
    tried = [record.t for record, fact in session.history.facts(AttemptFailed) if record.peer == "p00"]
    assert len(failed) == MAX_FAILURES and max(failed) < 320.0
    assert len(tried) > 3 and min(tried) > max(failed) + TRIAL_AFTER
