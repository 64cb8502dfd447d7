"""The page put together: sections, palette, style, script, the charts' data and Plotly, in one string."""

from collections.abc import Mapping
from typing import Any

from learnae.analysis.money import accounts
from learnae.records.history import History
from learnae.web.charts import fault_timeline, figure_frames
from learnae.web.charts.assets import asset, data_block, style
from learnae.web.charts.components import Charts
from learnae.web.charts.html import Html, h, join
from learnae.web.charts.theme import DARK
from learnae.web.report import latencies, money_section, sections

# Nothing may be fetched, whatever the page or its library would like to.
POLICY = "default-src 'none'; script-src 'unsafe-inline'; style-src 'unsafe-inline'; img-src data: blob:"
CONTENTS = {
    "verdict": "Verdict",
    "paper": "Beside the paper",
    "figures": "Figures",
    "faults": "Faults",
    "money": "Who paid whom",
    "latencies": "Latencies",
    "worth": "Paid and real gain",
    "together": "Alone against together",
    "settings": "Settings",
}


def page(
    history: History,
    found: Mapping[str, Any],
    library: str,
    environment: Mapping[str, Any] | None = None,
    baselines: money_section.Scores | None = None,
) -> str:
    """``found`` is the verdict, ``library`` Plotly's JavaScript, ``baselines`` what baselines.json holds."""
    charts: Charts = {}
    content = [
        sections.report_header(history, found),
        h("nav", h("ul", *(h("li", h("a", told, href=f"#{anchor}")) for anchor, told in CONTENTS.items())),
          aria_label="Contents"),
        h("noscript", h("p", "The charts need JavaScript; their numbers are in the tables.", class_="note")),
        h(
            "main",
            sections.verdict_section(found),
            sections.paper_section(found),
            figure_frames.figure_section(history, charts),
            fault_timeline.fault_section(history, charts),
            money_section.money_section(history, charts),
            latencies.latency_section(history, charts),
            money_section.gain_section(history, charts),
            money_section.baseline_section(baselines or {}, found, accounts(history), charts),
            sections.settings_section(history, environment or {}),
        ),
    ]  # fmt: skip
    return "<!DOCTYPE html>\n" + h("html", _head(history), h("body", *content, _scripts(charts, library)), lang="en")


def _head(history: History) -> Html:
    return h(
        "head",
        h("meta", charset="utf-8"),
        h("meta", http_equiv="Content-Security-Policy", content=POLICY),
        h("meta", name="viewport", content="width=device-width, initial-scale=1"),
        h("meta", name="color-scheme", content="light dark"),
        h("link", rel="icon", href="data:,"),
        h("title", f"LEARNAE: {sections.session_name(history)}"),
        h("style", Html(style())),
    )


def _scripts(charts: Charts, library: str) -> Html:
    return join(
        [
            data_block({"charts": charts, "night": DARK}),
            h("script", Html(library)),
            h("script", Html(asset("charts/charts.js") + asset("report/report.js"))),
        ]
    )
