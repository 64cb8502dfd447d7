"""Charts of the paper's figures, and of each peer's accuracy."""

from collections.abc import Sequence
from dataclasses import replace
from itertools import repeat
from typing import Any

from learnae.analysis.figures import Figure, Reference, Series, Shade, ShadedBand
from learnae.analysis.figures.axis import WorkDone
from learnae.analysis.figures.spec import GREY, INK, SHADE
from learnae.analysis.peer_status import tested_models
from learnae.records.history import History
from learnae.web.charts.plotly_layout import Chart, axes, plain, scatter, short

BAND_OPACITY = "2E"  # the last two digits of a colour


def figure_chart(figure: Figure) -> Chart:
    form = ".1%" if figure.percent else ".4~f"
    traces = [trace for band in figure.bands for trace in _band(band, form)]
    traces += [_line(series, form) for series in figure.series]
    y = {"tickformat": ".0%" if figure.percent else "~g"}
    layout = axes({"rangemode": "tozero"}, y | ({"range": list(figure.y_range)} if figure.y_range else {}))
    layout["hovermode"] = "x unified"
    layout["shapes"] = [*shade_shapes(figure.shades), *(shape for each in figure.references for shape in _marks(each))]
    layout["annotations"] = [_annotation(reference) for reference in figure.references]
    layout["margin"]["r"] = 80 if figure.references else 16
    return {"data": traces, "layout": layout}


def peers_chart(history: History, accuracy: Figure) -> Chart:
    """Each peer's validation accuracy along seconds, behind the means of ``accuracy``.

    A peer's line begins with the first model that it trained or averaged itself.  The means begin when every peer that
    has a model by now has one, because each peer that joins later would pull them down; the mean on test data ends with
    the last model that was tested.  All peers are one trace with gaps: a hundred traces would take a browser more than
    a second.
    """
    tracks = history.folded(WorkDone).scores
    points: list[tuple[float | None, float | None, str]] = []
    for name, models in sorted(tracks.items()):
        label = plain(name)
        points += zip(models.seconds, models.values, repeat(label))
        points += [(history.seconds, models.values[-1], label), (None, None, "")]
    all_peers = scatter(
        "lines",
        [t for t, _, _ in points],
        [value for _, value, _ in points],
        "%{text}: %{y:.1%}<extra></extra>",
        text=[name for _, _, name in points],
        line={"color": GREY, "width": 1, "shape": "hv"},
    )
    test, validation = accuracy.series
    begin = max((models.seconds[0] for name, models in tracks.items() if name in history.honest), default=0.0)
    tested = tested_models(history)
    first = max((models.first for models in tested), default=0.0)
    last = history.seconds if all(models.current for models in tested) else max(models.last for models in tested)
    means = _between(test, first, last), _between(validation, begin, history.seconds)
    chart = figure_chart(replace(accuracy, bands=(), series=means))
    return {"data": [all_peers, *chart["data"]], "layout": chart["layout"] | {"hovermode": "closest"}}


def shade_shapes(shades: Sequence[Shade]) -> list[Chart]:
    """Rectangles as high as the chart; of those that begin together the first carries all their labels."""
    labels: dict[float, list[str]] = {}
    for shade in shades:
        labels.setdefault(short(shade.begin), []).append(shade.label)
    rectangle = {"type": "rect", "xref": "x", "yref": "paper", "y0": 0, "y1": 1, "layer": "below", "line": {"width": 0}}
    return [
        {
            **rectangle,
            "x0": short(shade.begin),
            "x1": short(shade.end),
            "fillcolor": SHADE + "18",
            "label": {
                "text": ", ".join(labels.pop(short(shade.begin), [])),
                "textposition": "top left",
                "font": {"size": 12, "color": INK},
            },
        }
        for shade in shades
    ]


# private


def _between(series: Series, begin: float, end: float) -> Series:
    points = [(x, y) for x, y in zip(series.x, series.y, strict=True) if begin <= x <= end]
    return replace(series, x=tuple(x for x, _ in points), y=tuple(y for _, y in points))


def _line(series: Series, form: str) -> Chart:
    line = {"color": series.colour, "width": 2.5, "dash": "dot" if series.dotted else "solid"}
    return scatter("lines", series.x, series.y, f"%{{y:{form}}}", name=plain(series.label), line=line)


def _band(band: ShadedBand, form: str) -> list[Chart]:
    """The lower edge, invisible, and the upper edge with the area between."""
    data: list[Any] = [
        short(high - low) if band.solid else [short(low), short(high)]
        for low, high in zip(band.low, band.high, strict=True)
    ]
    hover = f"%{{customdata:{form}}}" if band.solid else f"%{{customdata[0]:{form}}} to %{{customdata[1]:{form}}}"
    upper = {
        "name": plain(band.label),
        "fill": "tonexty",
        "fillcolor": band.colour if band.solid else band.colour + BAND_OPACITY,
        "line": {"width": 0, "color": band.colour},
        "customdata": data,
    }
    return [scatter("lines", band.x, band.low, line={"width": 0}), scatter("lines", band.x, band.high, hover, **upper)]


def _marks(reference: Reference) -> list[Chart]:
    """As in the image files: a bracket in the right margin for a range, a dashed line for a level."""
    ink = {"color": INK, "width": 1.5}
    if reference.low is None or reference.high is None:
        level = {"xref": "paper", "x0": 0, "x1": 1, "y0": reference.value, "y1": reference.value}
        return [{"type": "line", "line": ink | {"dash": "6px,5px"}, **level}]
    across = {"xref": "paper", "xsizemode": "pixel", "xanchor": 1}
    ends = [{"type": "line", "line": ink, "x0": 6, "x1": 14, "y0": y, "y1": y} for y in (reference.low, reference.high)]
    span = {"type": "line", "line": ink, "x0": 10, "x1": 10, "y0": reference.low, "y1": reference.high}
    dot = {"type": "circle", "line": ink, "fillcolor": INK, "x0": 7, "x1": 13}
    middle = {"ysizemode": "pixel", "yanchor": reference.value, "y0": -3, "y1": 3}
    return [across | shape for shape in (*ends, span, dot | middle)]


def _annotation(reference: Reference) -> Chart:
    """Names the source; the numbers are in the caption."""
    place = {"xref": "paper", "x": 1, "xanchor": "left", "xshift": 6 if reference.low is None else 18}
    return place | {"text": "the paper", "y": reference.value, "showarrow": False, "font": {"size": 11}}
