"""The files that the pages load: scripts, styles and Plotly's library."""

import gzip
import json
from importlib.resources import files
from typing import Any

from learnae.web.charts.html import Html, h
from learnae.web.charts.theme import css_variables


def plotly() -> str:
    """Plotly's JavaScript with the traces that the charts use, as ``tools/plotly_bundle.py`` builds it (1.3 MB)."""
    return gzip.decompress((files("learnae.resources") / "plotly/plotly.min.js.gz").read_bytes()).decode()


def style() -> str:
    """CSS of both pages: the palette as variables, then the rules."""
    return css_variables() + asset("charts/page.css")


def asset(name: str) -> str:
    """The text of a file in ``learnae.web``."""
    return (files("learnae.web") / name).read_text(encoding="utf-8")


def data_block(data: Any) -> Html:
    """Data for the page's scripts: JSON that cannot end the element it stands in."""
    escaped = json.dumps(data, separators=(",", ":")).replace("<", "\\u003c")
    return h("script", Html(escaped), type="application/json", id="data")
