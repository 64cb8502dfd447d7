"""A figure, or all figures on one sheet, as PNG or SVG.  Equal figures give equal bytes."""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

from learnae.analysis.figures.spec import INK, LINE, PALE, SHADE, Figure, Reference

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure as Canvas

STYLE: dict[Any, Any] = {
    "font.family": "DejaVu Sans",  # ships with matplotlib, so the output is the same everywhere
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
    "grid.color": LINE,
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


@contextmanager
def styled(width: float, height: float) -> "Iterator[Canvas]":
    """An empty canvas in the style of all figures, in inches."""
    from matplotlib import style

    with style.context(["default", STYLE]):
        yield _canvas(width, height)


def canvas_of(figure: Figure) -> "Canvas":
    """The figure for matplotlib."""
    with styled(8, 4.5) as canvas:
        axes = canvas.subplots()
        _paint(axes, figure)
        if figure.outcome:
            canvas.text(0.985, 0.945, f"this run: {figure.outcome}", ha="right")
        return canvas


def draw(figure: Figure, path: Path) -> None:
    """Write a file; its suffix, .png or .svg, selects the format."""
    from matplotlib import style

    with style.context(["default", STYLE]):
        _save(canvas_of(figure), path)


def overview(figures: Sequence[Figure], path: Path) -> None:
    """Figures 4-8 on one sheet, with their results as text in the last place."""
    from matplotlib import style

    with style.context(["default", STYLE]):
        canvas = _canvas(15, 13, between=0.06)
        *panels, last = canvas.subplots(3, 2).flat
        for axes, figure in zip(panels, figures, strict=True):
            _paint(axes, figure)
        _write_results(last, figures)
        _save(canvas, path)


def _canvas(width: float, height: float, between: float = 0.0) -> "Canvas":
    """``width`` and ``height`` in inches; ``between``: space between rows as a share of the height."""
    from matplotlib.figure import Figure as Canvas
    from matplotlib.layout_engine import ConstrainedLayoutEngine

    return Canvas(figsize=(width, height), layout=ConstrainedLayoutEngine(w_pad=0.12, h_pad=0.12, hspace=between))


def _save(canvas: "Canvas", path: Path) -> None:
    canvas.savefig(path, metadata={"Software": None} if path.suffix == ".png" else {"Date": None})


def _paint(axes: "Axes", figure: Figure) -> None:
    from matplotlib.ticker import PercentFormatter

    axes.set_title(figure.title)
    axes.set_xlabel(figure.x_label)
    axes.set_ylabel(figure.y_label)
    for series in figure.series:
        line = ":" if series.dotted else "-"
        axes.plot(series.x, series.y, line, color=series.colour, linewidth=2, label=series.label)
    for band in figure.bands:
        alpha = 1.0 if band.solid else 0.18
        axes.fill_between(band.x, band.low, band.high, color=band.colour, alpha=alpha, linewidth=0, label=band.label)
    for shade in figure.shades:
        axes.axvspan(shade.begin, shade.end, color=SHADE, alpha=0.08, linewidth=0)
        beside = axes.get_xaxis_transform()  # x in data, y in shares of the axes
        axes.text(shade.begin, 0.99, f" {shade.label}", transform=beside, va="top", fontsize=8, color=SHADE)
    for reference in figure.references:
        _mark_reference(axes, reference)
    axes.margins(x=0)
    axes.set_xlim(left=0)  # all figures begin with the session
    if figure.y_range:
        axes.set_ylim(figure.y_range)
    if figure.percent:
        axes.yaxis.set_major_formatter(PercentFormatter(1.0))
    if axes.get_legend_handles_labels()[0]:
        axes.legend(loc="lower left", bbox_to_anchor=(-0.01, 1.0), ncols=3, borderaxespad=0.2, columnspacing=1.5)


def _mark_reference(axes: "Axes", reference: Reference) -> None:
    """In the right margin, beside the curves: a bracket for a range, a dashed line for a level."""
    beside = axes.get_yaxis_transform()  # x in shares of the axes, y in data
    if reference.low is None or reference.high is None:
        axes.axhline(reference.value, color=INK, linewidth=1.2, linestyle=(0, (5, 4)))
    else:
        ends = [reference.low, reference.high]
        axes.plot([1.02, 1.02], ends, color=INK, linewidth=1.5, marker="_", transform=beside, clip_on=False)
        axes.plot([1.02], [reference.value], "o", color=INK, markersize=5, transform=beside, clip_on=False)
    axes.text(1.035, reference.value, reference.label, transform=beside, va="center", fontsize=9, color=INK)


def _write_results(axes: "Axes", figures: Sequence[Figure]) -> None:
    axes.set_axis_off()
    for number, figure in enumerate(figures):
        top = 1.15 - 0.25 * number
        paper = [" ".join(reference.label.split()) for reference in figure.references]
        axes.text(0.0, top, figure.title, va="top", fontweight="bold", transform=axes.transAxes)
        text = f"this run: {figure.outcome or 'no data'}" + "".join(f"\n{statement}" for statement in paper)
        axes.text(0.0, top - 0.07, text, va="top", linespacing=1.4, transform=axes.transAxes)
