"""The report's header, checks, results, and settings."""

from collections.abc import Iterator, Mapping
from typing import Any

from learnae.analysis.checks import CHECKS
from learnae.analysis.paper_comparison import format_number, result_rows
from learnae.analysis.reading_lineage import readings_in_models, readings_of_sensors
from learnae.analysis.statistics import flatten
from learnae.records.history import History
from learnae.web.charts.components import badge, details, section
from learnae.web.charts.html import Html, h, join, table
from learnae.web.session_text import checks_text, end_reason, session_facts, session_name, session_settings


def report_header(history: History, verdict: Mapping[str, Any], environment: Mapping[str, Any]) -> Html:
    summary = verdict["summary"]
    facts = session_facts(history, summary["peers_expected"])
    facts += [f"{format_number(summary['virtual_seconds'], '.0f', ' s')} of session time"]
    facts += [f"{summary['wall_seconds']:.1f} s of wall time"] if summary.get("wall_seconds") else []
    return h(
        "header",
        h("p", "LEARNAE: paid peer-to-peer training", class_="over"),
        h("h1", "Session ", h("em", session_name(history))),
        h("p", badge(verdict["verdict"]), f" {checks_text(verdict)}. Ended: {end_reason(verdict['ended_by'])}."),
        h("p", ", ".join(facts), ".", *_origin(environment)),
        *(h("p", line) for line in verdict.get("notices", ())),
        *([h("p", "Records sealed with root ", h("code", verdict["root"]), ".")] if verdict.get("root") else []),
    )


def checks_section(verdict: Mapping[str, Any]) -> Html:
    checks = verdict["checks"]
    rows = [
        (h("code", name), badge(check["result"]), check["reason"] or _check_description(name))
        for name, check in sorted(checks.items(), key=lambda item: item[1]["result"] == "valid")
    ]
    grid = table(("check", "result", "what it requires, or what it found"), rows, "Checks", words=(1, 2))
    how = "Each check recomputes its result from the recorded history and the chain's export."
    failed = any(check["result"] != "valid" for check in checks.values())
    return section("checks", "Checks", details(checks_text(verdict), h("p", how), grid, open=failed))


def results_section(history: History, verdict: Mapping[str, Any]) -> Html:
    of_the_paper = history.session is not None and history.session.of_the_paper
    rows = [(name, *map(_lines, values)) for name, *values in result_rows(verdict["summary"], of_the_paper)]
    source = "The paper's numbers are from its section 4. " if of_the_paper else ""
    note = (
        f"{source}Accuracy and money are those of honest peers. "
        "Validation accuracy is measured on a peer's own validation data, which decides what it keeps and pays for; "
        "it is therefore biased upwards. Test accuracy is measured on data that no peer has. "
        "The accuracies behind a payment are reported by the payer; learnae audit --replay computes them again."
    )
    grid = table(("", "this run", *(["the paper"] if of_the_paper else [])), rows, "Results")
    beside = h("div", grid, h("p", note, class_="note"), class_="side")
    return section("results", "Results", beside, *_readings_in_models(history))


def settings_section(history: History, environment: Mapping[str, Any]) -> Html:
    return section(
        "settings",
        "Settings and environment",
        *([h("p", f"Notice on the data: {environment['notice']}")] if environment.get("notice") else []),
        details("Session settings, including defaults", _pairs(_flat(session_settings(history)), "Settings")),
        details("Environment", _pairs(_flat(environment), "Environment")),
    )


def _readings_in_models(history: History) -> Iterator[Html]:
    sensors = readings_of_sensors(history)
    if models := readings_in_models(history):
        rows = [
            (peer, *(f"{count} of {len(sensors[name])}" for name, count in inside.items()))
            for peer, inside in models.items()
        ]
        caption = "Readings of sensors in the last model of each peer"
        how = "It, or a model that it descends from by training and averaging, was trained on them."
        yield details(caption, h("p", how), table(("peer", *sensors), rows, caption), open=True)


def _origin(environment: Mapping[str, Any]) -> Iterator[object]:
    """When the run was recorded, and the version of the program, as far as they are known."""
    if date := environment.get("date"):
        yield f" Recorded on {date}"
        if commit := environment.get("commit") or environment.get("code_sha256"):
            changed = " with uncommitted changes" if environment.get("dirty") else ""
            what = "commit" if environment.get("commit") else "code"
            yield from (f" by {what} ", h("code", str(commit)[:12]), changed)
        yield "."


def _check_description(check: str) -> str:
    """The first paragraph of the check's docstring."""
    text = (CHECKS[check].__doc__ or "") if check in CHECKS else ""
    return " ".join(text.split("\n\n")[0].split())


def _lines(text: str) -> Html:
    """One line per item, so that numbers do not wrap."""
    return join(h("span", item) for item in text.split(", "))


def _pairs(values: Mapping[str, Any], caption: str) -> Html:
    if not values:
        return h("p", "Not recorded.")
    return table(("name", "value"), values.items(), caption, words=(1,))


def _flat(nested: Mapping[str, Any]) -> dict[str, Any]:
    """Values by dotted name, without those that are None; tables in a list are numbered."""
    indexed: dict[str, Any] = {}
    for key, value in nested.items():
        has_tables = isinstance(value, list | tuple) and any(isinstance(item, Mapping) for item in value)
        indexed[key] = {str(index): item for index, item in enumerate(value)} if has_tables else value
    return {name: value for name, value in flatten(indexed).items() if value is not None}
