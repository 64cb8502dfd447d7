"""Every scenario in the simulator, as `learnae chaos run` plays it; what each is there to show is in its numbers."""

import json
from collections.abc import Callable, Collection, Iterator
from dataclasses import dataclass, replace
from functools import cache
from pathlib import Path
from typing import Any

import pytest
from tests.helpers.command_line import ALL_PASSED, here

from learnae.adapters.run_directory import RunDirectory
from learnae.analysis.checks import CHECKS
from learnae.analysis.checks.faults import RecordedFault, recorded_faults
from learnae.checkout import REPOSITORY
from learnae.cli import chaos
from learnae.protocol.decisions import Averaged, DebtState, RolledBack, Trained
from learnae.protocol.policies import Role
from learnae.records.history import History, ReadingPublished
from learnae.resources import scenario_files
from learnae.session.session_file import load
from learnae.session.settings import Expectations

pytestmark = pytest.mark.slow
NAMES = list(scenario_files())
SOON = 10.0  # s: no stall is longer, and models cross again within
POINT = 1.0  # percentage point of accuracy on test rows
SAME: dict[str, Any] = {"name": "calm", "about": "", "expect": Expectations()}  # these change nothing in a session


@dataclass(frozen=True)
class Shown:
    """A run.  ``numbers``: its ``chaos.json``."""

    numbers: dict[str, Any]
    history: History

    def __getitem__(self, number: str) -> Any:
        return self.numbers[number]

    @property
    def fault(self) -> RecordedFault:
        [fault] = recorded_faults(self.history)
        return fault

    def averaged(self, by: Collection[str], of: Collection[str], adopted: bool = False) -> bool:
        """Whether, while the fault lasted, one of them averaged with a model of the others; ``adopted``: kept it."""
        began, ended = self.fault.begin, self.fault.end or 0.0
        creators = {entry.peer for entry in self.history.roster.values() if entry.name in of}
        return any(
            began < record.t < ended
            and record.peer in by
            and fact.creator in creators
            and (fact.adopted or not adopted)
            for record, fact in self.history.facts(Averaged)
        )


def goes_on_with_the_models_of_a_dead_creator(shown: Shown) -> bool:
    everybody, dead = shown.history.roster, shown.fault.targets
    return shown["stall"] <= SOON and shown.averaged(by=everybody, of=dead)


def halves_go_on_alone_and_meet_again(shown: Shown) -> bool:
    alone = [shown.averaged(by=side, of=side, adopted=True) for side in shown.fault.sides]
    return alone == [True, True] and 0 < shown["crossing"] <= SOON and shown["lost_points"] <= POINT


def averages_without_a_chain(shown: Shown) -> bool:
    everybody = shown.history.roster
    return shown["stall"] <= SOON and shown.averaged(by=everybody, of=everybody, adopted=True)


def everybody_notices_that_blocks_are_lost_and_checks_again(shown: Shown) -> bool:
    noticed = {record.peer for record, fact in shown.history.facts(RolledBack) if fact.rechecked}
    return noticed == shown.history.roster.keys() and shown["stall"] <= SOON


def who_has_no_rows_pays_for_what_it_gains(shown: Shown) -> bool:
    without = {entry.name for entry in shown.history.roster.values() if not entry.has_rows}
    paid = [
        changes[-1][1].state is DebtState.FINAL
        for (payer, _), changes in shown.history.debts.items()
        if payer in without
    ]
    return len(without) == 4 and any(paid) and all(paid)


def every_reading_is_trained_on(shown: Shown) -> bool:
    published = {fact.cid for _, fact in shown.history.facts(ReadingPublished)}
    waited = {fact.cid for record, fact in shown.history.facts(ReadingPublished) if record.t > (shown.fault.end or 0.0)}
    return bool(waited) and published <= {fact.rows for _, fact in shown.history.facts(Trained)}


def sensors_come_back_and_every_reading_is_trained_on(shown: Shown) -> bool:
    churn, readings = recorded_faults(shown.history), list(shown.history.facts(ReadingPublished))
    away = [
        [record for record, _ in readings if record.peer in fault.targets and fault.begin < record.t < (fault.end or 0)]
        for fault in churn
    ]
    last = {record.peer: record.t for record, _ in readings}
    back = [last[name] > (fault.end or 0) for fault in churn for name in fault.targets]
    trained = {fact.rows for _, fact in shown.history.facts(Trained)}
    return not any(away) and all(back) and {fact.cid for _, fact in readings} <= trained and len(readings) == 40


# what each scenario must show
SHOWS: dict[str, Callable[[Shown], bool]] = {
    "broker-down": every_reading_is_trained_on,
    "chain-outage": averages_without_a_chain,
    "chain-rollback": everybody_notices_that_blocks_are_lost_and_checks_again,
    "copycats": lambda found: found["forged"]["copycat"] == 0,
    "creator-dead": goes_on_with_the_models_of_a_dead_creator,
    "feed-node-kill": every_reading_is_trained_on,
    "flaky-links": lambda found: found["lost_points"] <= POINT,
    "hijackers-paper": lambda found: found["earned"]["hijacker"] > 0,
    "hijackers-proven": lambda found: found["earned"]["hijacker"] == 0,
    "ipfs-restart": lambda found: found["stall"] <= SOON,
    "isolate-one": lambda found: found["stall"] <= SOON,
    "kill-five-of-twenty": lambda found: found["stall"] <= SOON,
    "node-drain": lambda found: found["stall"] <= SOON,
    "non-payers": lambda found: found["spent"]["refuses-to-pay"] == 0 < found["earned"]["refuses-to-pay"],
    "perturbed-copycats": lambda found: found["forged"]["copycat"] > 0,
    "poisoners": lambda found: found["earned"]["poisoner"] == 0 and found["lost_points"] <= POINT,
    "profiteers": who_has_no_rows_pays_for_what_it_gains,
    "rolling-downtime": lambda found: found["lost_points"] <= POINT,
    "sensor-churn": sensors_come_back_and_every_reading_is_trained_on,
    "slow-links": lambda found: found["stall"] <= SOON and found["lost_points"] <= POINT,
    "spammer": lambda found: found["earned"]["spammer"] == 0,
    "split-half": halves_go_on_alone_and_meet_again,
}


def test_every_scenario_is_here_and_says_what_it_shows() -> None:
    assert NAMES == sorted(SHOWS)
    page = (REPOSITORY / "docs" / "how-to" / "chaos.md").read_text()
    for path in scenario_files().values():
        session = load(path)
        assert session.name == path.stem and f"`{path.stem}`" in page
        assert len(session.about.split()) > 20 and "the same" not in session.about.lower()[:30]


@pytest.fixture(scope="module")
def shared() -> Iterator[None]:
    """Scenarios that differ in faults and cheats alone are compared with the same undisturbed session."""
    simulated = cache(chaos.simulated)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(chaos, "simulated", lambda calm: simulated(replace(calm, **SAME)))
        yield


@pytest.mark.parametrize("name", NAMES)
def test_a_scenario_ends_valid_and_shows_what_it_is_there_for(name: str, shared: None, tmp_path: Path) -> None:
    done = here(tmp_path, "chaos", "run", name, "--backend", "sim", "--out", tmp_path)
    assert done.returncode == 0, done.stdout + done.stderr
    assert done.stdout.startswith(f"{name}: ") and ALL_PASSED in done.stdout
    verdict = json.loads((tmp_path / "verdict.json").read_text())
    assert verdict["checks"].keys() == CHECKS.keys()
    shown = Shown(json.loads((tmp_path / "chaos.json").read_text()), RunDirectory(tmp_path).read())
    peers = [entry for entry in shown.history.roster.values() if entry.role is not Role.SENSOR]
    assert verdict["summary"]["peers_finished"] == verdict["summary"]["peers_expected"] == len(peers) >= 6
    assert SHOWS[name](shown), shown.numbers
