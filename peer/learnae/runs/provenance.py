"""What a result depends on besides its session file, and whether it is the same here as where a run was made."""

import hashlib
from collections.abc import Sequence
from functools import cache
from pathlib import Path
from typing import Any

from learnae.adapters.run_directory import ENVIRONMENT, RunDirectory, environment_facts
from learnae.errors import InputError
from learnae.session.session_file import to_toml
from learnae.session.settings import DataSettings, Session

PROGRAM = ("code_sha256", "python", "packages")
DECISIVE = (*PROGRAM, "processor", "device")  # facts of an environment that may change a result


def require_same_data(run: RunDirectory, session: Session) -> None:
    """Raises InputError unless the session's data is what the run was made with."""
    here, needed = data_sha256(session.data), run.read_json(ENVIRONMENT).get("data_sha256")
    if here != needed:
        raise InputError(f"the data here is not that of the run: its SHA-256 is {here}, the run used {needed}")


def other_environment(run: RunDirectory, session: Session) -> str:
    """What differs between the machine and program of a run and these, in words; empty if nothing is known to."""
    then, now = run.read_json(ENVIRONMENT), _present() | _device(session)
    differing = [name for name in DECISIVE if then.get(name) != now[name]]
    return "; ".join(f"{name} {_text(then.get(name))}, here {_text(now[name])}" for name in differing)


def is_of_another_program(run: RunDirectory) -> bool:
    """Whether it says that other modules than these made it."""
    return run.read_json(ENVIRONMENT).get("code_sha256") not in (None, _present()["code_sha256"])


def why_not_the_same(path: Path, session: Session) -> str | None:
    """Why a run in this folder is not what these settings, data and program would give; None if it is."""
    run = RunDirectory(path)
    try:
        if _settings_of(path) != to_toml(session):
            return "other settings"
        require_same_data(run, session)
        other = other_environment(run, session)
    except (OSError, ValueError):
        return "incomplete"
    except InputError:
        return "other data"
    return f"another program or machine ({other})" if other else None


@cache
def data_sha256(data: DataSettings) -> str:
    """Identifies the rows here.  Raises InputError."""
    from learnae.learn.datasets.sources import source_sha256  # imports torch

    return source_sha256(data)


def result_key(session: Session) -> str:
    """A digest of all that a simulation's result depends on: settings, data, program, processor and device."""
    present = _present() | _device(session)
    facts = [to_toml(session), data_sha256(session.data), *(str(present[name]) for name in DECISIVE)]
    return hashlib.sha256("\n".join(facts).encode()).hexdigest()


def same_settings(path: Path, session: Session) -> bool:
    """Whether the run in this folder is of this session."""
    try:
        return _settings_of(path) == to_toml(session)
    except (OSError, ValueError):
        return False


def require_same_program(runs: Sequence[Path]) -> None:
    """Raises InputError unless all were made by the same program with the same data; processors may differ."""
    facts = [RunDirectory(path).read_json(ENVIRONMENT) for path in runs]
    for path, own in zip(runs, facts, strict=True):
        differing = [name for name in ("data_sha256", *PROGRAM) if own.get(name) != facts[0].get(name)]
        if differing:
            raise InputError(
                f"{path.name} and {runs[0].name} were made with other {' and '.join(differing)}: repeat one of them"
            )


# private


def _settings_of(path: Path) -> str:
    return (path / "session.toml").read_text(encoding="utf-8")


@cache
def _present() -> dict[str, Any]:
    return environment_facts()


def _device(session: Session) -> dict[str, str | None]:
    from learnae.learn.compute import device_name  # imports torch

    return {"device": device_name(session.compute)}


def _text(value: object) -> str:
    return ascii(value) if value is not None else "unknown"
