"""What the commands about chaos do."""

import os
import time
from pathlib import Path
from typing import Any

from rich.table import Table

from learnae.adapters.run_directory import RunDirectory
from learnae.analysis.checks import exit_code
from learnae.analysis.fault_impact import FaultImpact, fault_impact, to_json
from learnae.backends.compose import engine
from learnae.backends.sim.faults import undisturbed
from learnae.cli.arguments import scenario_file
from learnae.cli.commands import INTERRUPTED, conclude, console, only_our_chain, picture, say
from learnae.cli.progress import Progress
from learnae.records.history import History
from learnae.records.outcome import EndedBy
from learnae.resources import scenario_files
from learnae.session.fault_plan import plan as planned
from learnae.session.fault_plan import timeline
from learnae.session.roster import names
from learnae.session.session_file import load
from learnae.session.settings import Session

CHAOS = "chaos.json"
SIM = "sim"  # of the two backends, compose the other
PORT = 0  # of the live page: any


def show() -> int:
    for name, path in scenario_files().items():
        console.print(name, style="bold", markup=False)
        say(" ".join(load(path).about.split()))
    return 0


def plan(scenario: str, overrides: dict[str, Any]) -> int:
    _tell(find(scenario, overrides))
    return 0


def run(scenario: str, overrides: dict[str, Any], where: str | None, out: Path | None) -> int:
    """``where``: compose, sim, or where this machine best can."""
    session = find(scenario, overrides)
    _tell(session)
    lacking = engine.lacking() if where is None else None
    why = "as asked" if where else lacking or "a Docker engine answers"
    simulated = where == SIM or lacking is not None
    if simulated:
        only_our_chain(SIM, why)
    play = _simulated if simulated else _in_containers
    directory, found = play(session, out, why)
    if found is None:
        return INTERRUPTED
    if found["ended_by"] == EndedBy.INTERRUPTED:
        conclude(directory, found)
        return INTERRUPTED
    after = _beside(session, directory)
    directory.write_json(CHAOS, to_json(after))
    console.print(_table(after))
    conclude(directory, found)
    return exit_code(found)


def _in_containers(session: Session, out: Path | None, why: str) -> tuple[RunDirectory, dict[str, Any] | None]:
    from learnae.cli import containers

    say(f"LEARNAE: {session.peers} live peers in containers ({why}). {containers.wait(session)}")
    return containers.played(session, out, PORT, keep=False)


def _simulated(session: Session, out: Path | None, why: str) -> tuple[RunDirectory, dict[str, Any] | None]:
    say(f"LEARNAE: {session.peers} peers in the simulator (virtual time; {why}), with and without chaos.")
    from learnae.backends.sim.run_simulation import record
    from learnae.runtime.torch_learning import TorchLearning  # imports torch: after the first lines are out

    began = time.monotonic()
    learning = TorchLearning(session, os.cpu_count() or 1)
    directory = RunDirectory.create(Path("runs"), session.name, out)
    with Progress(console, session) as progress:
        record(session, learning, directory, progress.tick, progress.observe)
    history = directory.read()
    found = directory.judge(history, time.monotonic() - began)
    picture(directory, history, found)
    return directory, found


def _beside(session: Session, directory: RunDirectory) -> FaultImpact:
    """The same session undisturbed, if it was not that already; in the simulator, wherever this one was."""
    calm = undisturbed(session)
    if calm == session:
        return fault_impact(directory.read(), History(()))
    from learnae.backends.sim.simulation import MemoryHistory, Simulation
    from learnae.runtime.torch_learning import TorchLearning  # imports torch

    recording = MemoryHistory()
    with console.status("the same session, simulated"):
        learning = TorchLearning(session, os.cpu_count() or 1)
        Simulation(calm, learning, [recording.observe]).run()
    return fault_impact(directory.read(), History(tuple(recording.records)))


def find(scenario: str, overrides: dict[str, Any]) -> Session:
    """A scenario by name, or any session file.  Raises InputError."""
    return load(scenario_file(scenario), overrides)


def _tell(session: Session) -> None:
    say(f"{session.name}: {' '.join(session.about.split())}")
    for line in timeline(planned(session.faults, names(session.peers), session.seed)):
        say(line)


def _table(after: FaultImpact) -> Table:
    table = Table(header_style="bold")
    for title in ("", "this run", "undisturbed"):
        table.add_column(title, justify="right" if title else "left")
    rows = (
        ("accuracy on test rows, honest peers", after.accuracy, after.accuracy_undisturbed, ".4f"),
        ("payments sent per honest peer, mean", after.payments, after.payments_undisturbed, ".1f"),
        ("successful averagings, at the end", after.success, after.success_undisturbed, ".1%"),
    )
    for label, here, there, form in rows:
        table.add_row(label, *("-" if each is None else f"{each:{form}}" for each in (here, there)))
    if after.stall is not None:
        table.add_row("longest stall of a peer that no fault hit", f"{after.stall:.1f} s", "")
    if after.crossing is not None:
        table.add_row("first new model across a healed cut, after", f"{after.crossing:.1f} s", "")
    for policy, earned in after.earned.items():
        table.add_row(f"ETH earned, spent per peer: {policy}", f"{earned:.4f}, {after.spent[policy]:.4f}", "")
        if after.forged[policy] or policy != "honest":
            table.add_row(f"of it earned with forged models: {policy}", f"{after.forged[policy]:.4f}", "")
    return table
