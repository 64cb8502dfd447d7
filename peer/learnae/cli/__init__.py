"""The commands: parse, build, run; no logic.

Exit codes: 0 valid, 1 invalid or partial, 2 bad input, 130 interrupted.
"""

import os
import signal
import sys
import threading
from collections.abc import Callable
from enum import StrEnum
from pathlib import Path
from types import FrameType
from typing import Annotated, Any

import typer
from typer.core import TyperGroup

from learnae.cli.arguments import SessionFile
from learnae.cli.chaos import app as chaos_app
from learnae.cli.compose import app as compose_app
from learnae.cli.data import app as data_app
from learnae.errors import InputError


class Commands(TyperGroup):
    """The commands; errors of the user's become one sentence and an exit code here, also those of an argument."""

    def invoke(self, ctx: Any) -> Any:
        return _exit(lambda: super(Commands, self).invoke(ctx) or 0)


app = typer.Typer(
    cls=Commands,
    help="LEARNAE: a testbed for paid peer-to-peer training of neural networks.",
    add_completion=False,
    no_args_is_help=True,
    pretty_exceptions_enable=False,
)
app.add_typer(data_app, name="data")
app.add_typer(chaos_app, name="chaos")
app.add_typer(compose_app, name="compose")

Run = Annotated[Path, typer.Argument(metavar="RUN", help="A run directory, such as one below runs/.")]


class FigureAxis(StrEnum):
    UNITS = "units"
    SECONDS = "seconds"


class Backend(StrEnum):
    COMPOSE = "compose"
    EMBEDDED = "embedded"
    SIM = "sim"


@app.command()
def simulate(
    session: SessionFile,
    peers: Annotated[int | None, typer.Option(help="How many peers, instead of the file's number.")] = None,
    seed: Annotated[int | None, typer.Option(help="The dice, instead of the file's.")] = None,
    out: Annotated[Path | None, typer.Option(help="Run directory to write, instead of runs/TIME-NAME.")] = None,
    threads: Annotated[int | None, typer.Option(min=1, help="Threads of torch, instead of one a core.")] = None,
    baselines: Annotated[
        bool, typer.Option("--baselines", help="Compare with the same peers alone, always averaging, and pooled.")
    ] = False,
) -> None:
    """Run a session in virtual time, check it, draw the paper's figures and write its report."""
    from learnae.cli import commands

    _exit(lambda: commands.simulate(session, {"peers": peers, "seed": seed}, out, threads, baselines))


@app.command()
def swarm(
    session: SessionFile,
    peers: Annotated[int | None, typer.Option(help="How many peers, instead of the file's number.")] = None,
    seed: Annotated[int | None, typer.Option(help="The dice, instead of the file's.")] = None,
    backend: Annotated[
        Backend | None, typer.Option(help="Where it runs, instead of where this machine best can.")
    ] = None,
    keep: Annotated[
        bool, typer.Option("--keep", help="Serve page and APIs on after the session, until Ctrl-C.")
    ] = False,
    port: Annotated[int, typer.Option(min=0, max=65535, help="Of page and APIs; a free one if it is taken.")] = 8700,
    out: Annotated[Path | None, typer.Option(help="Run directory to write, instead of runs/TIME-NAME.")] = None,
    threads: Annotated[int | None, typer.Option(min=1, help="Threads of torch, instead of one a core.")] = None,
    guests: Annotated[int, typer.Option(min=0, help="Further peers that run elsewhere: see invite.")] = 0,
    publish: Annotated[
        str | None, typer.Option(metavar="ADDRESS", help="Of this machine, where guests on others reach the swarm.")
    ] = None,
) -> None:
    """Run a session with live peers, a page to watch it and an API for each of them; then as simulate ends."""
    from learnae.cli.swarm import SwarmOptions
    from learnae.cli.swarm import swarm as run

    wanted = SwarmOptions(keep, port, out, threads, guests, publish)
    _exit(lambda: run(session, {"peers": peers, "seed": seed}, backend, wanted))


@app.command()
def check(run: Run) -> None:
    """Check a run again, from its records alone."""
    from learnae.cli import commands

    _exit(lambda: commands.check(run))


@app.command()
def figures(
    run: Run,
    x: Annotated[FigureAxis, typer.Option(help="The x axis: units of work per peer, or seconds.")] = FigureAxis.UNITS,
    svg: Annotated[bool, typer.Option("--svg", help="SVG beside PNG.")] = False,
) -> None:
    """Draw Figures 4-8 of the paper from a run."""
    from learnae.cli import commands

    _exit(lambda: commands.figures(run, x.value, svg))


@app.command()
def report(run: Run) -> None:
    """Write a run's report.html again: one page with figures, money, settings and verdict."""
    from learnae.cli import commands

    _exit(lambda: commands.report(run))


@app.command()
def sweep(
    session: SessionFile,
    set: Annotated[list[str] | None, typer.Option(help="key=a,b,c: a setting and its values; may be repeated.")] = None,
    seeds: Annotated[int, typer.Option(min=1, help="Runs of each combination.")] = 3,
    out: Annotated[Path | None, typer.Option(help="Folder for the runs, instead of runs/sweep-SESSION.")] = None,
) -> None:
    """Run every combination of settings over seeds, in parallel; resumes; writes one CSV."""
    from learnae.cli import experiments

    _exit(lambda: experiments.sweep(session, set or [], seeds, out))


@app.command()
def reproduce(
    seeds: Annotated[int, typer.Option(min=1, help="Sessions with seeds 1 to this.")] = 10,
    out: Annotated[Path | None, typer.Option(help="Folder for the runs, instead of runs/reproduce.")] = None,
) -> None:
    """Run the paper's session over seeds and print bands beside the paper's numbers."""
    from learnae.cli import experiments

    _exit(lambda: experiments.reproduce(seeds, out))


@app.command()
def compare(runs: Annotated[list[Path], typer.Argument(metavar="RUN...", help="Run directories.")]) -> None:
    """Put runs side by side: bands over seeds, deltas, settings that differ."""
    from learnae.cli import experiments

    _exit(lambda: experiments.compare(runs))


@app.command()
def baselines(run: Run) -> None:
    """What a run's peers reach alone, always averaging, and pooled: the comparison in its report."""
    from learnae.cli import experiments

    _exit(lambda: experiments.baselines(run))


@app.command()
def peer(
    session: SessionFile,
    name: Annotated[str, typer.Option(help="Who of the roster this is, such as p00.")],
    roster: Annotated[Path, typer.Option(help="The session's roster: names and public ids, the same for all.")],
    kubo: Annotated[str, typer.Option(metavar="URL", help="RPC of its IPFS node.")],
    rpc: Annotated[str, typer.Option(metavar="URL", help="RPC of an Ethereum node, or a file of mode 0600 with it.")],
    keystore: Annotated[Path, typer.Option(help="Its wallet.")],
    journal: Annotated[Path, typer.Option(help="PEER.sqlite: made if there is none, resumed if there is.")],
    rows: Annotated[
        Path | None, typer.Option(metavar="FOLDER", help="Its own rows as a swarm was rendered, not the whole table.")
    ] = None,
    listen: Annotated[
        str | None, typer.Option(metavar="HOST:PORT", help="Serve its HTTP API there, or at a free port (docs/api.md).")
    ] = None,
    allow_host: Annotated[
        list[str] | None,
        typer.Option(metavar="NAME", help="A name the API goes by, beside addresses; may be repeated."),
    ] = None,
    token_file: Annotated[
        Path | None, typer.Option(help="Of mode 0600, with what pause, resume and stop ask for; without it nobody may.")
    ] = None,
) -> None:
    """Run one live peer to the end of its session; prints what it decides as JSON lines."""
    from learnae.cli.peer import Api
    from learnae.cli.peer import peer as run

    api = Api(listen, allow_host or (), token_file) if listen else None
    _exit(lambda: run(session, roster, name, kubo, rpc, keystore, journal, rows, api))


@app.command()
def invite(
    name: Annotated[str | None, typer.Argument(help="Which guest of the swarm that is up; the first.")] = None,
    out: Annotated[Path | None, typer.Option(help="File to write, instead of NAME.join.json.")] = None,
) -> None:
    """Write a join file for a peer that runs elsewhere. It holds that peer's keys."""
    from learnae.cli.join import invite as run

    _exit(lambda: run(name, out))


@app.command()
def join(
    file: Annotated[Path, typer.Argument(metavar="FILE", help="What `learnae invite` wrote.")],
    kubo_binary: Annotated[Path | None, typer.Option(help="Kubo's, instead of that of `make tools`.")] = None,
    folder: Annotated[Path | None, typer.Option(help="Where it keeps node and journal; to go on, the same.")] = None,
) -> None:
    """Take part in a swarm from elsewhere, to the session's end, and hand the journal in."""
    from learnae.cli.join import join as run

    _exit(lambda: run(file, kubo_binary, folder))


@app.command()
def roster(
    session: SessionFile,
    kubo: Annotated[list[str], typer.Option(metavar="URL", help="RPC of a peer's IPFS node; once for each peer.")],
    out: Annotated[Path, typer.Option(help="Folder to write: session, roster, wallets, room for journals.")],
    rpc: Annotated[str, typer.Option(metavar="URL", help="RPC of an Ethereum node.")] = "http://127.0.0.1:8545",
) -> None:
    """Make wallets and a roster for live peers beside Kubo nodes that run; prints how to start each peer."""
    from learnae.cli.roster import roster as make

    _exit(lambda: make(session, kubo, rpc, out))


@app.command()
def audit(
    run: Run,
    rpc: Annotated[
        str | None,
        typer.Option(metavar="URL", help="Export the chain from this node first; or a file of mode 0600 with its URL."),
    ] = None,
) -> None:
    """Work out every wei of a live session again: from its journals and the chain's export alone."""
    from learnae.cli.audit import audit as audited

    _exit(lambda: audited(run, rpc))


@app.command()
def refund(run: Run) -> None:
    """Take back what a session on a chain that is not ours left in its wallets, after a crash (docs/compose.md)."""
    from learnae.cli.audit import refund as refunded

    _exit(lambda: refunded(run))


@app.command()
def calibrate(
    run: Run,
    seeds: Annotated[int, typer.Option(min=2, help="Simulated sessions with seeds 1 to this.")] = 20,
) -> None:
    """Take the simulator's costs out of a run's journals; is the run inside what simulated seeds give with them?"""
    from learnae.cli.calibrate import calibrate as calibrated

    _exit(lambda: calibrated(run, seeds))


@app.command()
def history(
    journal: Annotated[Path, typer.Argument(metavar="PEER.sqlite", help="A live peer's journal; the peer may run.")],
) -> None:
    """Print what one live peer was told, event by event, as JSON lines."""
    from learnae.cli import journals

    _exit(lambda: journals.history(journal))


@app.command()
def sessions() -> int:
    """List the sessions that come with LEARNAE."""
    from learnae.cli.shipped import show_sessions

    return show_sessions()


@app.command()
def init(folder: Annotated[Path, typer.Argument(metavar="FOLDER", help="New folder for the files.")]) -> int:
    """Write an editable example: a session, a table of data and a short guide."""
    from learnae.cli.shipped import copy_example

    return copy_example(folder)


@app.command()
def doctor(
    peers: Annotated[int | None, typer.Option(min=2, help="Must there be room for so many in containers?")] = None,
) -> None:
    """Say what this machine has and lacks, each finding with its fix."""
    from learnae.cli.doctor import doctor as run

    _exit(lambda: run(peers))


def main() -> None:
    """Run the command line; ends the process with the exit code, whatever a thread still works at.

    A job that was given up, such as a long slice of a peer that was told to stop, is waited for by nobody, and the
    interpreter would.
    """
    signal.signal(signal.SIGTERM, signal.default_int_handler)  # to be told to stop is to be interrupted
    if signal.getsignal(signal.SIGHUP) is not signal.SIG_IGN:  # nohup's wish is respected
        shown = [descriptor for descriptor in (1, 2) if os.isatty(descriptor)]
        signal.signal(signal.SIGHUP, lambda number, frame: _hung_up(shown, number, frame))
    try:
        app()
    except SystemExit as ended:
        if all(each.daemon or each is threading.main_thread() for each in threading.enumerate()):
            raise
        sys.stdout.flush()
        sys.stderr.flush()
        os._exit(ended.code if isinstance(ended.code, int) else 0)


def _hung_up(terminals: list[int], number: int, frame: FrameType | None) -> None:
    """As SIGTERM, but nothing more can be said: writing to a terminal that has gone would fail in mid-removal."""
    with open(os.devnull, "w") as nowhere:
        for descriptor in terminals:
            os.dup2(nowhere.fileno(), descriptor)
    signal.default_int_handler(number, frame)


def _exit(work: Callable[[], int]) -> None:
    try:
        code = work()
    except InputError as error:
        print(f"learnae: {error}", file=sys.stderr)
        code = 2
    except BrokenPipeError:  # whoever read what we print has left; typer knows
        raise
    except OSError as error:  # a full disk, a folder of somebody else's
        if error.strerror is None:
            raise
        print(f"learnae: {f'{error.filename}: ' if error.filename else ''}{error.strerror}", file=sys.stderr)
        code = 2
    except KeyboardInterrupt:
        print("learnae: interrupted", file=sys.stderr)
        code = 130
    raise typer.Exit(code)
