"""Session files by name or path: names are those of the sessions and scenarios that the package ships."""

import difflib
import os
import shlex
from collections.abc import Mapping
from pathlib import Path

from learnae.errors import InputError
from learnae.resources import scenario_files, session_files

TABLES = (".csv", ".csv.gz", ".parquet", ".pq", ".arrow", ".feather", ".npz")  # endings of tables of rows


def session_file(name: str) -> Path:
    """The file of a session, given by the name of a shipped session or by path.  Raises InputError."""
    if name in scenario_files() and name not in session_files() and not os.path.exists(name):
        raise InputError(f"{name} is a scenario: use `learnae chaos run {name}`")
    if name.lower().endswith(TABLES) and os.path.isfile(name):
        given = shlex.join(["--set", f"data.path={name}"])
        raise InputError(
            f"{name} is a table, and a session is expected: give the session `table` with {given} "
            "--set data.label=COLUMN instead"
        )
    return _named(name, session_files(), "session", "learnae sessions")


def scenario_file(name: str) -> Path:
    """The file of a scenario, given by the name of a shipped scenario or by path.  Raises InputError."""
    if name in session_files() and name not in scenario_files() and not os.path.exists(name):
        raise InputError(f"{name} is a session without faults: use `learnae swarm {name}`")
    return _named(name, scenario_files(), "scenario", "learnae chaos list")


# private


def _named(name: str, shipped: Mapping[str, Path], kind: str, listing: str) -> Path:
    if name in shipped:
        return shipped[name]
    if os.path.exists(name):  # unlike Path.exists, it accepts a name of any length
        return Path(name)
    near = difflib.get_close_matches(Path(name).stem, shipped, n=1)
    hint = f"did you mean {near[0]}?" if near else f"`{listing}` lists the shipped ones"
    raise InputError(f"there is no {kind} and no file {name}: {hint}")
