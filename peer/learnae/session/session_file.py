"""session.toml as a ``Session`` and back.  Pydantic checks types and ranges; each error becomes one sentence."""

import json
import re
from collections.abc import Callable, Collection, Iterable, Mapping
from dataclasses import fields
from difflib import get_close_matches
from functools import cache
from pathlib import Path
from typing import Any, get_args, get_type_hints

import tomli_w
from pydantic import TypeAdapter, ValidationError

from learnae.errors import InputError
from learnae.input_file import read_utf8
from learnae.messages.foreign_toml import from_toml
from learnae.resources import scenario_files, session_files
from learnae.session.assignments import assigned
from learnae.session.contradictions import contradictions, data_contradictions
from learnae.session.fault_plan import plan
from learnae.session.plugin_files import pinned
from learnae.session.reference import block_of, rows, wanted_value
from learnae.session.renamed_settings import present_names, with_present_names
from learnae.session.roster import names, require_possible, sensor_names
from learnae.session.settings import Session
from learnae.session.sizes import CountRows, fitted, is_complete
from learnae.session.task import with_task

MAX_SIZE = 1 << 20  # bytes of a session file
MAX_WRITTEN = 100  # characters of a wrong value that are quoted


def load(
    path: Path,
    overrides: Mapping[str, Any] | None = None,
    count_rows: CountRows | None = None,
    run_plugins: bool = False,
    own: bool = False,
) -> Session:
    """A session file with overrides by dotted name (None: not given).  Raises InputError: one sentence, cause and fix.

    ``count_rows``: of the data, so that what is not set fits them; without it, the usual defaults are taken.
    ``run_plugins``: the code of the plug-ins that a run kept beside its session file may be executed.
    ``own``: the user runs this session file, so the plug-ins that it names are found and may be executed.
    """
    try:
        text = read_utf8(path, MAX_SIZE)
    except IsADirectoryError:
        raise InputError(f"{path} is a folder: give a session file, such as {path / 'session.toml'}") from None
    except OSError as error:
        raise InputError(f"{path}: {error.strerror}; give the path of a session file") from None
    except UnicodeDecodeError as error:
        raise InputError(f"{path} is not TOML: {error}; save it as UTF-8") from None
    try:
        table = from_toml(text)
    except ValueError as error:
        raise InputError(f"{path} is not TOML: {error}{_quoted(text, str(error))}") from None
    given = present_names({key: value for key, value in (overrides or {}).items() if value is not None})
    shipped = path in (*session_files().values(), *scenario_files().values())
    name = f"session {path.stem}" if shipped else str(path)
    table = assigned(with_present_names(table, name), given)
    return parse(table, name, given, count_rows, path.parent, run_plugins, own)


def parse(
    table: Mapping[str, Any],
    name: str = "session",
    overrides: Collection[str] = (),
    count_rows: CountRows | None = None,
    folder: Path = Path(),
    run_plugins: bool = False,
    own: bool = False,
) -> Session:
    """Raises InputError; ``name`` says in it where the settings are from, except ``overrides``.

    ``folder``: of the session file, beside which its plug-ins are.  ``run_plugins``, ``own``: as in ``load``.
    """
    given = with_present_names(table, name)
    given = with_task(given, _validated(given, name, overrides))
    name = f"{name} and the command line" if overrides else name
    session = _validated(given, name, ())
    if count_rows and not is_complete(given):
        session = _fitted(given, session, name, count_rows, lambda found: pinned(found, folder, run_plugins, own))
    _refuse_contradictions(contradictions(session), name)
    known = names(session.peers)
    try:
        require_possible(session.groups, known, session.privacy)
        plan(session.faults, known, session.seed, sensor_names(session.groups, session.peers))
        return pinned(session, folder, run_plugins, own)
    except InputError as error:
        raise InputError(f"{name}: {error}") from None


def resolved(session: Session) -> dict[str, Any]:
    """The session with every default, as plain JSON and TOML values; settings that are None are left out."""
    table: dict[str, Any] = _adapter().dump_python(session, mode="json", exclude_none=True)
    return table


def to_toml(session: Session) -> str:
    return tomli_w.dumps(resolved(session))


def schema() -> dict[str, Any]:
    """The JSON Schema of session.toml."""
    return {"$schema": "https://json-schema.org/draft/2020-12/schema", **_adapter().json_schema()}


# private


def _quoted(text: str, error: str) -> str:
    """The line that an error of the parser names, and what it may lack."""
    match = re.search(r"\(at line (\d+), ", error)
    if not match:
        return ""
    line = text.splitlines()[int(match[1]) - 1].strip()
    line = line if len(line) <= MAX_WRITTEN else line[:MAX_WRITTEN] + "..."
    return f": {line}; texts need quotes" if error.startswith("Invalid value") else f": {line}"


@cache
def _adapter() -> TypeAdapter[Session]:
    """Building it takes longer than everything it is used for."""
    return TypeAdapter(Session)


def _validated(table: Mapping[str, Any], name: str, overrides: Collection[str]) -> Session:
    try:
        return _adapter().validate_python(table)
    except ValidationError as error:
        first: dict[str, Any] = dict(error.errors()[0])
        place = ".".join(map(str, first["loc"])) + "."
        overridden = any(place.startswith(f"{key}.") or key.startswith(place) for key in overrides)
        source = "command line" if overridden else name
        raise InputError(f"{source}: {_sentence(first)}") from None


def _fitted(
    given: Mapping[str, Any], session: Session, name: str, count_rows: CountRows, pin: Callable[[Session], Session]
) -> Session:
    """The session with defaults that fit its data, which a plug-in may make."""
    _refuse_contradictions(data_contradictions(session.data), name)
    try:
        total = count_rows(pin(session).data)
        if total is None:
            return session
        table = fitted(given, session, total)
    except InputError as error:
        raise InputError(f"{name}: {error}") from None
    return _validated(table, name, ())


def _refuse_contradictions(found: Iterable[tuple[bool, str]], name: str) -> None:
    for wrong, sentence in found:
        if wrong:
            raise InputError(f"{name}: {sentence}")


def _sentence(error: Mapping[str, Any]) -> str:
    """What is wrong with one setting, and what to write instead."""
    if error["type"] == "unexpected_keyword_argument":
        return _unknown([str(part) for part in error["loc"]])
    place, hint, metadata = _setting(error["loc"])
    wanted = f"give {wanted_value(hint, metadata)}"
    if error["type"] == "missing":
        return f"{place} is missing: {wanted}"
    if error["type"] == "too_short":
        return f"{place} is empty: leave it out, or add a table [[{place}]]"
    if error["type"] == "tuple_type" and block_of(hint):
        wanted = f"give a list of tables, each written as [[{place}]]"
    return f"{place}{_written(error['input'])} is not allowed: {wanted}"


def _written(value: Any) -> str:
    """A value as it is in the file, if it is short enough to be recognised."""
    try:
        text = json.dumps(value) if isinstance(value, str | int | float) else ""
    except ValueError:  # a hexadecimal number with more digits than Python converts
        return ""
    return f" = {text if len(text) <= MAX_WRITTEN else text[:MAX_WRITTEN] + '...'}" if text else ""


def _setting(path: Iterable[str | int]) -> tuple[str, Any, Mapping[str, Any]]:
    """The name of a setting in the file, its type and its metadata.  ``path``: as pydantic names it."""
    place: list[str] = []
    hint: Any = Session
    metadata: Mapping[str, Any] = {}
    for part in path:
        if isinstance(part, int):  # an element of a list
            hint, metadata = get_args(hint)[0], {}
        elif (block := block_of(hint)) and part in (settings := {field.name: field for field in fields(block)}):
            hint, metadata = get_type_hints(block, include_extras=True)[part], settings[part].metadata
        else:
            break  # the rest names an option of a union
        place.append(str(part))
    return ".".join(place), hint, metadata


def _unknown(path: list[str]) -> str:
    place = ".".join(path)
    _, hint, _ = _setting(int(part) if part.isdigit() else part for part in path[:-1])
    block = block_of(hint) or Session
    known = [field.name for field in fields(block)]
    if homes := [f"[{row.section}]" for row in rows() if row.name == path[-1] and row.section]:
        return f"{place}: no such setting here; {path[-1]} belongs in {' or '.join(homes)}"
    if near := get_close_matches(path[-1], known, 1):
        return f"{place}: no such setting; did you mean {'.'.join([*path[:-1], near[0]])}?"
    return f"{place}: no such setting; there are {', '.join(known)}"
