"""Run many sessions in parallel: one process per core, one directory per run; finished runs are not repeated."""

import itertools
import json
import multiprocessing
import os
import shutil
import signal
import time
import tomllib
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor, as_completed
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

from learnae.adapters.run_directory import RunDirectory
from learnae.analysis.statistics import run_metrics
from learnae.errors import InputError
from learnae.records.outcome import EndedBy
from learnae.session.session_file import load, parse, resolved, to_toml
from learnae.session.settings import DataSettings, Session

ROW = "row.json"  # the metrics of a finished run


@dataclass(frozen=True)
class SweepRun:
    """One run of a sweep.  ``settings``: those that the sweep varies, by dotted name."""

    path: Path
    session: Session
    settings: dict[str, Any]

    @property
    def row(self) -> dict[str, Any] | None:
        """Its metrics; None if it has not finished with exactly these settings."""
        try:
            same = (self.path / "session.toml").read_text(encoding="utf-8") == to_toml(self.session)
            row: dict[str, Any] = json.loads((self.path / ROW).read_text(encoding="utf-8"))
        except (OSError, ValueError):
            return None
        return row if same and row["ended_by"] != EndedBy.INTERRUPTED else None


def parse_assignments(assignments: Sequence[str]) -> dict[str, list[Any]]:
    """Parse ``key=a,b,c`` as TOML values; anything else is text.  Raises InputError."""
    chosen = {}
    for assignment in assignments:
        key, equals, values = assignment.partition("=")
        if not equals or not key or not values:
            raise InputError(f"--set {assignment}: write key=value,value, such as work.patience=15,40")
        chosen[key.strip()] = [_value(value.strip()) for value in values.split(",")]
    return chosen


def plan_runs(path: Path, chosen: dict[str, list[Any]], seeds: Sequence[int], out: Path) -> list[SweepRun]:
    """One run per combination and seed.  Raises InputError for settings that are refused."""
    base = resolved(load(path))
    return [
        SweepRun(out / _name(settings, seed), parse(_assigned(base, settings | {"seed": seed}), str(path)), settings)
        for settings in (dict(zip(chosen, values, strict=True)) for values in itertools.product(*chosen.values()))
        for seed in seeds
    ]


def run_missing(cases: Sequence[SweepRun], done: Callable[[SweepRun, dict[str, Any]], None]) -> list[dict[str, Any]]:
    """Run what is missing; the rows of all runs in order: settings, seed, metrics.  ``done`` is called per new run."""
    missing = [case for case in cases if case.row is None]
    workers = max(1, min(os.cpu_count() or 1, len(missing)))
    with ProcessPoolExecutor(workers, multiprocessing.get_context("spawn"), initializer=_quiet) as executor:
        try:
            running = {executor.submit(_run, case): case for case in missing}
            for future in as_completed(running):
                done(running[future], future.result())
        except BaseException:
            executor.shutdown(wait=False, cancel_futures=True)
            for child in multiprocessing.active_children():
                child.terminate()
            raise
    return list(_rows(cases))


def _rows(cases: Sequence[SweepRun]) -> Iterator[dict[str, Any]]:
    for case in cases:
        yield {**case.settings, "seed": case.session.seed, **(case.row or {})}


def _run(case: SweepRun) -> dict[str, Any]:
    """Run one session in this process, with one thread."""
    from learnae.backends.sim.backend import simulate
    from learnae.runtime.torch_learning import TorchLearning

    if case.path.exists():
        shutil.rmtree(case.path)  # interrupted, or with other settings
    began = time.monotonic()
    run = RunDirectory.create(case.path.parent, case.session.name, case.path)
    learning = TorchLearning(case.session, 1, table=_table(case.session.data))
    simulate(case.session, learning, run)
    history = run.read()
    row = run_metrics(history, run.judge(history, time.monotonic() - began))
    run.write_json(ROW, row)
    return row


@cache
def _table(data: DataSettings) -> Any:
    from learnae.learn.datasets.sources import load_dataset as load_rows

    return load_rows(data)


def _quiet() -> None:
    """Ignore Ctrl-C: the parent process ends its children."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)


def _value(text: str) -> Any:
    try:
        return tomllib.loads(f"value = {text}")["value"]
    except tomllib.TOMLDecodeError:
        return text


def _name(settings: dict[str, Any], seed: int) -> str:
    parts = [f"{key}={value}" for key, value in settings.items()] + [f"seed={seed}"]
    return "_".join(parts).replace("/", "-").replace(" ", "")


def _assigned(base: dict[str, Any], settings: dict[str, Any]) -> dict[str, Any]:
    """A deep copy with dotted names set."""
    table: dict[str, Any] = json.loads(json.dumps(base))
    for name, value in settings.items():
        *path, last = name.split(".")
        place = table
        for key in path:
            place = place.setdefault(key, {})
        place[last] = value
    return table
