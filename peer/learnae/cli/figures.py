"""`learnae figures`."""

from enum import StrEnum
from typing import Annotated

import typer

from learnae.adapters.run_directory import RunDirectory
from learnae.cli.arguments import Run
from learnae.cli.output import say
from learnae.runs.drawing import draw_figures


class Axis(StrEnum):
    UNITS = "units"
    SECONDS = "seconds"


def figures(
    run: Run,
    x: Annotated[Axis, typer.Option(help="The x axis: units of work per peer, or seconds.")] = Axis.UNITS,
    svg: Annotated[bool, typer.Option("--svg", help="Write SVG files, too.")] = False,
) -> int:
    """Draw Figures 4-8 of the paper from a run."""
    directory = RunDirectory(run)
    for file in draw_figures(directory, directory.read(), x.value, svg):
        say(str(file))
    return 0
