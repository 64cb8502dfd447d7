"""Plug-ins: functions and classes by kind and reference.  Built-ins are entries of the same table.  Pure.

A reference is the name of a built-in, such as ``proportional``, or it names a file, something in it, and its content:
``halving.py:reward@`` and 32 hexadecimal digits of the file's SHA-256.  So whatever records or compares settings
records and compares the code, too.  ``session/plugin_files.py`` makes such references and finds the files.

Only code that was added with ``add`` is executed, when one of its plug-ins is first used.
"""

import hashlib
import re
import sys
import traceback
from collections.abc import Iterable
from dataclasses import dataclass, field
from enum import StrEnum
from fractions import Fraction
from functools import cached_property
from importlib import import_module
from types import ModuleType
from typing import Any

from learnae.errors import InputError, LearnaeError

GROUP = "learnae."  # of the entry points of a kind, such as learnae.rewards
DIGITS = 32  # of a digest
CODE_ERRORS = (NameError, AttributeError, TypeError, ImportError, SyntaxError)  # mistakes, whatever the arguments
MAX_TEXT = 200  # characters of an exception's text
ADDRESS = re.compile("0x[0-9a-fA-F]+")  # of an object in memory: different in each run
PINNED = re.compile(
    rf"(?P<file>[\w.-]{{1,100}}\.py):(?P<name>[A-Za-z_]\w{{0,99}})@(?P<digest>[0-9a-f]{{{DIGITS}}})", re.ASCII
)


class Kind(StrEnum):
    """What a plug-in can be."""

    MODELS = "models"
    REWARDS = "rewards"
    POLICIES = "policies"
    AVERAGING = "averaging"
    METRICS = "metrics"
    LOSSES = "losses"
    DATASETS = "datasets"


BUILT_IN: dict[Kind, dict[str, str]] = {  # written like entry points
    Kind.MODELS: {
        "mlp": "learnae.learn.mlp:mlp",
        "logistic": "learnae.learn.models:logistic",
        "cnn": "learnae.learn.models:cnn",
        "transformer": "learnae.learn.models:transformer",
    },
    Kind.REWARDS: {
        "proportional": "learnae.protocol.reward:proportional",
        "flat": "learnae.protocol.reward:flat",
        "error-reduction": "learnae.protocol.reward:error_reduction",
    },
    Kind.POLICIES: {
        "honest": "learnae.protocol.hooks:Honest",
        "refuses-to-pay": "learnae.protocol.hooks:RefusesToPay",
        "conceals-averages": "learnae.protocol.hooks:ConcealsAverages",
        "poisoner": "learnae.protocol.hooks:Forger",
        "copycat": "learnae.protocol.hooks:Copycat",
        "hijacker": "learnae.protocol.hooks:Hijacker",
        "row-poisoner": "learnae.protocol.hooks:RowPoisoner",
        "spammer": "learnae.protocol.hooks:Spammer",
        "sleeper": "learnae.protocol.hooks:Sleeper",
        "sybil": "learnae.protocol.hooks:Sybil",
        "under-reporter": "learnae.protocol.hooks:UnderReporter",
    },
    Kind.AVERAGING: {
        "mean": "learnae.protocol.averaging:mean",
        "by-score": "learnae.protocol.averaging:by_score",
        "by-rows": "learnae.protocol.averaging:by_rows",
        "line-search": "learnae.protocol.averaging:line_search",
        "layerwise": "learnae.protocol.averaging:layerwise",
    },
    Kind.METRICS: {
        "accuracy": "learnae.learn.metrics:accuracy",
        "f1": "learnae.learn.metrics:f1",
        "auc": "learnae.learn.metrics:auc",
        "r2": "learnae.learn.metrics:r2",
    },
    Kind.LOSSES: {
        "cross-entropy": "learnae.learn.losses:cross_entropy",
        "mse": "learnae.learn.losses:mse",
    },
    Kind.DATASETS: {
        "hepmass-like": "learnae.learn.datasets.sources:hepmass_like",
        "hepmass": "learnae.learn.datasets.sources:hepmass",
        "flights": "learnae.learn.datasets.sources:flights",
        "adult-like": "learnae.learn.datasets.sources:adult_like",
        "sklearn:breast_cancer": "learnae.learn.datasets.scikit_learn:breast_cancer",
        "sklearn:diabetes": "learnae.learn.datasets.scikit_learn:diabetes",
        "sklearn:digits": "learnae.learn.datasets.scikit_learn:digits",
        "sklearn:iris": "learnae.learn.datasets.scikit_learn:iris",
        "sklearn:wine": "learnae.learn.datasets.scikit_learn:wine",
    },
}
ROWS_FILE = ".npz"  # a data set may be named by the path of such a file, too


class PluginError(LearnaeError):
    """A plug-in has raised, or has returned what it must not."""

    def __init__(self, plugin: str, line: int, error: str) -> None:
        super().__init__(f"{place(plugin, line)}: {error}")
        self.plugin, self.line, self.error = plugin, line, error


class WrongTypeReturned(PluginError):
    """A plug-in returned a value of a type that is wrong whatever its arguments are."""


@dataclass(frozen=True)
class Source:
    """The file of a plug-in.  ``package``: for relative imports, if it was named as a module.

    ``rows``: the SHA-256 of the rows that its data sets have returned, by reference.
    """

    file: str
    content: bytes
    package: str | None = None
    rows: dict[str, str] = field(default_factory=dict, compare=False)

    def __reduce__(self) -> tuple[type["Source"], tuple[str, bytes, str | None, dict[str, str]]]:
        """Pickled without its module, for worker processes."""
        return Source, (self.file, self.content, self.package, self.rows)

    @cached_property
    def digest(self) -> str:
        return hashlib.sha256(self.content).hexdigest()[:DIGITS]

    @cached_property
    def module(self) -> ModuleType:
        """Its module, executed at first use.  Raises InputError."""
        module = ModuleType(f"learnae_plugin_{self.digest}")
        module.__package__, module.__file__ = self.package, self.file
        sys.modules[module.__name__] = module  # where dataclasses look for it
        try:
            exec(compile(self.content, self.file, "exec"), module.__dict__)
        except (Exception, SystemExit) as error:
            raise InputError(_sentence(self.file, error)) from None
        return module


_sources: dict[str, Source] = {}  # by digest


def add(sources: Iterable[Source]) -> None:
    """Allow this code to be executed."""
    _sources.update((source.digest, source) for source in sources if source.digest not in _sources)


def source_of(reference: str) -> Source | None:
    """The file of a plug-in; None for a built-in.  Raises InputError if its code was not added."""
    if not (match := PINNED.fullmatch(reference)):
        return None
    if match["digest"] not in _sources:
        raise InputError(
            f"the code of plug-in {shown(reference)} was not executed: read {match['file']} in the folder plugins/ of "
            "the run, then give --run-plugins to the command"
        )
    return _sources[match["digest"]]


def is_own(kind: Kind, reference: str) -> bool:
    """Whether it names a plug-in that is not built in."""
    return reference not in BUILT_IN[kind] and not (kind is Kind.DATASETS and reference.lower().endswith(ROWS_FILE))


def plugin_file(reference: str) -> str | None:
    """The name of the file that a reference names; None for a built-in."""
    match = PINNED.fullmatch(reference)
    return match["file"] if match else None


def plugin(kind: Kind, reference: str) -> Any:
    """Raises InputError: no such plug-in, or its code may not or cannot be executed."""
    if source := source_of(reference):
        name = PINNED.fullmatch(reference)["name"]  # type: ignore[index]
        found = getattr(source.module, name, None)
        if not callable(found):
            raise InputError(f"plug-in {shown(reference)}: {source.file} defines no function or class {name}")
        return found
    if reference not in BUILT_IN[kind]:
        raise InputError(f"there is no plug-in {reference} in {kind}: there are {', '.join(BUILT_IN[kind])}")
    module, _, name = BUILT_IN[kind][reference].partition(":")
    return getattr(import_module(module), name)


def shown(reference: str) -> str:
    """A reference without its digest."""
    return reference.partition("@")[0]


def first_line(function: Any) -> int:
    """Where it is in its file; 0: unknown."""
    return getattr(getattr(function, "__code__", None), "co_firstlineno", 0)


def call(reference: str, function: Any, *arguments: Any) -> Any:
    """Raises PluginError if the function of this plug-in raises."""
    try:
        return function(*arguments)
    except (Exception, SystemExit) as error:
        raise PluginError(reference, *_told(error, reference.partition(":")[0], arguments, True)) from None


def call_before_start(reference: str, function: Any) -> Any:
    """Raises InputError, with the text of the error, if the function of this plug-in raises."""
    try:
        return function()
    except (Exception, SystemExit) as error:
        raise InputError(_sentence(shown(reference), error)) from None


def try_once(function: Any, *arguments: Any) -> None:
    """Call a plug-in before the start, with made-up values.  Raises InputError if it can work with no values.

    An error that these values may have caused is ignored, such as a division by zero, or an error about None after a
    search in the names of the tensors.
    """
    try:
        function(*arguments)
    except PluginError as error:
        cause = error.__context__
        perhaps = isinstance(cause, UnboundLocalError) or "NoneType" in error.error  # with other values, it may work
        if isinstance(error, WrongTypeReturned) or (isinstance(cause, CODE_ERRORS) and not perhaps):
            raise InputError(f"{error}: correct it; it was called with made-up values before the start") from None


def plain(value: Any) -> Any:
    """A NumPy scalar or a tensor without dimensions as the Python number that it equals; else the value itself."""
    return value.item() if getattr(value, "shape", None) == () and hasattr(value, "item") else value


def described(value: Any) -> str:
    """What a plug-in returned: a number itself, or the type, and the shape of an array."""
    if value is None or type(value) in (bool, int, float, Fraction):
        try:
            return str(value)[:MAX_TEXT]
        except ValueError:  # of too many digits
            pass
    name, shape = type(value).__name__, getattr(value, "shape", None)
    article = "an" if name[0] in "aeiouAEIO" else "a"
    return f"{article} {name}" + (f" of shape {tuple(shape)}" if isinstance(shape, tuple) else "")


def place(plugin: str, line: int) -> str:
    """``line``: 0 if unknown."""
    return f"plug-in {shown(plugin)}" + (f", line {line}" if line else "")


def _sentence(plugin: str, error: BaseException) -> str:
    """What a plug-in raised before the start, and where; ``plugin``: its file, or a reference without its digest."""
    line, text = _told(error, plugin.partition(":")[0], () if ":" in plugin else None)
    return f"{place(plugin, line)}: {text}"


def _told(
    error: BaseException, file: str, arguments: tuple[Any, ...] | None, recorded: bool = False
) -> tuple[int, str]:
    """The line, and the type and the text of an exception.  What is ``recorded`` is the same in each run.

    ``arguments``: with which the plug-in was called, if it was.
    """
    line, text = _line(error, file), _text(error, recorded)
    if isinstance(error, SyntaxError):  # its text names the place again
        line, text = error.lineno or 0, error.msg
    told = type(error).__name__ + (f": {text}" if text else "")
    if isinstance(error, TypeError) and not line and arguments is not None:
        names = " and ".join(described(argument) for argument in arguments)
        told += f" (it is called with {names or 'no argument'})"
    return line, told


def _text(error: BaseException, recorded: bool) -> str:
    """On one line, without addresses in memory; recorded without the path of a file, too."""
    try:
        text = (recorded and isinstance(error, OSError) and error.strerror) or str(error)
    except Exception:  # its own __str__ raises
        return ""
    text = "".join(letter if letter.isprintable() else "?" for letter in " ".join(text.split()))
    text = ADDRESS.sub("0x...", text)
    return text if len(text) <= MAX_TEXT else f"{text[:MAX_TEXT]}..."


def _line(error: BaseException, file: str) -> int:
    """The last line of this file that an exception passed; 0: none."""
    frames = traceback.extract_tb(error.__traceback__)
    return next((frame.lineno or 0 for frame in reversed(frames) if frame.filename == file), 0)
