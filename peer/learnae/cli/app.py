"""The command line: one module per command, named like the command.

Exit codes: 0 valid, 1 invalid or partial, 2 bad input, 130 interrupted.
"""

import importlib.metadata
import io
import os
import signal
import sys
import threading
from collections.abc import Callable
from types import FrameType
from typing import Annotated, Any

import typer
from typer.core import TyperGroup

from learnae.cli import chaos, compose, data, kubernetes
from learnae.cli.audit import audit
from learnae.cli.baselines import baselines
from learnae.cli.boundary import exit_code_of
from learnae.cli.calibrate import calibrate
from learnae.cli.check import check
from learnae.cli.compare import compare
from learnae.cli.doctor import doctor
from learnae.cli.export import export
from learnae.cli.figures import figures
from learnae.cli.flows import flows
from learnae.cli.history import history
from learnae.cli.init import init
from learnae.cli.invite import invite
from learnae.cli.join import join
from learnae.cli.peer import peer
from learnae.cli.plugins import plugins
from learnae.cli.refund import refund
from learnae.cli.report import report
from learnae.cli.reproduce import reproduce
from learnae.cli.roster import roster
from learnae.cli.schema import schema
from learnae.cli.sensor import sensor
from learnae.cli.sessions import sessions
from learnae.cli.simulate import simulate
from learnae.cli.swarm import swarm
from learnae.cli.sweep import sweep
from learnae.cli.value import value

PANELS: dict[str, tuple[Callable[..., int], ...]] = {
    "Run a session": (swarm, simulate, sessions, plugins, init, schema, doctor),
    "Look at a run": (check, figures, report, baselines, compare, export, audit, calibrate, history),
    "Run many sessions": (sweep, reproduce, value, flows),
    "Take part with single peers": (peer, roster, invite, join, sensor, refund),
}


class Commands(TyperGroup):
    """All commands.  Whatever they raise ends in ``boundary``."""

    def parse_args(self, ctx: Any, args: list[str]) -> list[str]:
        code = exit_code_of(lambda: 0 if super(Commands, self).parse_args(ctx, args) is not None else 0)
        if code:
            raise typer.Exit(code)
        return args

    def invoke(self, ctx: Any) -> Any:
        raise typer.Exit(exit_code_of(lambda: super(Commands, self).invoke(ctx) or 0))


def _version(wanted: bool) -> None:
    if wanted:
        print(f"learnae {importlib.metadata.version('learnae')}")
        raise typer.Exit


app = typer.Typer(
    cls=Commands,
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    context_settings={"help_option_names": ["-h", "--help"]},
)
for panel, commands in PANELS.items():
    for command in commands:
        app.command(rich_help_panel=panel)(command)
app.add_typer(chaos.app, name="chaos", rich_help_panel="Run a session")
app.add_typer(compose.app, name="compose", rich_help_panel="Run a session")
app.add_typer(kubernetes.app, name="kubernetes", rich_help_panel="Run a session")
app.add_typer(data.app, name="data", rich_help_panel="Run a session")


@app.callback()
def options(
    version: Annotated[
        bool, typer.Option("--version", callback=_version, is_eager=True, help="Print the version and exit.")
    ] = False,
) -> None:
    """LEARNAE: a testbed for paid peer-to-peer training of neural networks."""


def main() -> None:
    """Run the command line and end the process with its exit code, even while other threads still work.

    The interpreter would wait for a thread that nobody needs any more, such as a long slice of a peer that was stopped.
    """
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):
            stream.reconfigure(errors="replace")  # a terminal that is not UTF-8 lacks some characters
    signal.signal(signal.SIGTERM, signal.default_int_handler)  # the same as Ctrl-C
    if signal.getsignal(signal.SIGHUP) is not signal.SIG_IGN:  # ignored under nohup
        terminals = [descriptor for descriptor in (1, 2) if os.isatty(descriptor)]
        signal.signal(signal.SIGHUP, lambda number, frame: _hang_up(terminals, number, frame))
    try:
        app()
    except SystemExit as end:
        if all(thread.daemon or thread is threading.main_thread() for thread in threading.enumerate()):
            raise
        sys.stdout.flush()
        sys.stderr.flush()
        os._exit(end.code if isinstance(end.code, int) else 0)


def _hang_up(terminals: list[int], number: int, frame: FrameType | None) -> None:
    """Interrupt, and discard further output: a write to the closed terminal would fail in the middle of cleaning up."""
    with open(os.devnull, "w", encoding="utf-8") as nowhere:
        for descriptor in terminals:
            os.dup2(nowhere.fileno(), descriptor)
    signal.default_int_handler(number, frame)
