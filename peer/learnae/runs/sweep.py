"""Run many sessions in parallel, one directory per run; finished runs are not repeated.

Several processes may work on the same folder, also on several machines that share it (``--shard``): each run is begun
under a lock of the folder, and a process that finds a run under way waits for it and uses it.
"""

import itertools
import json
import shutil
import time
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import Executor, as_completed
from contextlib import AbstractContextManager
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

from learnae.adapters.run_directory import RunDirectory, is_running, wait_until_over
from learnae.analysis.statistics import run_metrics
from learnae.errors import InputError
from learnae.file_lock import wait_for_lock
from learnae.messages.foreign_json import from_json
from learnae.plugins import Source, add
from learnae.records.outcome import EndedBy
from learnae.records.seal import SEAL
from learnae.runs.executors import processes
from learnae.runs.provenance import data_sha256, require_same_program, same_settings, why_not_the_same
from learnae.runs.sessions import load_session
from learnae.session.assignments import assigned
from learnae.session.plugin_files import sources
from learnae.session.session_file import load, parse, resolved
from learnae.session.settings import DataSettings, Session

ROW = "row.json"  # the metrics of a finished run
LOCK = ".lock"  # in the folder of a sweep: held while a run is begun


@dataclass(frozen=True)
class SweepRun:
    """One run of a sweep.  ``settings``: those that the sweep varies, by dotted name.

    ``plugins``: the files of its plug-ins, for the process that runs it.
    """

    path: Path
    session: Session
    settings: dict[str, Any]
    plugins: tuple[Source, ...] = ()

    @property
    def row(self) -> dict[str, Any] | None:
        """Its metrics; None if it has not finished with exactly these settings, data, program and machine."""
        return None if self.stale else self.found

    @property
    def found(self) -> dict[str, Any] | None:
        """The metrics of the finished run in its folder, whatever it is of."""
        try:
            row: dict[str, Any] = from_json((self.path / ROW).read_text(encoding="utf-8"))
            return row if row["ended_by"] != EndedBy.INTERRUPTED else None
        except (OSError, ValueError, KeyError):
            return None

    @property
    def stale(self) -> str | None:
        """Why the run in its folder is of something else."""
        return why_not_the_same(self.path, self.session)


def plan_runs(
    path: Path, chosen: dict[str, list[Any]], seeds: Sequence[int], out: Path, own: bool = True
) -> list[SweepRun]:
    """One run per combination and seed; values of ``seed`` in ``chosen`` replace ``seeds``.

    ``own``: the user runs this session file; else only the code of plug-ins that was allowed before is executed.
    Raises InputError for settings that are refused.
    """
    base = resolved(load_session(path) if own else load(path))
    seeds = chosen.get("seed", seeds)
    chosen = {key: values for key, values in chosen.items() if key != "seed"}
    return [
        SweepRun(
            out / _name(settings, seed),
            session := _session(path, base, settings, seed, own),
            settings,
            sources(session),
        )
        for settings in (dict(zip(chosen, values, strict=True)) for values in itertools.product(*chosen.values()))
        for seed in seeds
    ]


def _session(path: Path, base: dict[str, Any], settings: dict[str, Any], seed: Any, own: bool) -> Session:
    """``base`` is in order, so only what is set can be refused."""
    written = " ".join(f"--set {name}={json.dumps(value, default=str)}" for name, value in settings.items())
    table = assigned(base, settings | {"seed": seed})
    return parse(table, f"{path} with {written}" if written else str(path), folder=path.parent, own=own)


def shard(cases: Sequence[SweepRun], text: str) -> Sequence[SweepRun]:
    """The runs of shard K of N, given as ``K/N``.  Raises InputError."""
    number, slash, count = text.partition("/")
    if not (slash and number.isdecimal() and count.isdecimal() and len(text) < 16 and 1 <= int(number) <= int(count)):
        raise InputError(f"--shard {text}: write K/N with K from 1 to N, such as 3/16")
    return cases[int(number) - 1 :: int(count)]


def run_missing(
    cases: Sequence[SweepRun],
    done: Callable[[SweepRun, dict[str, Any]], None],
    executor: Callable[[int], AbstractContextManager[Executor]] = processes,
) -> list[dict[str, Any]]:
    """Run what is missing; the rows of all runs in order: settings, seed, metrics.  ``done`` is called per new run.

    ``executor``: where to run so many runs.
    """
    missing = [case for case in cases if case.row is None]
    for case in missing:
        data_sha256(case.session.data)  # kept in its plug-ins: a worker that reads other rows refuses them
    if missing:
        with executor(len(missing)) as pool:
            running = {pool.submit(run_one, case): case for case in missing}
            for future in as_completed(running):
                done(running[future], future.result())
    return [_row(case, case.row) for case in cases]


def collect(cases: Sequence[SweepRun]) -> list[dict[str, Any]]:
    """The rows of all runs in order, wherever they were made, also by different processors.

    Raises InputError if a run is missing or was made by another program than the others.
    """
    missing = [case.path.name for case in cases if not same_settings(case.path, case.session) or case.found is None]
    if missing:
        raise InputError(
            f"{len(missing)} of {len(cases)} runs are missing, such as {missing[0]}: run their shards first"
        )
    require_same_program([case.path for case in cases])
    return [_row(case, case.found) for case in cases]


def _row(case: SweepRun, metrics: dict[str, Any] | None) -> dict[str, Any]:
    return {**case.settings, "seed": case.session.seed, **(metrics or {})}


def run_one(case: SweepRun) -> dict[str, Any]:
    """Run one session in this process, with one thread, unless another process has finished it; its metrics."""
    from learnae.backends.sim.backend import simulate
    from learnae.runtime.torch_learning import TorchLearning

    add(case.plugins)
    run = _begin(case)
    if run is None:
        return case.row or {}
    began = time.monotonic()
    learning = TorchLearning(case.session, 1, table=_table(case.session.data))
    simulate(case.session, learning, run)
    history = run.read()
    row = run_metrics(history, run.judge(history, time.monotonic() - began))
    run.write_json(ROW, row)
    run.release()
    return row


def _begin(case: SweepRun) -> RunDirectory | None:
    """Its new directory, marked as running; None if another process, such as a shard, has finished the run."""
    case.path.parent.mkdir(parents=True, exist_ok=True)
    while True:
        with (case.path.parent / LOCK).open("a", encoding="utf-8") as file:
            wait_for_lock(file)
            if case.row is not None:
                return None
            if not is_running(case.path):
                set_aside(case.path)
                return RunDirectory.create(case.path.parent, case.session.name, case.path)
        wait_until_over(case.path)


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


def _name(settings: dict[str, Any], seed: int) -> str:
    parts = [f"{key}={value}" for key, value in settings.items()] + [f"seed={seed}"]
    return "_".join(parts).replace("/", "-").replace(" ", "")
