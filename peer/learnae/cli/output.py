"""What commands print: lines, tables, and the outcome of a run."""

import sys
from collections.abc import Iterator
from contextlib import contextmanager, redirect_stdout
from json import dumps
from typing import Any, TextIO

from rich.console import Console
from rich.table import Table

from learnae.adapters.run_directory import RunDirectory
from learnae.analysis.checks import exit_code
from learnae.analysis.metric_words import ACCURACY
from learnae.analysis.paper_comparison import result_rows
from learnae.errors import InputError
from learnae.records.outcome import EndedBy
from learnae.runs.drawing import REPORT
from learnae.session.sensor_rules import cheating_peers, peers_without_sensors
from learnae.session.session_file import load
from learnae.session.settings import Session
from learnae.web.session_text import RESULT_TEXTS, checks_text, end_reason

INTERRUPTED = 130
WIDTH = 110  # columns, without a terminal

console = Console(highlight=False, width=None if sys.stdout and sys.stdout.isatty() else WIDTH)
_redirected: list[TextIO] = []  # the standard output, while text goes elsewhere


def say(line: str, style: str | None = None) -> None:
    """Print one line, however narrow the terminal is."""
    console.print(line, style=style, markup=False, soft_wrap=True)


def table_of(*titles: str, texts: int = 1) -> Table:
    """A table whose first columns hold ``texts`` and whose other columns hold numbers."""
    table = Table(header_style="bold")
    for number, title in enumerate(titles):
        table.add_column(title, justify="left" if number < texts else "right")
    return table


def print_outcome(run: RunDirectory, verdict: dict[str, Any]) -> int:
    """Print the results, compared with the paper's if the session is the paper's, and the verdict; the exit code."""
    session = _session(run)
    of_paper = session is not None and session.of_the_paper
    table = table_of("", "this run", *(["paper (section 4)"] if of_paper else []))
    for row in result_rows(verdict["summary"], of_paper, session.score.name if session else ACCURACY):
        table.add_row(*row)
    console.print(table)
    if session and (cheats := cheating_peers(session)):
        honest = peers_without_sensors(session) - cheats
        shown = f"Money sent, averagings and {session.score.name}"
        say(f"{shown} are those of the {honest} honest peers; progress counts all.")
    print_verdict(run, verdict)
    return _exit_code(verdict)


def print_json(run: RunDirectory, verdict: dict[str, Any]) -> int:
    """Print the verdict as JSON; the exit code."""
    print_document({"run": str(run.path), **verdict})
    return _exit_code(verdict)


@contextmanager
def text_on_standard_error() -> Iterator[None]:
    """Of what is printed, plug-ins included, only ``print_document`` writes to the standard output."""
    _redirected.append(sys.stdout)
    try:
        with redirect_stdout(sys.stderr):
            yield
    finally:
        _redirected.pop()


def print_document(document: Any) -> None:
    """Print it as JSON on the standard output."""
    print(dumps(document, indent=2), file=_redirected[-1] if _redirected else sys.stdout, flush=True)


def _exit_code(verdict: dict[str, Any]) -> int:
    return INTERRUPTED if verdict["ended_by"] == EndedBy.INTERRUPTED else exit_code(verdict)


def _session(run: RunDirectory) -> Session | None:
    try:
        return load(run.path / "session.toml")
    except InputError:  # the run has none, or it is damaged, which is for the checks to say
        return None


def print_verdict(run: RunDirectory, verdict: dict[str, Any]) -> None:
    for name, check in verdict["checks"].items():
        if check["result"] != "valid":
            say(f"Check {RESULT_TEXTS[check['result']]}: {name}: {check['reason']}")
    for line in [*verdict.get("unproven", ()), *verdict.get("notices", ())]:
        say(line)
    partial = "Partial run: " if verdict["ended_by"] == EndedBy.INTERRUPTED else ""
    say(f"{partial}{checks_text(verdict)}; {end_reason(verdict['ended_by'])}.", "bold")
    say(f"Run directory: {run.path}")
    if verdict.get("root"):
        say(f"Sealed with root {verdict['root']}.")
    if (run.path / REPORT).exists():
        say(f"Open in a browser: {run.path / REPORT}")
