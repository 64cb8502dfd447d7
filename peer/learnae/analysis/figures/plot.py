"""A figure, or all figures on one sheet, as PNG, SVG or PDF.  Equal figures give equal bytes."""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from textwrap import fill
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
    "svg.hashsalt": "learnae",
    "svg.fonttype": "none",
    "pdf.fonttype": 42,  # fonts that publishers accept and that editors of PDF files find
}
METADATA: dict[str, dict[str, Any]] = {
    ".png": {"Software": None},
    ".svg": {"Date": None},
    ".pdf": {"CreationDate": None, "Creator": None, "Producer": None},
}
WIDE, SMALLEST_TEXT = (
    6.0,
    0.7,
)  # inches from which a figure names its result; text of the smallest figures, of the usual
MIN_PIXELS = 1200  # width of a PNG file
LETTERS = 16  # letters of an axis label per inch of width; it has more lines otherwise


@dataclass(frozen=True)
class Look:
    """``size``: width and height in inches.  Without a title a figure also does not name its result."""

    size: tuple[float, float] = (8.0, 4.5)
    title: bool = True

    @property
    def text(self) -> float:
        """The size of text, as a share of the usual one."""
        return max(SMALLEST_TEXT, min(1.0, self.size[0] / 8.0))


USUAL = Look()


@contextmanager
def styled(width: float, height: float) -> "Iterator[Canvas]":
    """An empty canvas in the style of all figures, in inches."""
    from matplotlib import style

    with style.context(["default", STYLE]):
        yield _canvas(width, height)


def canvas_of(figure: Figure, look: Look = USUAL) -> "Canvas":
    """The figure for matplotlib."""
    from matplotlib import style

    with style.context(["default", _scaled(look.text)]):
        canvas = _canvas(*look.size)
        axes = canvas.subplots()
        _paint(axes, figure, look)
        if figure.outcome and look.title and look.size[0] >= WIDE:
            canvas.text(0.985, 0.945, f"this run: {figure.outcome}", ha="right")
        return canvas


def draw(figure: Figure, path: Path, look: Look = USUAL) -> None:
    """Write a file; its suffix, .png, .svg or .pdf, selects the format."""
    from matplotlib import style

    with style.context(["default", STYLE]):
        _save(canvas_of(figure, look), path)


def overview(figures: Sequence[Figure], path: Path) -> None:
    """Figures 4-8 on one sheet, with their results as text in the last place."""
    from matplotlib import style

    with style.context(["default", STYLE]):
        canvas = _canvas(15, 13, between=0.06)
        *panels, last = canvas.subplots(3, 2).flat
        for axes, figure in zip(panels, figures, strict=True):
            _paint(axes, figure, USUAL)
        _write_results(last, figures)
        _save(canvas, path)


def _canvas(width: float, height: float, between: float = 0.0) -> "Canvas":
    """``width`` and ``height`` in inches; ``between``: space between rows as a share of the height."""
    from matplotlib.figure import Figure as Canvas
    from matplotlib.layout_engine import ConstrainedLayoutEngine

    return Canvas(figsize=(width, height), layout=ConstrainedLayoutEngine(w_pad=0.12, h_pad=0.12, hspace=between))


def _save(canvas: "Canvas", path: Path) -> None:
    dots = max(150.0, MIN_PIXELS / canvas.get_figwidth())
    canvas.savefig(path, metadata=METADATA[path.suffix], dpi=dots)


def _scaled(text: float) -> dict[Any, Any]:
    sizes = ("font.size", "axes.titlesize")
    return STYLE | {name: text * STYLE[name] for name in sizes}


def _paint(axes: "Axes", figure: Figure, look: Look) -> None:
    from matplotlib.ticker import PercentFormatter

    width, height = look.size
    if look.title:
        axes.set_title(fill(figure.title, int(0.7 * LETTERS * (width - 0.4))))
    axes.set_xlabel(fill(figure.x_label, int(LETTERS * width)))
    axes.set_ylabel(fill(figure.y_label, int(LETTERS * height)))
    for series in figure.series:
        line = ":" if series.dotted else "-"
        axes.plot(series.x, series.y, line, color=series.colour, linewidth=2, label=series.label)
    for band in figure.bands:
        alpha = 1.0 if band.solid else 0.18
        axes.fill_between(band.x, band.low, band.high, color=band.colour, alpha=alpha, linewidth=0, label=band.label)
    for shade in figure.shades:
        axes.axvspan(shade.begin, shade.end, color=SHADE, alpha=0.08, linewidth=0)
        beside = axes.get_xaxis_transform()  # x in data, y in shares of the axes
        axes.text(shade.begin, 0.99, f" {shade.label}", transform=beside, va="top", fontsize=8 * look.text, color=SHADE)
    for reference in figure.references:
        _mark_reference(axes, reference, 9 * look.text)
    axes.margins(x=0)
    axes.set_xlim(left=0)  # all figures begin with the session
    if figure.y_range:
        axes.set_ylim(figure.y_range)
    if figure.percent:
        axes.yaxis.set_major_formatter(PercentFormatter(1.0))
    if labels := axes.get_legend_handles_labels()[1]:
        columns = min(3, int(LETTERS * width) // (max(map(len, labels)) + 6) or 1)  # 6 letters: mark and space
        lines = -(-len(labels) // columns)
        axes.set_title(axes.get_title("left"), pad=look.text * (15 + 15 * lines))  # above the legend
        axes.legend(loc="lower left", bbox_to_anchor=(-0.01, 1.0), ncols=columns, borderaxespad=0.2, columnspacing=1.5)


def _mark_reference(axes: "Axes", reference: Reference, fontsize: float) -> None:
    """In the right margin, beside the curves: a bracket for a range, a dashed line for a level."""
    beside = axes.get_yaxis_transform()  # x in shares of the axes, y in data
    if reference.low is None or reference.high is None:
        axes.axhline(reference.value, color=INK, linewidth=1.2, linestyle=(0, (5, 4)))
    else:
        ends = [reference.low, reference.high]
        axes.plot([1.02, 1.02], ends, color=INK, linewidth=1.5, marker="_", transform=beside, clip_on=False)
        axes.plot([1.02], [reference.value], "o", color=INK, markersize=5, transform=beside, clip_on=False)
    axes.annotate(
        reference.label,
        (1.02, reference.value),
        (7.5, 0),
        xycoords=beside,
        textcoords="offset points",
        va="center",
        fontsize=fontsize,
        color=INK,
    )


def _write_results(axes: "Axes", figures: Sequence[Figure]) -> None:
    axes.set_axis_off()
    for number, figure in enumerate(figures):
        top = 1.15 - 0.25 * number
        paper = [" ".join(reference.label.split()) for reference in figure.references]
        axes.text(0.0, top, figure.title, va="top", fontweight="bold", transform=axes.transAxes)
        text = f"this run: {figure.outcome or 'no data'}" + "".join(f"\n{statement}" for statement in paper)
        axes.text(0.0, top - 0.07, text, va="top", linespacing=1.4, transform=axes.transAxes)
