"""The commands: parse, build, run; no logic.

Exit codes: 0 valid, 1 invalid or partial, 2 bad input, 130 interrupted.
"""

import signal
import sys
from pathlib import Path
from typing import Annotated

import typer

from learnae.errors import InputError

UsageError = typer.BadParameter.__bases__[0]  # typer shows its subclass only

app = typer.Typer(
    help="LEARNAE: a testbed for paid peer-to-peer training of neural networks.",
    add_completion=False,
    no_args_is_help=True,
    pretty_exceptions_enable=False,
)

SessionFile = Annotated[Path, typer.Argument(metavar="SESSION.toml", help="A session, such as examples/paper.toml.")]
Run = Annotated[Path, typer.Argument(metavar="RUN", help="A run directory, such as one below runs/.")]


@app.command()
def simulate(
    session: SessionFile,
    peers: Annotated[int | None, typer.Option(help="How many peers, instead of the file's number.")] = None,
    seed: Annotated[int | None, typer.Option(help="The dice, instead of the file's.")] = None,
    out: Annotated[Path | None, typer.Option(help="Run directory to write, instead of runs/TIME-NAME.")] = None,
    threads: Annotated[int | None, typer.Option(help="Threads of torch; the number of cores if not given.")] = None,
) -> int:
    """Run a session in virtual time, check it and draw the paper's figures."""
    from learnae.cli.commands import simulate

    return simulate(session, {"peers": peers, "seed": seed}, out, threads)


@app.command()
def check(run: Run) -> int:
    """Check a run again, from its records alone."""
    from learnae.cli.commands import check

    return check(run)


@app.command()
def figures(
    run: Run,
    x: Annotated[str, typer.Option(help="The x axis: units (of work, per peer) or seconds.")] = "units",
    svg: Annotated[bool, typer.Option("--svg", help="SVG beside PNG.")] = False,
) -> int:
    """Draw Figures 4-8 of the paper from a run."""
    from learnae.cli.commands import figures

    return figures(run, x, svg)


@app.command()
def doctor() -> int:
    """Say what this machine has and lacks, each finding with its fix."""
    from learnae.cli.doctor import doctor

    return doctor()


def main() -> int:
    """Run the command line; the exit code."""
    signal.signal(signal.SIGTERM, _interrupt)
    try:
        code = app(standalone_mode=False)
    except InputError as error:
        print(f"learnae: {error}", file=sys.stderr)
        return 2
    except (KeyboardInterrupt, typer.Abort):
        print("learnae: interrupted; nothing is left running", file=sys.stderr)
        return 130
    except UsageError as error:
        error.show()
        return 2
    return code or 0


def _interrupt(number: int, frame: object) -> None:
    """Being told to stop is being interrupted: the run is closed and readable."""
    raise KeyboardInterrupt
