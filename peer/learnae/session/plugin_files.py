"""Finds the files of plug-ins that a session names, and copies them to where the session runs and is recorded.

A session file names a plug-in as ``file.py:name`` (beside the session file), ``module:name`` or by the name of an entry
point.  In a ``Session`` each of them is pinned to the content of its one file (``learnae.plugins``).
"""

import importlib.util
from collections.abc import Callable, Iterator
from dataclasses import fields, is_dataclass, replace
from difflib import get_close_matches
from functools import cache
from importlib.metadata import EntryPoint, entry_points
from pathlib import Path
from typing import Any, TypeVar

from learnae import plugins
from learnae.errors import InputError
from learnae.input_file import read_input
from learnae.plugins import BUILT_IN, GROUP, PINNED, Kind, Source, is_own
from learnae.session.plugin_trials import try_plugin
from learnae.session.settings import Session

T = TypeVar("T")
FOLDER = "plugins"  # beside session.toml, wherever a session is recorded
MAX_SIZE = 1 << 20  # bytes of a plug-in's file
SIMILAR = 0.85  # of names: above that of sklearn:wine and sklearn:mnist


def pinned(session: Session, folder: Path, run_plugins: bool = False, own: bool = False) -> Session:
    """The session with its plug-ins pinned to their content, whose code may then run.  Raises InputError.

    ``own``: whether the user runs this session file, and so what it names.  Else what is not yet pinned stays so.
    ``run_plugins``: whether the code of those that are pinned may run, which is in ``folder``/plugins.
    """
    found = dict[str, Source]()

    def pin(kind: Kind, reference: str, setting: str) -> str:
        if not is_own(kind, reference):
            return reference
        match = PINNED.fullmatch(reference)
        if not match and own:
            source, name = _find(kind, reference, setting, folder)
        elif match and run_plugins:
            source, name = Source(match["file"], _read(folder / FOLDER / match["file"], reference)), match["name"]
            if source.digest != match["digest"]:
                raise InputError(f"{folder / FOLDER / source.file} is not the plug-in with which the session ran")
        else:
            return reference
        if found.setdefault(source.file, source).digest != source.digest:
            raise InputError(f"two plug-ins have files of the name {source.file}: rename one of them")
        return f"{source.file}:{name}@{source.digest}"

    result = _mapped(session, pin)
    plugins.add(found.values())
    return result


def references(session: Session) -> list[tuple[Kind, str]]:
    """The plug-ins of a session, built-in ones included."""
    found = dict[tuple[Kind, str], None]()

    def note(kind: Kind, reference: str, setting: str) -> str:
        found[kind, reference] = None
        return reference

    _mapped(session, note)
    return list(found)


def sources(session: Session) -> tuple[Source, ...]:
    """The files of a session's plug-ins.  Raises InputError."""
    found = (plugins.source_of(reference) for _, reference in references(session))
    return tuple({source.file: source for source in found if source}.values())


def require_plugins(session: Session) -> None:
    """Execute the code of a session's plug-ins and try each, once in a process.  Raises InputError if one is unusable.

    Built-in ones can, and importing them may take seconds.  That of a data set runs only where the rows are read, and
    losses and metrics are tried there (``learn.plugin_trials``).
    """
    for kind, reference in references(session):
        if is_own(kind, reference) and kind is not Kind.DATASETS:
            plugins.plugin(kind, reference)
            _tried(kind, reference)


def not_pinned(session: Session) -> list[str]:
    """The plug-ins whose code a session does not record.  A user's own session file may name them; others may not."""
    return [name for kind, name in references(session) if is_own(kind, name) and not PINNED.fullmatch(name)]


def write_plugins(session: Session, folder: Path) -> None:
    """Copy the files of a session's plug-ins into ``folder``/plugins."""
    for source in sources(session):
        (folder / FOLDER).mkdir(exist_ok=True)
        (folder / FOLDER / source.file).write_bytes(source.content)


def installed(kind: Kind) -> Iterator[EntryPoint]:
    """The entry points of installed packages."""
    return iter(entry_points(group=GROUP + kind))


# private


@cache
def _tried(kind: Kind, reference: str) -> None:
    """Commands ask before they create a run directory, and each simulation asks again; a reference names a content."""
    try_plugin(kind, reference)


def _mapped(value: T, change: Callable[[Kind, str, str], str], place: str = "") -> T:
    """A copy of a block of settings in which each reference to a plug-in is changed.  ``place``: before their names."""
    changed = dict[str, Any]()
    for field in fields(value):  # type: ignore[arg-type]
        old = new = getattr(value, field.name)
        kind = field.metadata.get("json_schema_extra", {}).get("plugins")
        if kind and old is not None:
            new = change(Kind(kind), old, place + field.name)
        elif is_dataclass(old):
            new = _mapped(old, change, f"{place}{field.name}.")
        elif isinstance(old, tuple) and old and is_dataclass(old[0]):
            new = tuple(_mapped(each, change, f"{place}{field.name}.{i}.") for i, each in enumerate(old))
        if new != old:
            changed[field.name] = new
    return replace(value, **changed) if changed else value  # type: ignore[type-var]


def _find(kind: Kind, reference: str, setting: str, folder: Path) -> tuple[Source, str]:
    """The file that a session file names, and the name in it.  Raises InputError."""
    known = {point.name: point.value for point in installed(kind)}
    where, colon, name = known.get(reference, reference).partition(":")
    is_built_in = any(built_in.startswith(f"{where}:") for built_in in BUILT_IN[kind])  # sklearn:wine is no module
    if is_built_in or not colon or not name.isidentifier() or not name.isascii():
        every = [*BUILT_IN[kind], *known]
        near = get_close_matches(reference, every, 1, SIMILAR)
        hint = f"did you mean {near[0]}?" if near else f"give {', '.join(every)}, or a plug-in as file.py:name"
        if kind is Kind.DATASETS and not near:
            hint += ", or the path of an .npz file; for a table of your own, set data.path and data.label instead"
        raise InputError(f'{setting} = "{reference[:100]}" is not allowed: {hint}')
    if where.endswith(".py"):
        path, package = folder / where, None
    else:
        path, package = _module_file(where, reference), where.rpartition(".")[0] or None
        where = f"{where}.py"
    source = Source(Path(where).name, _read(path, reference), package)
    if not PINNED.fullmatch(f"{source.file}:{name}@{source.digest}"):
        raise InputError(f"plug-in {reference}: use letters, digits, '.', '-' and '_' in the name of its file")
    return source, name


def _module_file(module: str, reference: str) -> Path:
    try:
        spec = importlib.util.find_spec(module)
    except (ImportError, ValueError) as error:
        raise InputError(f"plug-in {reference}: {error}: install it, or write file.py:name") from None
    if spec is None or not spec.origin or not spec.origin.endswith(".py"):
        raise InputError(f"plug-in {reference}: there is no module {module}: install it, or write file.py:name")
    return Path(spec.origin)


def _read(path: Path, reference: str) -> bytes:
    try:
        return read_input(path, MAX_SIZE)
    except OSError as error:
        raise InputError(
            f"plug-in {plugins.shown(reference)}: {path.absolute()}: {error.strerror}: give its path from the folder "
            "of the session file"
        ) from None
