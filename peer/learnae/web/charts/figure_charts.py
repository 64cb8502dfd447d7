"""Charts as Plotly's JSON: the plot area alone.  Titles, legends and axes' names are the page's, so that they wrap.

Colours are those by day; the page's script replaces them by night.  Names from a run are escaped, because Plotly reads
some HTML.
"""

from collections.abc import Sequence
from dataclasses import replace
from typing import Any

from learnae.analysis.figures import Figure, Reference, Series, Shade, ShadedBand
from learnae.analysis.figures.spec import GREY, INK, SHADE
from learnae.analysis.peer_status import tested_models
from learnae.records.history import History, kept_score
from learnae.web.charts.plotly_layout import Chart, axes, plain, short

PALENESS = "2E"  # of a band, the last two digits of a colour


def figure_chart(figure: Figure) -> Chart:
    form = ".1%" if figure.percent else ".4~f"
    traces = [trace for band in figure.bands for trace in _band(band, form)]
    traces += [_line(series, form) for series in figure.series]
    y = {"tickformat": ".0%" if figure.percent else "~g"}
    layout = axes({"rangemode": "tozero"}, y | ({"range": list(figure.y_range)} if figure.y_range else {}))
    layout["hovermode"] = "x unified"
    layout["shapes"] = [*shaded(figure.shades), *(shape for each in figure.references for shape in _refer(each))]
    layout["annotations"] = [_told(reference) for reference in figure.references]
    layout["margin"]["r"] = 80 if figure.references else 16
    return {"data": traces, "layout": layout}


def peers_chart(history: History, accuracy: Figure) -> Chart:
    """Each peer's accuracy on its own validation rows along seconds, behind the means of ``accuracy``.

    From the first model that it trained or averaged itself.  Means begin where all are there that have a model by now,
    since they would fall with each that joins them; that on test rows ends with the last model that was scored.  All
    peers are one trace with gaps: a hundred traces would take a browser longer than a second.
    """
    steps: dict[str, list[tuple[float, float]]] = {}
    for record, fact in history.worked:
        if score := kept_score(fact):
            steps.setdefault(record.peer, []).append((short(record.t), short(score.accuracy)))
    points: list[tuple[float | None, float | None, str]] = []
    for name, each in sorted(steps.items()):
        told = plain(name)
        points += [(t, value, told) for t, value in each]
        points += [(short(history.seconds), each[-1][1], told), (None, None, "")]
    each_peer = {
        "type": "scatter",
        "mode": "lines",
        "x": [t for t, _, _ in points],
        "y": [value for _, value, _ in points],
        "text": [name for _, _, name in points],
        "line": {"color": GREY, "width": 1, "shape": "hv"},
        "hovertemplate": "%{text}: %{y:.1%}<extra></extra>",
    }
    test, validation = accuracy.series
    begin = max((each[0][0] for name, each in steps.items() if name in history.honest), default=0.0)
    scored = tested_models(history)
    first = max((each.first for each in scored), default=0.0)
    last = history.seconds if all(each.current for each in scored) else max(each.last for each in scored)
    means = _between(test, first, last), _between(validation, begin, history.seconds)
    chart = figure_chart(replace(accuracy, bands=(), series=means))
    return {"data": [each_peer, *chart["data"]], "layout": chart["layout"] | {"hovermode": "closest"}}


# in here


def _between(series: Series, begin: float, end: float) -> Series:
    points = [(x, y) for x, y in zip(series.x, series.y, strict=True) if begin <= x <= end]
    return replace(series, x=tuple(x for x, _ in points), y=tuple(y for _, y in points))


def _line(series: Series, form: str) -> Chart:
    return {
        "type": "scatter",
        "mode": "lines",
        "name": plain(series.label),
        "x": list(map(short, series.x)),
        "y": list(map(short, series.y)),
        "line": {"color": series.colour, "width": 2.5, "dash": "dot" if series.dotted else "solid"},
        "hovertemplate": f"%{{y:{form}}}",
    }


def _band(band: ShadedBand, form: str) -> list[Chart]:
    """Its lower edge, silent, and its upper with what lies between."""
    edge = {"type": "scatter", "mode": "lines", "x": list(map(short, band.x)), "line": {"width": 0}}
    share = band.solid
    data: list[Any] = [
        short(high - low) if share else [short(low), short(high)] for low, high in zip(band.low, band.high, strict=True)
    ]
    told = f"%{{customdata:{form}}}" if share else f"%{{customdata[0]:{form}}} to %{{customdata[1]:{form}}}"
    return [
        edge | {"y": list(map(short, band.low)), "hoverinfo": "skip"},
        edge
        | {
            "name": plain(band.label),
            "y": list(map(short, band.high)),
            "fill": "tonexty",
            "fillcolor": band.colour if share else band.colour + PALENESS,
            "line": {"width": 0, "color": band.colour},
            "customdata": data,
            "hovertemplate": told,
        },
    ]


def _refer(reference: Reference) -> list[Chart]:
    """As in the pictures: a bracket in the right margin for a range, a dashed line for a level."""
    ink = {"color": INK, "width": 1.5}
    if reference.low is None or reference.high is None:
        level = {"xref": "paper", "x0": 0, "x1": 1, "y0": reference.value, "y1": reference.value}
        return [{"type": "line", "line": ink | {"dash": "6px,5px"}, **level}]
    across = {"xref": "paper", "xsizemode": "pixel", "xanchor": 1}
    ends = [{"type": "line", "line": ink, "x0": 6, "x1": 14, "y0": y, "y1": y} for y in (reference.low, reference.high)]
    span = {"type": "line", "line": ink, "x0": 10, "x1": 10, "y0": reference.low, "y1": reference.high}
    dot = {"type": "circle", "line": ink, "fillcolor": INK, "x0": 7, "x1": 13}
    middle = {"ysizemode": "pixel", "yanchor": reference.value, "y0": -3, "y1": 3}
    return [across | each for each in (*ends, span, dot | middle)]


def shaded(shades: Sequence[Shade]) -> list[Chart]:
    """Plotly's rectangles, as high as the chart; of those that begin together the first says what they all are."""
    together: dict[float, list[str]] = {}
    for shade in shades:
        together.setdefault(short(shade.begin), []).append(shade.label)
    rectangle = {"type": "rect", "xref": "x", "yref": "paper", "y0": 0, "y1": 1, "layer": "below", "line": {"width": 0}}
    return [
        {
            **rectangle,
            "x0": short(shade.begin),
            "x1": short(shade.end),
            "fillcolor": SHADE + "18",
            "label": {
                "text": ", ".join(together.pop(short(shade.begin), [])),
                "textposition": "top left",
                "font": {"size": 12, "color": INK},
            },
        }
        for shade in shades
    ]


def _told(reference: Reference) -> Chart:
    """Whose it is; the numbers are in the caption."""
    beside = {"xref": "paper", "x": 1, "xanchor": "left", "xshift": 6 if reference.low is None else 18}
    return beside | {"text": "the paper", "y": reference.value, "showarrow": False, "font": {"size": 11}}
