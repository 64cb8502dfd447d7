"""`learnae figures`."""

import re
from enum import StrEnum
from typing import Annotated

import typer

from learnae.adapters.run_directory import RunDirectory
from learnae.analysis.figures import Look
from learnae.cli.arguments import Run
from learnae.cli.output import say
from learnae.errors import InputError
from learnae.runs.drawing import draw_figures

SMALLEST, LARGEST = (2.5, 2.0), 40.0  # inches


class Axis(StrEnum):
    UNITS = "units"
    SECONDS = "seconds"


class Format(StrEnum):
    PNG = "png"
    SVG = "svg"
    PDF = "pdf"


def figures(
    run: Run,
    x: Annotated[Axis, typer.Option(help="The x axis: units of work per peer, or seconds.")] = Axis.UNITS,
    format: Annotated[list[Format] | None, typer.Option(help="png (default), svg or pdf; may be repeated.")] = None,
    size: Annotated[
        str, typer.Option(metavar="WxH", help="Width and height in inches, such as 3.5x2.5; at least 2.5x2.")
    ] = "8x4.5",
    title: Annotated[
        bool, typer.Option("--title/--no-title", help="With or without title and result in the figure.")
    ] = True,
) -> int:
    """Draw Figures 4-8 of the paper from a run, and write the data of each as CSV."""
    directory = RunDirectory(run)
    formats = dict.fromkeys(choice.value for choice in format or [Format.PNG])
    look = Look(_parse_size(size), title)
    for file in draw_figures(directory, directory.read_session(), x.value, list(formats), look):
        say(str(file))
    return 0


def _parse_size(text: str) -> tuple[float, float]:
    """Raises InputError."""
    number = r"(\d{1,3}(?:\.\d{1,3})?)"
    match = re.fullmatch(f"{number}x{number}", text)
    size = (float(match[1]), float(match[2])) if match else (0.0, 0.0)
    if not all(least <= inches <= LARGEST for least, inches in zip(SMALLEST, size, strict=True)):
        raise InputError(
            f"--size {text} is no size: give width and height in inches, such as 3.5x2.5; at least "
            f"{SMALLEST[0]:g}x{SMALLEST[1]:g}, at most {LARGEST:g}x{LARGEST:g}"
        )
    return size
