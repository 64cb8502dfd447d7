"""A run in the formats of other tools.  Each function writes to an empty folder; the libraries are optional."""

import csv
import json
from collections.abc import Callable, Iterable, Iterator
from dataclasses import astuple, dataclass
from pathlib import Path
from typing import Any

from learnae.adapters.run_directory import ENVIRONMENT, RunDirectory
from learnae.analysis.checks.summary import summary
from learnae.analysis.tables import TABLES, accuracy, settings
from learnae.errors import InputError
from learnae.protocol.types import Wei
from learnae.records.history import History

NARROW, WIDE = 38, 76  # digits of Arrow's decimals
MLFLOW_BATCH, MLFLOW_TEXT = 100, 6000  # MLflow's limits: values per call, characters per parameter


@dataclass(frozen=True)
class Export:
    """A run that is exported to ``folder``."""

    directory: RunDirectory
    history: History
    folder: Path

    @property
    def name(self) -> str:
        return self.directory.path.resolve().name

    @property
    def settings(self) -> dict[str, str]:
        """Every setting as text."""
        return {row.setting: str(row.value) for row in settings(self.history)}

    @property
    def summary(self) -> dict[str, float]:
        """The numbers of the verdict's summary, for which no check and no plug-in is executed."""
        numbers = {}
        for name, value in {**summary(self.history), "wall_seconds": self.directory.wall_seconds()}.items():
            for part, number in value.items() if isinstance(value, dict) else [("", value)]:
                if isinstance(number, int | float):
                    numbers[f"{name}.{part}" if part else name] = float(number)
        return numbers

    @property
    def points(self) -> Iterator[tuple[str, str, int, float, float]]:
        """The accuracies of the models that peers adopted: peer, metric, work unit, session seconds, value."""
        for row in accuracy(self.history):
            for metric in ("validation", "test", "own_test"):
                if (value := getattr(row, metric)) is not None:
                    yield row.peer, metric, row.unit, row.at, value


def to_csv(export: Export) -> None:
    for name, table in TABLES.items():
        with (export.folder / f"{name}.csv").open("w", encoding="utf-8", newline="") as file:
            writer = csv.writer(file)
            writer.writerow(table.columns)
            for row in table.rows(export.history):
                writer.writerow(map(_cell, astuple(row)))


def to_parquet(export: Export) -> None:
    parquet = _import("pyarrow.parquet", "pyarrow")
    tables = {name: arrow_table(name, export.history) for name in TABLES}  # all, before one of them is written
    for name, table in tables.items():
        parquet.write_table(table, export.folder / f"{name}.parquet")


def arrow_table(name: str, history: History) -> Any:
    """A ``pyarrow.Table``.  Values of settings become JSON.

    Money becomes decimal128, which is exact, or decimal256 where a column needs it.  Raises InputError if an amount has
    more digits than that, which only a plug-in for rewards can cause.
    """
    arrow = _import("pyarrow", "pyarrow")
    types = {Wei: None, int: arrow.int64(), float: arrow.float64(), bool: arrow.bool_()}
    table = TABLES[name]
    rows = [astuple(row) for row in table.rows(history)]
    columns = zip(*rows, strict=True) if rows else [()] * len(table.columns)
    arrays = []
    for hint, values in zip(table.columns.values(), columns, strict=True):
        option: Any = next((option for option in (hint, *getattr(hint, "__args__", ())) if option in types), None)
        kind = _decimal(arrow, name, values) if option is Wei else types.get(option, arrow.string())
        arrays.append(arrow.array(values if option else map(_text, values), kind))
    return arrow.table(dict(zip(table.columns, arrays, strict=True)))


def to_tensorboard(export: Export) -> None:
    """One TensorBoard run per peer; the x axis is work units."""
    summary = _import("tensorboard.summary", "tensorboard")
    writers: dict[str, Any] = {}
    for peer, metric, unit, at, value in export.points:
        if peer not in writers:
            writers[peer] = summary.Writer(str(export.folder / peer))
        writers[peer].add_scalar(f"accuracy/{metric}", value, unit, wall_time=at)
    for writer in writers.values():
        writer.close()


def to_mlflow(export: Export) -> None:
    """One MLflow run in a database file: settings as parameters, accuracies by peer as metrics.

    `mlflow ui --backend-store-uri sqlite:///FOLDER/mlflow.db` shows it.
    """
    mlflow = _import("mlflow", "mlflow-skinny")
    for library in ("sqlalchemy", "alembic"):  # MLflow imports them only when it needs a database
        _import(library, library)
    folder = export.folder.resolve()
    client = mlflow.MlflowClient(tracking_uri=f"sqlite:///{folder / 'mlflow.db'}")
    experiment = client.create_experiment("learnae", artifact_location=(folder / "artifacts").as_uri())
    run = client.create_run(experiment, run_name=export.name).info.run_id
    entities = mlflow.entities
    metrics = [entities.Metric(name, value, 0, 0) for name, value in export.summary.items()]
    for peer, metric, unit, at, value in export.points:
        metrics.append(entities.Metric(f"{metric}/{peer}", value, round(at * 1000), unit))
    parameters = [entities.Param(name, text[:MLFLOW_TEXT]) for name, text in export.settings.items()]
    for start in range(0, max(len(metrics), len(parameters)), MLFLOW_BATCH):
        part = slice(start, start + MLFLOW_BATCH)
        client.log_batch(run, metrics[part], parameters[part])
    client.set_terminated(run)


def to_wandb(export: Export) -> None:
    """One run of Weights & Biases, written offline; `wandb sync FOLDER/wandb/offline-*` uploads it."""
    wandb = _import("wandb", "wandb")
    quiet = wandb.Settings(silent=True, console="off", disable_git=True, x_disable_meta=True, x_disable_stats=True)
    with wandb.init(
        project="learnae", name=export.name, dir=export.folder, mode="offline", config=export.settings, settings=quiet
    ) as run:
        for peer, metric, unit, at, value in export.points:
            run.log({f"{metric}/{peer}": value, "unit": unit, "seconds": at})
        run.summary.update(export.summary)
    wandb.teardown()  # its other process writes the file; finishing the run does not wait for that


def to_ro_crate(export: Export) -> None:
    """A Research Object Crate: the files of the run with a description that archives and search engines read."""
    crate = _import("rocrate.rocrate", "rocrate").ROCrate()
    environment = export.directory.read_json(ENVIRONMENT)
    session = export.history.session
    crate.name = f"LEARNAE run {export.name}"
    crate.description = (session.about if session else "") or "A session of paid peer-to-peer training"
    crate.root_dataset["seed"] = session.seed if session else None
    software = crate.add_jsonld({"@id": "#learnae", "@type": "SoftwareApplication", "name": "LEARNAE"})
    software["softwareVersion"] = str(environment.get("commit") or environment.get("code_sha256"))
    crate.root_dataset["instrument"] = software
    for path in sorted(export.directory.path.rglob("*")):
        if path.is_file():
            crate.add_file(path, path.relative_to(export.directory.path).as_posix())
    crate.write(export.folder)


FORMATS: dict[str, Callable[[Export], None]] = {
    "csv": to_csv,
    "parquet": to_parquet,
    "tensorboard": to_tensorboard,
    "mlflow": to_mlflow,
    "wandb-offline": to_wandb,
    "ro-crate": to_ro_crate,
}


# private


def _import(module: str, package: str) -> Any:
    from importlib import import_module

    try:
        return import_module(module)
    except ImportError:
        raise InputError(f"this format needs {package}, which is not installed: run `pip install {package}`") from None


def _decimal(arrow: Any, table: str, amounts: Iterable[int | None]) -> Any:
    """The type of a column of money.  Raises InputError."""
    largest = max((abs(amount) for amount in amounts if amount is not None), default=0)
    if largest < 10**NARROW:
        return arrow.decimal128(NARROW, 0)
    if largest < 10**WIDE:
        return arrow.decimal256(WIDE, 0)
    raise InputError(
        f"table {table} holds an amount of {len(str(largest))} digits of wei, and Arrow has at most {WIDE}: export the "
        "run as csv"
    )


def _cell(value: object) -> object:
    return "" if value is None else _text(value) if isinstance(value, list | dict | bool) else value


def _text(value: object) -> str | None:
    return value if isinstance(value, str) or value is None else json.dumps(value)
