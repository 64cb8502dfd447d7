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
from functools import cached_property
from importlib import import_module
from types import ModuleType
from typing import Any

from learnae.errors import InputError, LearnaeError

GROUP = "learnae."  # of the entry points of a kind, such as learnae.rewards
DIGITS = 32  # of a digest
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
        super().__init__(f"plug-in {shown(plugin)}, line {line}: {error}")
        self.plugin, self.line, self.error = plugin, line, error


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
        raise PluginError(reference, _line(error, reference.partition(":")[0]), type(error).__name__) from None


def call_before_start(reference: str, function: Any) -> Any:
    """Raises InputError, with the text of the error, if the function of this plug-in raises."""
    try:
        return function()
    except (Exception, SystemExit) as error:
        raise InputError(_sentence(shown(reference), error)) from None


def _sentence(plugin: str, error: BaseException) -> str:
    """What a plug-in raised, and where; ``plugin``: its file, or a reference without its digest."""
    if isinstance(error, SyntaxError):  # its text names the place again
        line, text = error.lineno or 0, error.msg
    else:
        line, text = _line(error, plugin.partition(":")[0]), " ".join(str(error).split())
    return f"plug-in {plugin}, line {line}: {type(error).__name__}" + (f": {text}" if text else "")


def _line(error: BaseException, file: str) -> int:
    """The last line of this file that an exception passed; 0: none."""
    frames = traceback.extract_tb(error.__traceback__)
    return next((frame.lineno or 0 for frame in reversed(frames) if frame.filename == file), 0)
