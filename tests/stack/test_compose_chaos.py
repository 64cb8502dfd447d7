"""Faults on containers are applied, have an effect, are healed, and every payment is correct."""

import asyncio
import signal
import subprocess
import time
import tomllib
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from monitor.ask import Prometheus
from monitor.queries import FAULTS as FAULTS_OPEN
from tests.helpers.command_line import here
from tests.helpers.docker_engine import require_engine
from tests.helpers.waiting import until
from tests.stack.compose_swarm import COMMAND, PATIENCE, PROJECT, left

from learnae.adapters.run_directory import RunDirectory
from learnae.analysis.checks.faults import crossings, recorded_faults
from learnae.analysis.fault_impact import fault_impact
from learnae.backends.base import Run
from learnae.backends.compose import session as sessions
from learnae.backends.compose.docker_cli import docker
from learnae.backends.compose.plan import PROMETHEUS
from learnae.backends.compose.prepare import prepare
from learnae.backends.live_run import FAULTS
from learnae.backends.pods.plan import HOST
from learnae.checkout import REPOSITORY
from learnae.errors import InputError
from learnae.protocol.decisions import Averaged, DebtState, RolledBack
from learnae.records.history import FaultBegan, FaultEnded, History, PeerCrashed, PeerRestarted
from learnae.resources import scenario_files
from learnae.session.faults import FaultKind
from learnae.session.session_file import parse, to_toml
from learnae.session.settings import Session

pytestmark = pytest.mark.docker

SMALL = tomllib.loads("""
peers = 4
linger = 4.0
max_duration = 250.0
[work]
slices = 5
patience = 5
idle_after = 4.0
[pace]
slice = 2.0
attempt = 1.0
[network]
announce_every = 3.0
[start]
timeout = 60.0
[expect]
recovery = 120.0
""")


def scenario(name: str) -> dict[str, Any]:
    return tomllib.loads(scenario_files()[name].read_text())


def small(name: str, **changes: Any) -> Session:
    """A scenario that comes with LEARNAE, among four peers, in half the slices and a sixth of the time."""
    table = scenario(name)
    faults = [each | {key: each[key] / 6 for key in ("at", "duration")} for each in table.get("faults", [])]
    groups = [each | {"count": each["count"] // 4} if "count" in each else each for each in table.get("groups", [{}])]
    return parse(table | SMALL | {"faults": faults, "groups": groups} | changes)


@dataclass
class Disturbed:
    """A session with faults.  ``tables``: of each pod's packet filter, when all was over; ``before`` of one that had
    only just come up.  ``shaded``: kinds of the windows that the swarm's own Prometheus saw, if it has one."""

    run: Path
    before: str
    tables: dict[str, str]
    shaded: set[str] | None

    @property
    def history(self) -> History:
        return RunDirectory(self.run).read()


def disturbed(session: Session, run: Path, stop_at: type | None = None) -> Disturbed:
    """Played to its end, or interrupted at the first such fact."""
    require_engine()
    run.mkdir()
    with sessions.alone(print):
        try:
            swarm = asyncio.run(prepare(session, print))
            began = time.time()
            asyncio.run(swarm.containers.up(f"link-{swarm.plan.names[0]}"))
            before = table(swarm.plan.names[0])
            with suppress(asyncio.CancelledError):
                asyncio.run(played(swarm, run, stop_at))
            watched = stop_at is None and "prometheus" in swarm.plan.profiles
            tables = {name: table(name) for name in swarm.plan.names}
            return Disturbed(run, before, tables, shaded(swarm, began) if watched else None)
        finally:
            sessions.remove()


async def played(swarm: sessions.ComposeSwarm, folder: Path, stop_at: type | None) -> None:
    run = Run(RunDirectory(folder))
    playing = asyncio.create_task(sessions.live(swarm, run, print))
    if stop_at:
        async for _, record in run.events.follow():
            if isinstance(record.fact, stop_at):
                playing.cancel()
                break
    await playing


def shaded(swarm: sessions.ComposeSwarm, began: float) -> set[str]:
    ask = Prometheus(f"http://{HOST}:{swarm.plan.port(PROMETHEUS)}")
    return {labels["fault"] for labels, _ in ask.query_range(FAULTS_OPEN.expr, began, time.time())}


def table(name: str) -> str:
    """The rules of a pod's packet filter, without counters and comments."""
    told = docker("exec", f"{PROJECT}-link-{name}-1", "iptables-save", "-t", "filter")
    return "\n".join(line.split(" [")[0] for line in told.splitlines() if line[:1] != "#")


def sound(swarm: Disturbed) -> History:
    """Valid, audited, whatever the plan has was applied, and every packet filter is as before."""
    audited = here(swarm.run, "audit", swarm.run)
    assert audited.returncode == 0, audited.stdout + audited.stderr
    history = swarm.history
    found = RunDirectory(swarm.run).judge(history, None)
    assert found["verdict"] == "valid", found["checks"]
    assert found["summary"]["peers_finished"] == 4
    assert history.debts and {changes[-1][1].state for changes in history.debts.values()} == {DebtState.FINAL}
    assert [fact.effect for _, fact in history.facts(FaultEnded)] == ["applied"] * len(list(history.facts(FaultBegan)))
    assert set(swarm.tables.values()) == {swarm.before}
    return history


def test_halves_that_are_apart_hear_nothing_new_of_each_other_and_meet_again(tmp_path: Path) -> None:
    swarm = disturbed(small("split-half"), tmp_path / "run")
    [(_, after)] = crossings(sound(swarm))
    assert after > -1
    assert swarm.shaded in (None, {"split"})  # 10 s long: none above 5 is missed (docs/how-to/monitoring.md)


@pytest.fixture(scope="module")
def troubled(tmp_path_factory: pytest.TempPathFactory) -> History:
    """One session with three scenarios, one after the other: a peer is killed, the chain loses blocks, it is away."""
    names, begins, lasts = ("kill-five-of-twenty", "chain-rollback", "chain-outage"), (3.0, 9.0, 14.0), (3.0, 1.0, 10.0)
    faults = [
        scenario(name)["faults"][0] | {"at": at, "duration": duration}
        for name, at, duration in zip(names, begins, lasts, strict=True)
    ]
    work = SMALL["work"] | {"slices": 11}  # so that there is work until after the last fault
    return sound(disturbed(small(names[0], faults=faults, work=work), tmp_path_factory.mktemp("troubled") / "run"))


def test_a_peer_that_is_killed_comes_back_catches_up_and_finishes(troubled: History) -> None:
    [crashed], [restarted] = ([record for record, _ in troubled.facts(kind)] for kind in (PeerCrashed, PeerRestarted))
    assert crashed.peer == restarted.peer and crashed.t < restarted.t
    assert any(record.peer == crashed.peer and record.t > restarted.t for record, _ in troubled.facts(Averaged))


def test_a_chain_that_lost_blocks_is_sent_them_again_and_nobody_is_paid_twice(troubled: History) -> None:
    [killed] = [each for each in recorded_faults(troubled) if each.kind is FaultKind.CHAIN_KILL]
    assert any(fact.rechecked for record, fact in troubled.facts(RolledBack) if record.t > killed.begin)


def test_averaging_goes_on_while_the_chain_is_away(troubled: History) -> None:
    [away] = [each for each in recorded_faults(troubled) if each.kind is FaultKind.CHAIN_STOP]
    assert away.end and any(away.begin + 2 < record.t < away.end for record, _ in troubled.facts(Averaged))


@pytest.fixture(scope="module")
def slowed(tmp_path_factory: pytest.TempPathFactory) -> History:
    """A session with slow links and a peer that publishes random weights."""
    session = small("slow-links", groups=[{"count": 1, "policy": "poisoner"}, {}])
    return sound(disturbed(session, tmp_path_factory.mktemp("slowed") / "run"))


def test_slow_links_hold_models_up_and_lose_nothing(slowed: History) -> None:
    [(began, fault)], [(ended, _)] = slowed.facts(FaultBegan), slowed.facts(FaultEnded)
    slow = {peer for peer, entry in slowed.roster.items() if entry.name in fault.targets}
    assert any(began.t < record.t < ended.t and record.peer in slow for record, _ in slowed.facts(Averaged))


def test_who_publishes_random_weights_is_paid_nothing(slowed: History) -> None:
    earned = fault_impact(slowed, slowed).earned
    assert earned["poisoner"] == 0 < earned["honest"]


def test_what_was_cut_or_taken_away_is_back_when_a_session_is_interrupted(tmp_path: Path) -> None:
    swarm = disturbed(small("split-half"), tmp_path / "run", stop_at=FaultBegan)
    assert set(swarm.tables.values()) == {swarm.before}


@pytest.fixture
def killed(tmp_path: Path) -> Iterator[Path]:
    """A session whose runner is killed while its links are cut."""
    require_engine()
    session, run = tmp_path / "session.toml", tmp_path / "run"
    session.write_text(to_toml(small("split-half", faults=[{"kind": "split", "at": 3.0, "duration": 100.0}])))
    command = [*COMMAND, "chaos", "run", str(session), "--backend", "compose", "--out", str(run)]
    with subprocess.Popen(command, cwd=REPOSITORY, stdout=subprocess.DEVNULL) as process:
        try:
            until(lambda: (run / FAULTS).is_file() and "FaultBegan" in (run / FAULTS).read_text(), PATIENCE)
            until(lambda: "DROP" in table("p00"))  # on a slow machine the links would soon be healed after the kill
        finally:
            process.send_signal(signal.SIGKILL)
    yield run
    here(tmp_path, "compose", "down")
    assert left() == ""


def test_links_heal_by_themselves_when_whoever_cut_them_is_killed(killed: Path) -> None:
    until(lambda: not any("LEARNAE" in table(f"p0{index}") for index in range(4)))


def test_what_containers_cannot_do_is_refused_before_anything_runs(tmp_path: Path) -> None:
    one_way = {"kind": "cut", "at": 3, "duration": 10, "one_way": True}
    with pytest.raises(InputError, match="^the plan has a cut of one way"):
        disturbed(small("split-half", faults=[one_way]), tmp_path / "run")
    assert left() == ""
