"""The report's HTML: sections, styles, scripts, the charts' data and Plotly, in one string."""

from collections.abc import Mapping, Sequence
from typing import Any

from learnae.analysis.group_flows import RunFlows
from learnae.analysis.metric_words import metric_name
from learnae.analysis.money import accounts
from learnae.records.history import History
from learnae.web.charts.assets import asset, data_block, style
from learnae.web.charts.components import Charts, contents, head, section
from learnae.web.charts.fault_timeline import fault_section
from learnae.web.charts.figure_frames import figure_section
from learnae.web.charts.html import Html, h
from learnae.web.charts.metric_words import with_metric
from learnae.web.charts.theme import DARK
from learnae.web.report.chain_section import chain_section
from learnae.web.report.group_section import case_title, group_frames, group_section
from learnae.web.report.latencies import latency_section
from learnae.web.report.money_section import Scores, baseline_section, gain_section, money_section
from learnae.web.report.sections import checks_section, report_header, results_section, settings_section
from learnae.web.session_text import session_name

# The page may load nothing, whatever a library tries.
POLICY = "default-src 'none'; script-src 'unsafe-inline'; style-src 'unsafe-inline'; img-src data: blob:"
SECTIONS = {
    "checks": "Checks",
    "results": "Results",
    "figures": "Figures",
    "faults": "Faults",
    "money": "Payments",
    "chain": "Receipts and gas",
    "groups": "Flow between groups",
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
    charts, metric = Charts(), metric_name(history)
    measured = (
        checks_section(verdict),
        results_section(history, verdict),
        figure_section(history, charts),
        fault_section(history, charts),
        money_section(history, charts),
        chain_section(history),
        group_section(history, charts),
        latency_section(history, charts),
        gain_section(history, charts),
        baseline_section(baselines or {}, verdict, accounts(history), charts),
    )
    named = [with_metric(section, metric) for section in measured]
    settings = settings_section(history, environment or {})
    sections = (*named, settings)
    return document(
        session_name(history), report_header(history, verdict, environment or {}), SECTIONS, sections, charts, library
    )


def flows_page(name: str, cases: Mapping[str, Sequence[RunFlows]], library: str) -> str:
    """The flow between the groups of a session.  ``cases``: its runs, by what the case is called."""
    charts, sections, titles = Charts(), list[Html](), dict[str, str]()
    for number, (case, runs) in enumerate(cases.items(), 1):
        anchor = f"case-{number}"
        titles[anchor] = case_title(case, runs)
        frames = group_frames(runs, charts, f"flow-{number}")
        sections.append(with_metric(section(anchor, titles[anchor], frames), runs[0].metric))
    heading = h("header", h("p", "LEARNAE: paid peer-to-peer training", class_="over"), h("h1", f"Flow in {name}"))
    return document(f"flow in {name}", heading, titles, sections, charts, library)


def document(
    title: str, heading: Html, titles: Mapping[str, str], sections: Sequence[Html], charts: Charts, library: str
) -> str:
    """``titles``: of the sections, by anchor."""
    policy = h("meta", http_equiv="Content-Security-Policy", content=POLICY)
    no_script = h("noscript", h("p", "The charts need JavaScript; the tables show their numbers.", class_="note"))
    scripts = (
        data_block({"charts": charts, "dark": DARK}),
        h("script", Html(library)),
        h("script", Html(asset("charts/charts.js") + asset("report/report.js"))),
    )
    body = h("body", heading, contents(titles), no_script, h("main", *sections), *scripts)
    top = head(f"LEARNAE: {title}", policy, h("style", Html(style())))
    return "<!DOCTYPE html>\n" + h("html", top, body, lang="en")
