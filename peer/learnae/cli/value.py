"""`learnae value`."""

import asyncio
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from statistics import fmean
from typing import Annotated

import typer
from rich.table import Table

from learnae.adapters.run_directory import HISTORY
from learnae.cli.arguments import Peers, RunPlugins, Seed
from learnae.cli.check import allow_plugins
from learnae.cli.output import console, say, table_of
from learnae.errors import InputError
from learnae.runs.executors import cores
from learnae.runs.sessions import load_session
from learnae.runs.valuation import Valuation, Worth, valuation, write
from learnae.session.session_file import load
from learnae.session.settings import Session
from learnae.session.shipped import session_file


def value(
    session: Annotated[
        str, typer.Argument(metavar="SESSION|RUN", help="Name or path of a session, or the directory of a run of it.")
    ],
    peers: Peers = None,
    seed: Seed = None,
    worth: Annotated[
        Worth, typer.Option(help="Value of a coalition: mean test accuracy of its members, or of their mean model.")
    ] = Worth.MEMBERS,
    permutations: Annotated[
        int, typer.Option(min=2, help="Random orders of the peers, if there are more than 8.")
    ] = 100,
    tolerance: Annotated[
        float, typer.Option(min=0, max=1, help="An order ends once its value is this close to that of all peers.")
    ] = 0.001,
    seeds: Annotated[int, typer.Option(min=1, help="Number of sessions, with seeds that count up from the first.")] = 1,
    out: Annotated[Path | None, typer.Option(help="Folder for values and figure (default: runs/value-NAME).")] = None,
    jobs: Annotated[int | None, typer.Option(min=1, help="Simulations side by side (default: one per core).")] = None,
    run_plugins: RunPlugins = False,
) -> int:
    """Compare what each peer earned with what it contributed: its Shapley value.

    The value of a coalition is what its peers reach when the session is simulated with them alone, with the same seed.
    Up to 8 peers, all coalitions are simulated; above, peers join in random orders.  Simulated coalitions are kept: the
    same command continues after Ctrl-C, and with more permutations it adds to them.
    """
    first = _session(session, {"peers": peers, "seed": seed}, run_plugins)
    folder = out or Path("runs") / f"value-{first.name}".replace("/", "-")
    valuations = []
    for number in range(first.seed, first.seed + seeds):
        part = folder if seeds == 1 else folder / f"seed={number}"
        with console.status(f"seed {number}: the session with all its peers") as status:

            def progress(what: str, done: int, total: int, seed: int = number) -> None:
                status.update(f"seed {seed}: {done} of {total} {what}")

            work = valuation(
                replace(first, seed=number), part, worth, permutations, tolerance, jobs or cores(), progress
            )
            valuations.append(asyncio.run(work))
        write(valuations[-1], part)
        console.print(_table(valuations[-1]))
    console.print(_measures(valuations))
    say(f"Values, figures and simulated coalitions: {folder}")
    return 0


def _session(name: str, overrides: dict[str, int | None], run_plugins: bool) -> Session:
    """Raises InputError."""
    run = Path(name)
    if (run / HISTORY).exists():
        allow_plugins(run, run_plugins)
        session = load(run / "session.toml", overrides)
    else:
        session = load_session(session_file(name), overrides)
    if session.faults:
        raise InputError(f"{name} has faults, which name peers that a coalition lacks: leave out [[faults]]")
    return replace(session, evaluation_peers=0)


def _table(valuation: Valuation) -> Table:
    """Peers by their values."""
    table = table_of("peer", "Shapley value", "leave one out", "alone", "in the swarm", "ETH earned", "ETH spent")
    for peer in sorted(valuation.peers, key=lambda peer: -peer.shapley):
        error = f" ± {peer.shapley_error:.4f}" if peer.shapley_error else ""
        accuracies = f"{peer.leave_one_out:+.4f}", f"{peer.alone:.4f}", f"{peer.in_swarm:.4f}"
        table.add_row(peer.peer, f"{peer.shapley:+.4f}{error}", *accuracies, f"{peer.earned:.4f}", f"{peer.spent:.4f}")
    return table


def _measures(valuations: Sequence[Valuation]) -> Table:
    table = table_of("", "mean of seeds" if len(valuations) > 1 else "", *(["range"] if len(valuations) > 1 else []))
    for name in valuations[0].measures:
        values = [number for one in valuations if (number := one.measures[name]) is not None]
        cells = [f"{fmean(values):.3f}" if values else "-"]
        if len(valuations) > 1:
            cells.append(f"{min(values):.3f} to {max(values):.3f}" if values else "-")
        table.add_row(name, *cells)
    return table
