"""`learnae data`: data sets that do not ship with LEARNAE, made ready for sessions."""

import time
from enum import StrEnum
from pathlib import Path
from types import TracebackType
from typing import Annotated

import typer
from rich.console import Console
from rich.live import Live
from rich.text import Text

from learnae.errors import InputError
from learnae.session.environment import data_folder

ADDRESS = "https://archive.ics.uci.edu/ml/machine-learning-databases/00347"
RENEW, LINE = 0.25, 5.0  # s between updates: on a terminal, elsewhere

app = typer.Typer(help="Download and convert data sets that do not ship with LEARNAE.", no_args_is_help=True)
console = Console(highlight=False)


class DataSet(StrEnum):
    HEPMASS = "hepmass"


@app.command()
def hepmass(
    paths: Annotated[list[Path], typer.Argument(metavar="PATH...", help="UCI's .csv.gz files, unchanged.")],
    no_checksum: Annotated[
        bool, typer.Option("--no-checksum", help="Accept files with UCI's names and other contents.")
    ] = False,
) -> int:
    """Convert UCI's HEPMASS for sessions with source = "hepmass"."""
    from learnae.learn.datasets.hepmass import convert

    folder = data_folder() / "hepmass"
    began = time.monotonic()

    def speed(rows: int) -> str:
        return f"{rows / max(time.monotonic() - began, 1e-3):,.0f} rows/s"

    _say(f"Converting {', '.join(path.name for path in paths)}: two passes, about a minute for two million rows.")
    with ProgressLine() as line:
        rows = convert(
            paths,
            folder,
            not no_checksum,
            lambda name, rows, share: line.update(f"{name}  {share:4.0%}  {rows:,} rows  {speed(rows)}"),
        )
    _say(f"{rows:,} rows in {time.monotonic() - began:.1f} s ({speed(rows)}), in {folder}")
    _say('Sessions use them with source = "hepmass" below [data].')
    return 0


@app.command()
def images(
    folder: Annotated[
        Path, typer.Argument(metavar="FOLDER", help="Folder with a sub-folder of PNG or JPEG per class.")
    ],
    file: Annotated[Path, typer.Argument(metavar="FILE.npz", help="File to write.")],
    size: Annotated[
        str | None, typer.Option(metavar="WxH", help="Scale all images to this size in pixels, such as 28x28.")
    ] = None,
    grey: Annotated[bool, typer.Option("--grey", help="One channel instead of three.")] = False,
) -> int:
    """Convert a folder of images for sessions with data.path."""
    from learnae.learn.datasets.image_folder import convert, parse_size

    count, classes, (width, height) = convert(folder, file, None if size is None else parse_size(size), grey)
    shown = ", ".join(classes[:5]) + (", ..." if len(classes) > 5 else "")
    _say(f"{count:,} images of {width}x{height} pixels in {len(classes)} classes ({shown}), in {file}")
    _say(f'Sessions use them with path = "{file}", label = "y" and features = ["x"] below [data].')
    return 0


@app.command()
def fetch(
    name: Annotated[DataSet, typer.Argument(help="Data set to download.")],
    file: Annotated[
        list[str] | None, typer.Option(help="One of its files (default: all of them); may be repeated.")
    ] = None,
    address: Annotated[str, typer.Option("--from", help="URL of the folder or of a mirror.")] = ADDRESS,
) -> int:
    """Download UCI's HEPMASS, 2.6 GB; run the command again to resume."""
    from learnae.adapters.download import download
    from learnae.learn.datasets.hepmass import CHECKSUMS

    folder, names = data_folder() / "downloads", file or list(CHECKSUMS)
    for wrong in set(names) - set(CHECKSUMS):
        raise InputError(f"--file {wrong}: choose one of {', '.join(CHECKSUMS)}, whose checksums are known")
    for part in names:
        path, (size, sha256) = folder / part, CHECKSUMS[part]
        if path.exists():
            _say(f"{path} is here already.")
            continue
        _say(f"Downloading {address}/{part}, {size / 1e9:.1f} GB")
        with ProgressLine() as line:
            download(f"{address}/{part}", path, size, sha256, lambda now, total: line.update(_received(now, total)))
        _say(f"{path} is complete and its checksum is correct.")
    _say(f"Next: learnae data hepmass {' '.join(str(folder / part) for part in names)}")
    return 0


def _received(now: int, total: int | None) -> str:
    return f"{now / 1e6:,.0f} MB" + (f" of {total / 1e6:,.0f} MB  {now / total:.0%}" if total else "")


def _say(line: str) -> None:
    console.print(line, markup=False, soft_wrap=True)


class ProgressLine:
    """On a terminal, a line that is replaced several times per second; elsewhere, a new line every few seconds."""

    def __init__(self) -> None:
        self._live = Live(console=console, auto_refresh=False, transient=True) if console.is_terminal else None
        self._period = RENEW if self._live else LINE
        self._next = time.monotonic() + self._period

    def __enter__(self) -> "ProgressLine":
        if self._live:
            self._live.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._live:
            self._live.stop()

    def update(self, line: str) -> None:
        if time.monotonic() < self._next:
            return
        if self._live:
            self._live.update(Text(line), refresh=True)
        else:
            _say(line)
        self._next = time.monotonic() + self._period
