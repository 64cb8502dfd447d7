"""The common layout of charts, and values and names prepared for Plotly.

Charts are Plotly's JSON for the plot area alone: titles, legends and axis names are HTML, so that they wrap.
Colours are those of light mode; the page's script replaces them in dark mode.
"""

from collections.abc import Iterable, Mapping
from html import escape
from typing import Any

from learnae.analysis.figures.spec import INK, LINE, PALE
from learnae.web.charts.theme import PAPER

Chart = dict[str, Any]


def axes(x: Mapping[str, Any], y: Mapping[str, Any]) -> Chart:
    axis = {
        "fixedrange": True,
        "gridcolor": LINE,
        "linecolor": PALE,
        "tickcolor": PALE,
        "zeroline": False,
        "automargin": False,
    }
    return {
        "font": {"family": "system-ui, sans-serif", "size": 12, "color": INK},
        "paper_bgcolor": "rgba(0,0,0,0)",
        "plot_bgcolor": "rgba(0,0,0,0)",
        "margin": {"l": 58, "r": 16, "t": 10, "b": 30},
        "showlegend": False,
        "dragmode": False,
        "hoverlabel": {"bgcolor": PAPER, "bordercolor": PALE, "font": {"color": INK}},
        "xaxis": {**axis, "showgrid": False, "showline": True, "ticks": "outside", **x},
        "yaxis": {**axis, "showgrid": True, **y},
    }


def scatter(mode: str, x: Iterable[float | None], y: Iterable[float | None], hover: str = "", **more: Any) -> Chart:
    """A trace of lines or markers; None in ``x`` and ``y`` breaks a line, an empty ``hover`` shows nothing."""
    hovering = {"hovertemplate": hover} if hover else {"hoverinfo": "skip"}
    numbers = {"x": list(map(_short_or_none, x)), "y": list(map(_short_or_none, y))}
    return {"type": "scatter", "mode": mode} | numbers | hovering | more


def diagonal(end: float) -> Chart:
    """A dashed line from 0 to where both axes have ``end``."""
    line = {"color": PALE, "width": 1.2, "dash": "6px,5px"}
    return {"type": "line", "layer": "below", "line": line, "x0": 0, "y0": 0, "x1": end, "y1": end}


def short(value: float) -> float:
    """Six significant digits: enough for a pixel, and half the bytes."""
    return float(f"{value:.6g}")


def plain(text: str) -> str:
    """Escape the HTML that Plotly would interpret."""
    return escape(text, quote=False)


def _short_or_none(value: float | None) -> float | None:
    return None if value is None else short(value)
