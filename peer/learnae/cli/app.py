"""The command line: one module per command, named like the command.

Exit codes: 0 valid, 1 invalid or partial, 2 bad input or something that could not be verified, 130 interrupted.
"""

import atexit
import importlib
import importlib.metadata
import io
import os
import signal
import sys
import threading
from contextlib import suppress
from types import FrameType
from typing import Annotated, Any

import typer
from typer.core import TyperGroup

from learnae.cli.boundary import exit_code_of
from learnae.collector import collector_paused

# by panel of the help, the commands, each the function of its name in the module of its name
PANELS: dict[str, tuple[str, ...]] = {
    "Run a session": ("swarm", "simulate", "sessions", "plugins", "init", "schema", "doctor"),
    "Look at a run": ("check", "figures", "report", "baselines", "compare", "export", "audit", "calibrate", "history"),
    "Run many sessions": ("sweep", "reproduce", "value", "flows"),
    "Take part with single peers": ("peer", "roster", "invite", "join", "sensor", "refund"),
}
GROUPS = ("chaos", "compose", "kubernetes", "data")  # have commands of their own


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


def _options(
    version: Annotated[
        bool, typer.Option("--version", callback=_version, is_eager=True, help="Print the version and exit.")
    ] = False,
) -> None:
    """LEARNAE: a testbed for paid peer-to-peer training of neural networks."""


def build_app(only: str | None = None) -> typer.Typer:
    """``only``: the one command that is wanted.  Any other text, such as an option, gives all commands.

    A peer that imports no other command needs about 5 MB less.
    """
    names = {*GROUPS, *(name for commands in PANELS.values() for name in commands)}
    wanted = {only} if only in names else names
    app = typer.Typer(
        cls=Commands,
        no_args_is_help=True,
        pretty_exceptions_enable=False,
        context_settings={"help_option_names": ["-h", "--help"]},
    )
    app.callback()(_options)
    for panel, commands in PANELS.items():
        for name in filter(wanted.__contains__, commands):
            app.command(rich_help_panel=panel)(getattr(importlib.import_module(f"learnae.cli.{name}"), name))
    for name in filter(wanted.__contains__, GROUPS):
        group = importlib.import_module(f"learnae.cli.{name}").app
        app.add_typer(group, name=name, rich_help_panel="Run a session")
    return app


def main() -> None:
    """Run the command line and end the process with its exit code, even while other threads still work.

    The interpreter would wait for a thread that nobody needs any more, such as a long slice of a peer that was stopped.
    It would also free all modules and objects one by one, which takes a peer 0.1 to 0.2 s.
    """
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):
            stream.reconfigure(errors="replace")  # a terminal that is not UTF-8 lacks some characters
    signal.signal(signal.SIGTERM, signal.default_int_handler)  # the same as Ctrl-C
    if signal.getsignal(signal.SIGHUP) is not signal.SIG_IGN:  # ignored under nohup
        terminals = [descriptor for descriptor in (1, 2) if os.isatty(descriptor)]
        signal.signal(signal.SIGHUP, lambda number, frame: _hang_up(terminals, number, frame))
    with collector_paused():
        app = build_app(sys.argv[1] if len(sys.argv) > 1 else None)
    try:
        app()
    except SystemExit as end:
        if all(thread.daemon or thread is threading.main_thread() for thread in threading.enumerate()):
            atexit._run_exitfuncs()
        code = end.code if isinstance(end.code, int) else 0
        if code:
            with suppress(OSError):  # the command has already said what is wrong
                _flush()
        else:
            code = exit_code_of(_flush)  # what was printed may not fit on the disk
        os._exit(code)


def _flush() -> int:
    for stream in filter(None, (sys.stdout, sys.stderr)):  # None: was closed before this process started
        with suppress(BrokenPipeError):  # the reader of our output has gone
            stream.flush()
    return 0


def _hang_up(terminals: list[int], number: int, frame: FrameType | None) -> None:
    """Interrupt, and discard further output: a write to the closed terminal would fail in the middle of cleaning up."""
    with open(os.devnull, "w", encoding="utf-8") as nowhere:
        for descriptor in terminals:
            os.dup2(nowhere.fileno(), descriptor)
    signal.default_int_handler(number, frame)
