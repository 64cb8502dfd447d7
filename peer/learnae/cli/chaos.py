"""`learnae chaos`: sessions in which links drop, peers crash, the chain stalls or peers cheat."""

import os
from typing import TYPE_CHECKING, Any

import typer

from learnae.cli.arguments import (
    BackendOption,
    Context,
    Images,
    Namespace,
    Out,
    Peers,
    Release,
    ScenarioFile,
    Seed,
    StorageClass,
)
from learnae.cli.output import INTERRUPTED, console, print_verdict, say, table_of
from learnae.resources import scenario_files

if TYPE_CHECKING:
    from rich.table import Table

    from learnae.adapters.run_directory import RunDirectory
    from learnae.analysis.fault_impact import FaultImpact
    from learnae.records.history import History
    from learnae.session.settings import Session

CHAOS = "chaos.json"  # in the run directory: what the faults cost

app = typer.Typer(help="Inject faults and cheating peers; verify the outcome.", no_args_is_help=True)


@app.command("list")
def show() -> int:
    """List the scenarios that come with LEARNAE."""
    from learnae.runs.sessions import load_session

    for name, path in scenario_files().items():
        console.print(name, style="bold", markup=False)
        say(" ".join(load_session(path).about.split()))
    return 0


@app.command()
def plan(scenario: ScenarioFile, peers: Peers = None, seed: Seed = None) -> int:
    """Print which faults would hit which peers, and when."""
    from learnae.runs.sessions import load_session

    _print_plan(load_session(scenario, {"peers": peers, "seed": seed}))
    return 0


@app.command()
def run(
    scenario: ScenarioFile,
    peers: Peers = None,
    seed: Seed = None,
    backend: BackendOption = None,
    out: Out = None,
    context: Context = None,
    namespace: Namespace = None,
    images: Images = None,
    storage_class: StorageClass = None,
    release: Release = None,
) -> int:
    """Run a scenario, check it, and compare it with the same session without faults and cheating."""
    from learnae.backends.base import ClusterOptions, RunOptions
    from learnae.backends.registry import choose
    from learnae.cli.run_session import run_session
    from learnae.records.outcome import EndedBy
    from learnae.runs.sessions import load_session

    session = load_session(scenario, {"peers": peers, "seed": seed})
    options = RunOptions(out, cluster=ClusterOptions(context, namespace, images, storage_class, release))
    _print_plan(session)

    def compare(directory: "RunDirectory", verdict: dict[str, Any]) -> int:
        from learnae.analysis.checks import exit_code
        from learnae.analysis.fault_impact import to_json

        if verdict["ended_by"] == EndedBy.INTERRUPTED:
            print_verdict(directory, verdict)
            return INTERRUPTED
        impact = _impact(session, directory)
        directory.write_json(CHAOS, to_json(impact))
        console.print(_table(impact, session.score.name))
        print_verdict(directory, verdict)
        return exit_code(verdict)

    chosen, reason = choose(backend, session, options, say)
    return run_session(chosen, reason, options, compare)


def _print_plan(session: "Session") -> None:
    from learnae.session.fault_plan import plan, timeline
    from learnae.session.roster import names, sensor_names

    say(f"{session.name}: {' '.join(session.about.split())}")
    sensors = sensor_names(session.groups, session.peers)
    for line in timeline(plan(session.faults, names(session.peers), session.seed, sensors)):
        say(line)


def _impact(session: "Session", directory: "RunDirectory") -> "FaultImpact":
    """Compared with the same session without faults and cheating, which is simulated whatever the run's backend."""
    from learnae.analysis.fault_impact import fault_impact
    from learnae.backends.sim.faults import undisturbed
    from learnae.records.history import History

    calm = undisturbed(session)
    if calm == session:
        return fault_impact(directory.read(), History(()))
    with console.status("simulating the same session without faults and cheating"):
        return fault_impact(directory.read(), simulated(calm))


def simulated(session: "Session") -> "History":
    from learnae.backends.sim.simulation import MemoryHistory, Simulation
    from learnae.records.history import History
    from learnae.runtime.torch_learning import TorchLearning  # imports torch

    memory = MemoryHistory()
    Simulation(session, TorchLearning(session, os.cpu_count() or 1), [memory.observe]).run()
    return History(tuple(memory.records))


def _table(impact: "FaultImpact", metric: str) -> "Table":
    table = table_of("", "this run", "undisturbed")
    for label, here, undisturbed, form in (
        (f"test {metric}, honest peers", impact.accuracy, impact.accuracy_undisturbed, ".4f"),
        ("payments sent per honest peer, mean", impact.payments, impact.payments_undisturbed, ".1f"),
        ("successful averagings", impact.success, impact.success_undisturbed, ".1%"),
    ):
        table.add_row(label, *("-" if value is None else f"{value:{form}}" for value in (here, undisturbed)))
    if impact.stall is not None:
        table.add_row("longest stall of a peer that no fault hit", f"{impact.stall:.1f} s", "")
    if impact.crossing is not None:
        table.add_row("first new model across a healed cut, after", f"{impact.crossing:.1f} s", "")
    for policy, earned in impact.earned.items():
        table.add_row(f"ETH earned, spent per peer: {policy}", f"{earned:.4f}, {impact.spent[policy]:.4f}", "")
        if impact.forged[policy] or policy != "honest":
            table.add_row(f"of it earned with forged models: {policy}", f"{impact.forged[policy]:.4f}", "")
    return table
