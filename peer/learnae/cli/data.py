"""`learnae data`: rows that are not shipped, made ready for sessions."""

from enum import StrEnum
from pathlib import Path
from typing import Annotated

import typer

ADDRESS = "https://archive.ics.uci.edu/ml/machine-learning-databases/00347"

app = typer.Typer(help="Download and convert rows that are not shipped.", no_args_is_help=True)


class Fetched(StrEnum):
    HEPMASS = "hepmass"


@app.command()
def hepmass(
    paths: Annotated[list[Path], typer.Argument(metavar="PATH...", help="UCI's .csv.gz files, as they are.")],
    no_checksum: Annotated[bool, typer.Option("--no-checksum", help="Take files of UCI's names as they are.")] = False,
) -> None:
    """Convert UCI's HEPMASS for sessions that say source = "hepmass"."""
    from learnae.cli import _exit, rows

    _exit(lambda: rows.convert_hepmass(paths, verify=not no_checksum))


@app.command()
def fetch(
    name: Annotated[Fetched, typer.Argument(help="What to download.")],
    file: Annotated[list[str] | None, typer.Option(help="One of its files, instead of all; may be repeated.")] = None,
    address: Annotated[str, typer.Option("--from", help="The folder's address, or a mirror's.")] = ADDRESS,
) -> None:
    """Download UCI's HEPMASS, 2.6 GB; the same command goes on where it stopped."""
    from learnae.cli import _exit, rows

    _exit(lambda: rows.fetch_hepmass(file, address))
