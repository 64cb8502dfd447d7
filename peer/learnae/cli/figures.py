"""`learnae figures`."""

from enum import StrEnum
from typing import Annotated

import typer

from learnae.cli.arguments import Run


class Axis(StrEnum):
    UNITS = "units"
    SECONDS = "seconds"


def figures(
    run: Run,
    x: Annotated[Axis, typer.Option(help="The x axis: units of work per peer, or seconds.")] = Axis.UNITS,
    svg: Annotated[bool, typer.Option("--svg", help="Write SVG files, too.")] = False,
) -> int:
    """Draw Figures 4-8 of the paper from a run."""
    from learnae.cli import commands

    return commands.figures(run, x.value, svg)
