"""Arguments and options that several commands share."""

import difflib
import os
from collections.abc import Mapping
from pathlib import Path
from typing import Annotated

import typer

from learnae.backends.registry import BackendChoice
from learnae.errors import InputError
from learnae.resources import scenario_files, session_files


def session_file(name: str) -> Path:
    """The file of a session, given by the name of a shipped session or by path.  Raises InputError."""
    if name in scenario_files() and name not in session_files() and not os.path.exists(name):
        raise InputError(f"{name} is a scenario: use `learnae chaos run {name}`")
    return _named(name, session_files(), "session", "learnae sessions")


def scenario_file(name: str) -> Path:
    """The file of a scenario, given by the name of a shipped scenario or by path.  Raises InputError."""
    if name in session_files() and name not in scenario_files() and not os.path.exists(name):
        raise InputError(f"{name} is a session without faults: use `learnae swarm {name}`")
    return _named(name, scenario_files(), "scenario", "learnae chaos list")


def _named(name: str, shipped: Mapping[str, Path], kind: str, listing: str) -> Path:
    if name in shipped:
        return shipped[name]
    if os.path.exists(name):  # unlike Path.exists, it accepts a name of any length
        return Path(name)
    near = difflib.get_close_matches(Path(name).stem, shipped, n=1)
    hint = f"did you mean {near[0]}?" if near else f"`{listing}` lists the shipped ones"
    raise InputError(f"there is no {kind} and no file {name}: {hint}")


SessionFile = Annotated[
    Path,
    typer.Argument(
        metavar="SESSION",
        help="Name of a shipped session (see `learnae sessions`) or path of a session file.",
        parser=session_file,
        autocompletion=lambda: list(session_files()),
    ),
]
ScenarioFile = Annotated[
    Path,
    typer.Argument(
        metavar="SCENARIO",
        help="Name of a shipped scenario (see `learnae chaos list`) or path of a session file.",
        parser=scenario_file,
        autocompletion=lambda: list(scenario_files()),
    ),
]
Run = Annotated[Path, typer.Argument(metavar="RUN", help="Run directory, such as one below runs/.")]
BackendOption = Annotated[BackendChoice | None, typer.Option(help="Backend (default: chosen automatically).")]
Peers = Annotated[int | None, typer.Option(help="Number of peers; overrides the session file.")]
Seed = Annotated[int | None, typer.Option(help="Random seed; overrides the session file.")]
Out = Annotated[Path | None, typer.Option(help="Run directory to write (default: runs/TIME-NAME).")]
Threads = Annotated[int | None, typer.Option(min=1, help="PyTorch threads (default: one per core).")]
