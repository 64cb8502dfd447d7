"""What charts are drawn on: a plot area in the page's colours, and values and names made fit for Plotly."""

from collections.abc import Mapping
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


def short(value: float) -> float:
    """Six significant digits: what a pixel shows, and half the bytes."""
    return float(f"{value:.6g}")


def plain(text: str) -> str:
    """Without the HTML that Plotly would read in it."""
    return escape(text, quote=False)
