"""Run many sessions in parallel: one process per core, one directory per run; finished runs are not repeated."""

import itertools
import json
import multiprocessing
import os
import re
import shutil
import signal
import time
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor, as_completed
from concurrent.futures.process import BrokenProcessPool
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

from learnae.adapters.run_directory import RunDirectory
from learnae.analysis.statistics import run_metrics
from learnae.errors import InputError
from learnae.messages.foreign_json import from_json
from learnae.messages.foreign_toml import from_toml
from learnae.records.outcome import EndedBy
from learnae.records.seal import SEAL
from learnae.runs.provenance import why_not_the_same
from learnae.session.session_file import load, parse, resolved
from learnae.session.settings import DataSettings, Session

COMMA = r",(?![^\[]*\])"  # not inside a list
ROW = "row.json"  # the metrics of a finished run


@dataclass(frozen=True)
class SweepRun:
    """One run of a sweep.  ``settings``: those that the sweep varies, by dotted name."""

    path: Path
    session: Session
    settings: dict[str, Any]

    @property
    def row(self) -> dict[str, Any] | None:
        """Its metrics; None if it has not finished with exactly these settings, data, program and machine."""
        if self.stale:
            return None
        try:
            row: dict[str, Any] = from_json((self.path / ROW).read_text(encoding="utf-8"))
            return row if row["ended_by"] != EndedBy.INTERRUPTED else None
        except (OSError, ValueError, KeyError):
            return None

    @property
    def stale(self) -> str | None:
        """Why the run in its folder is of something else."""
        return why_not_the_same(self.path, self.session)


def parse_assignments(assignments: Sequence[str]) -> dict[str, list[Any]]:
    """Parse ``key=a,b,c`` as TOML values, such as lists; anything else is text.  Raises InputError."""
    chosen: dict[str, list[Any]] = {}
    for assignment in assignments:
        key, equals, values = assignment.partition("=")
        if not equals or not key or not values:
            raise InputError(f"--set {assignment}: write key=value,value, such as work.patience=15,40")
        if key.strip() in chosen:
            raise InputError(f"--set {key.strip()} is given twice: write all its values in one --set")
        chosen[key.strip()] = [_value(value.strip()) for value in re.split(COMMA, values)]
    return chosen


def plan_runs(path: Path, chosen: dict[str, list[Any]], seeds: Sequence[int], out: Path) -> list[SweepRun]:
    """One run per combination and seed; values of ``seed`` in ``chosen`` replace ``seeds``.

    Raises InputError for settings that are refused.
    """
    base = resolved(load(path))
    seeds = chosen.get("seed", seeds)
    chosen = {key: values for key, values in chosen.items() if key != "seed"}
    return [
        SweepRun(out / _name(settings, seed), _session(path, base, settings, seed), settings)
        for settings in (dict(zip(chosen, values, strict=True)) for values in itertools.product(*chosen.values()))
        for seed in seeds
    ]


def _session(path: Path, base: dict[str, Any], settings: dict[str, Any], seed: Any) -> Session:
    """``base`` is in order, so only what is set can be refused."""
    written = " ".join(f"--set {name}={json.dumps(value, default=str)}" for name, value in settings.items())
    return parse(_assigned(base, settings | {"seed": seed}), f"{path} with {written}" if written else str(path))


def run_missing(cases: Sequence[SweepRun], done: Callable[[SweepRun, dict[str, Any]], None]) -> list[dict[str, Any]]:
    """Run what is missing; the rows of all runs in order: settings, seed, metrics.  ``done`` is called per new run."""
    missing = [case for case in cases if case.row is None]
    workers = max(1, min(os.cpu_count() or 1, len(missing)))
    with ProcessPoolExecutor(workers, multiprocessing.get_context("spawn"), initializer=ignore_interrupts) as executor:
        try:
            running = {executor.submit(_run, case): case for case in missing}
            for future in as_completed(running):
                done(running[future], future.result())
        except BaseException as error:
            executor.shutdown(wait=False, cancel_futures=True)
            for child in multiprocessing.active_children():
                child.terminate()
            if isinstance(error, BrokenProcessPool):
                raise InputError(
                    "a worker process of the sweep was killed, perhaps because memory is short: "
                    "run the same command again, which keeps the finished runs"
                ) from None
            raise
    return list(_rows(cases))


def _rows(cases: Sequence[SweepRun]) -> Iterator[dict[str, Any]]:
    for case in cases:
        yield {**case.settings, "seed": case.session.seed, **(case.row or {})}


def _run(case: SweepRun) -> dict[str, Any]:
    """Run one session in this process, with one thread."""
    from learnae.backends.sim.backend import simulate
    from learnae.runtime.torch_learning import TorchLearning

    set_aside(case.path)
    began = time.monotonic()
    run = RunDirectory.create(case.path.parent, case.session.name, case.path)
    learning = TorchLearning(case.session, 1, table=_table(case.session.data))
    simulate(case.session, learning, run)
    history = run.read()
    row = run_metrics(history, run.judge(history, time.monotonic() - began))
    run.write_json(ROW, row)
    run.release()
    return row


def set_aside(path: Path) -> None:
    """Rename the finished run of something else in this folder; remove an interrupted one."""
    if is_finished(path):
        path.rename(next(old for old in map(path.with_name, old_names(path.name)) if not old.exists()))
    elif path.exists():
        shutil.rmtree(path)


def is_finished(path: Path) -> bool:
    """Whether the run in this folder ended and was sealed."""
    return (path / SEAL).exists()


def old_names(name: str) -> Iterator[str]:
    return (f"{name}.old{number if number > 1 else ''}" for number in itertools.count(1))


@cache
def _table(data: DataSettings) -> Any:
    from learnae.learn.datasets.sources import load_dataset as load_rows

    return load_rows(data)


def ignore_interrupts() -> None:
    """Ignore Ctrl-C: the parent process ends its children."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)


def _value(text: str) -> Any:
    try:
        value = from_toml(f"value = {text}")["value"]
        json.dumps(value, default=str)
    except ValueError:  # also raised for a number with more digits than can be written again
        return text
    return value


def _name(settings: dict[str, Any], seed: int) -> str:
    parts = [f"{key}={value}" for key, value in settings.items()] + [f"seed={seed}"]
    return "_".join(parts).replace("/", "-").replace(" ", "")


def _assigned(base: dict[str, Any], settings: dict[str, Any]) -> dict[str, Any]:
    """A deep copy with dotted names set.  An element of a list is named by its index, such as groups.0.count."""
    table: dict[str, Any] = json.loads(json.dumps(base))
    for name, value in settings.items():
        *path, last = name.split(".")
        place: Any = table
        for key in path:
            place = place.setdefault(key, {}) if isinstance(place, dict) else place[_index(name, place, key)]
        place[last if isinstance(place, dict) else _index(name, place, last)] = value
    return table


def _index(name: str, place: Any, key: str) -> int:
    if not isinstance(place, list):
        raise InputError(f"--set {name}: no such setting, because the part before '{key}' holds one value")
    if not (key.isdecimal() and len(key) < 9 and int(key) < len(place)):
        raise InputError(f"--set {name}: '{key}' is not in the session file, which has {len(place)} such tables from 0")
    return int(key)
