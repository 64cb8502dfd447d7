"""`learnae sensor`."""

import os
import sys
from pathlib import Path
from typing import Annotated

import typer


def sensor(
    sensor: Annotated[Path, typer.Argument(help="The sensor's file (docs/how-to/feed.md).")],
    csv: Annotated[str, typer.Argument(help="CSV file with the rows, or - for standard input.")] = "-",
    feed: Annotated[
        str | None, typer.Option(metavar="URL", help="Feed to publish on (default: the one in the sensor's file).")
    ] = None,
    rows: Annotated[int, typer.Option(min=1, help="Rows per reading.")] = 100,
    every: Annotated[float, typer.Option(min=0.0, help="Seconds between two readings.")] = 1.0,
    state: Annotated[
        Path | None, typer.Option(help="File that keeps what is not confirmed over a restart of the sensor.")
    ] = None,
) -> int:
    """Run one sensor: publish the rows of a CSV file, and each reading again until the feed has confirmed it.

    The process is replaced by a small one, which imports neither this command line nor torch.
    """
    options = {"--feed": feed, "--rows": rows, "--every": every, "--state": state}
    given = [part for option, value in options.items() if value is not None for part in (option, str(value))]
    sys.stdout.flush()
    os.execv(sys.executable, [sys.executable, "-m", "learnae.sensor", *given, "--", str(sensor), csv])
