"""`learnae export`."""

from enum import StrEnum
from pathlib import Path
from typing import Annotated

import typer

from learnae.adapters.run_directory import RunDirectory, require_directory
from learnae.cli.arguments import Run
from learnae.cli.output import say
from learnae.errors import InputError


class Format(StrEnum):
    CSV = "csv"
    PARQUET = "parquet"
    TENSORBOARD = "tensorboard"
    MLFLOW = "mlflow"
    WANDB = "wandb-offline"
    RO_CRATE = "ro-crate"


def export(
    run: Run,
    to: Annotated[Format, typer.Option(help="The format: tables, or the files of another tool.")] = Format.CSV,
    out: Annotated[Path | None, typer.Option(help="Folder to write (default: RUN-FORMAT, beside the run).")] = None,
) -> int:
    """Write a run's results for other tools: tables as CSV or Parquet, TensorBoard, MLflow, W&B, RO-Crate."""
    from learnae.runs.exports import FORMATS, Export

    require_directory(run)
    directory = RunDirectory(run)
    history = directory.read_session()
    place = run.resolve()
    folder = out or place.with_name(f"{place.name}-{to}")
    if folder.resolve().is_relative_to(place):
        raise InputError(f"{folder} is inside the run, which is sealed: choose another --out")
    try:
        folder.mkdir(parents=True, exist_ok=True)
        if any(folder.iterdir()):
            raise InputError(f"{folder} is not empty: choose another --out or remove it")
    except OSError as error:
        raise InputError(f"{folder}: {error.strerror}: choose another --out") from None
    FORMATS[to](Export(directory, history, folder))
    say(str(folder))
    return 0
