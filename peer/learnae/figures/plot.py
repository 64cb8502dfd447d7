"""A figure as PNG or SVG, in the one style of this project.  The same figure gives the same bytes."""

from pathlib import Path
from typing import TYPE_CHECKING, Any

from learnae.figures.spec import Figure, Reference

if TYPE_CHECKING:
    from matplotlib.axes import Axes

INK, PALE = "#2B3035", "#6C757D"
STYLE: dict[Any, Any] = {
    "font.family": "DejaVu Sans",  # comes with matplotlib: the same everywhere
    "font.size": 10,
    "axes.edgecolor": PALE,
    "axes.labelcolor": INK,
    "axes.spines.right": False,
    "axes.spines.top": False,
    "axes.titlelocation": "left",
    "axes.titlesize": 13,
    "axes.titleweight": "bold",
    "axes.titlepad": 30,
    "axes.grid": True,
    "axes.grid.axis": "y",
    "axes.axisbelow": True,
    "grid.color": "#E3E6E8",
    "legend.frameon": False,
    "text.color": INK,
    "xtick.color": PALE,
    "ytick.color": PALE,
    "xtick.labelcolor": INK,
    "ytick.labelcolor": INK,
    "savefig.dpi": 150,
    "svg.hashsalt": "learnae",
    "svg.fonttype": "none",
}


def draw(figure: Figure, path: Path) -> None:
    """To a file whose suffix says in which format: .png or .svg."""
    from matplotlib import style
    from matplotlib.figure import Figure as Canvas
    from matplotlib.layout_engine import ConstrainedLayoutEngine
    from matplotlib.ticker import PercentFormatter

    with style.context(["default", STYLE]):
        canvas = Canvas(figsize=(8, 4.5), layout=ConstrainedLayoutEngine(w_pad=0.12, h_pad=0.12))
        axes = canvas.subplots()
        axes.set_title(figure.title)
        axes.set_xlabel(figure.x_label)
        axes.set_ylabel(figure.y_label)
        for band in figure.bands:
            alpha = 1.0 if band.solid else 0.18
            axes.fill_between(
                band.x, band.low, band.high, color=band.colour, alpha=alpha, linewidth=0, label=band.label
            )
        for series in figure.series:
            line = ":" if series.dotted else "-"
            axes.plot(series.x, series.y, line, color=series.colour, linewidth=2, label=series.label)
        for reference in figure.references:
            _refer(axes, reference)
        _limit(axes, figure)
        if figure.percent:
            axes.yaxis.set_major_formatter(PercentFormatter(1.0))
        if axes.get_legend_handles_labels()[0]:
            axes.legend(loc="lower left", bbox_to_anchor=(-0.01, 1.0), ncols=3, borderaxespad=0.2, columnspacing=1.5)
        canvas.savefig(path, metadata={"Software": None} if path.suffix == ".png" else {"Date": None})


def _refer(axes: "Axes", reference: Reference) -> None:
    """In the right margin, where no curve is: a bracket for a range, a dashed line for a level."""
    beside = axes.get_yaxis_transform()  # x in shares of the axes, y in data
    if reference.low is None or reference.high is None:
        axes.axhline(reference.value, color=INK, linewidth=1.2, linestyle=(0, (5, 4)))
    else:
        ends = [reference.low, reference.high]
        axes.plot([1.02, 1.02], ends, color=INK, linewidth=1.5, marker="_", transform=beside, clip_on=False)
        axes.plot([1.02], [reference.value], "o", color=INK, markersize=5, transform=beside, clip_on=False)
    axes.text(1.035, reference.value, reference.label, transform=beside, va="center", fontsize=9, color=INK)


def _limit(axes: "Axes", figure: Figure) -> None:
    """No space before the first point and after the last; shares from 0 to 1; the paper's ranges always in sight."""
    axes.margins(x=0)
    if any(band.solid for band in figure.bands):
        axes.set_ylim(0, 1)
    elif figure.grounded:
        stated = [1.05 * (reference.high or reference.value) for reference in figure.references]
        axes.set_ylim(0, max([axes.get_ylim()[1], *stated]))
