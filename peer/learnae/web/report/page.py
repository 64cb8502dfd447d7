"""The report's HTML: sections, styles, scripts, the charts' data and Plotly, in one string."""

from collections.abc import Mapping
from typing import Any

from learnae.analysis.money import accounts
from learnae.records.history import History
from learnae.web.charts.assets import asset, data_block, style
from learnae.web.charts.components import Charts, contents, head
from learnae.web.charts.fault_timeline import fault_section
from learnae.web.charts.figure_frames import figure_section
from learnae.web.charts.html import Html, h, join
from learnae.web.charts.theme import DARK
from learnae.web.report.latencies import latency_section
from learnae.web.report.money_section import Scores, baseline_section, gain_section, money_section
from learnae.web.report.sections import checks_section, paper_section, report_header, settings_section
from learnae.web.session_text import session_name

# The page may load nothing, whatever a library tries.
POLICY = "default-src 'none'; script-src 'unsafe-inline'; style-src 'unsafe-inline'; img-src data: blob:"
SECTIONS = {
    "checks": "Checks",
    "paper": "Comparison with the paper",
    "figures": "Figures",
    "faults": "Faults",
    "money": "Payments",
    "latencies": "Latencies",
    "gain": "Validation and test gain",
    "baselines": "Baselines",
    "settings": "Settings",
}


def page(
    history: History,
    verdict: Mapping[str, Any],
    library: str,
    environment: Mapping[str, Any] | None = None,
    baselines: Scores | None = None,
) -> str:
    """``library``: Plotly's JavaScript; ``baselines``: the content of baselines.json."""
    charts: Charts = {}
    policy = h("meta", http_equiv="Content-Security-Policy", content=POLICY)
    body = h(
        "body",
        report_header(history, verdict),
        contents(SECTIONS),
        h("noscript", h("p", "The charts need JavaScript; the tables show their numbers.", class_="note")),
        h(
            "main",
            checks_section(verdict),
            paper_section(verdict),
            figure_section(history, charts),
            fault_section(history, charts),
            money_section(history, charts),
            latency_section(history, charts),
            gain_section(history, charts),
            baseline_section(baselines or {}, verdict, accounts(history), charts),
            settings_section(history, environment or {}),
        ),
        _scripts(charts, library),
    )
    top = head(f"LEARNAE: {session_name(history)}", policy, h("style", Html(style())))
    return "<!DOCTYPE html>\n" + h("html", top, body, lang="en")


def _scripts(charts: Charts, library: str) -> Html:
    """``charts`` is complete only after all sections."""
    return join(
        [
            data_block({"charts": charts, "dark": DARK}),
            h("script", Html(library)),
            h("script", Html(asset("charts/charts.js") + asset("report/report.js"))),
        ]
    )
