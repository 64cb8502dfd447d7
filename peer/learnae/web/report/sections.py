"""What was run and what came of it: the page's head, the verdict, the paper's numbers, the settings."""

from collections.abc import Mapping
from typing import Any

from learnae.analysis.checks import CHECKS
from learnae.analysis.paper_comparison import paper_rows
from learnae.analysis.statistics import flatten
from learnae.records.history import History
from learnae.web.charts.components import badge, details, section
from learnae.web.charts.html import Html, h, join, table


def report_header(history: History, found: Mapping[str, Any]) -> Html:
    settings = history.began.session if history.began else {}
    summary = found["summary"]
    facts = [f"{summary['peers_expected']} peers"]
    facts += [f"seed {settings['seed']}"] if "seed" in settings_section else []
    facts += [f"backend {history.began.backend}"] if history.began else []
    facts += [f"{format_number(summary['virtual_seconds'], '.0f', ' s')} of session time"]
    facts += [f"{summary['wall_seconds']:.1f} s of wall time"] if summary.get("wall_seconds") else []
    return h(
        "header",
        h("p", "LEARNAE: paid peer-to-peer training", class_="over"),
        h("h1", "Session ", h("em", session_name(history))),
        h(
            "p",
            badge(found["verdict_section"]),
            " ",
            ", ".join(facts),
            f". It ended because {end_reason(found['ended_by'])}.",
        ),
    )


def session_name(history: History) -> str:
    return str(history.began.session.get("name", "without a name")) if history.began else "without a beginning"


def verdict_section(found: Mapping[str, Any]) -> Html:
    checks = found["checks"]
    valid = sum(each["result"] == "valid" for each in checks.values())
    rows = [
        (h("code", key), badge(each["result"]), each["reason"] or _claim(key))
        for key, each in sorted(checks.items(), key=lambda item: item[1]["result"] == "valid")
    ]
    grid = table(("check", "result", "what it finds, or asserts"), rows, "Checks", words=(1, 2))
    what = "Each recomputes what it checks from the history and the chain's export."
    return section(
        "verdict_section",
        "Verdict and checks",
        details(f"{valid} of {len(checks)} checks are valid", h("p", what), grid, open=valid < len(checks)),
    )


def paper_section(found: Mapping[str, Any]) -> Html:
    rows = [(what, _lines(run), _lines(paper)) for what, run, paper in paper_rows(found["summary"])]
    note = (
        "The paper's numbers are those of its section 4. Quality and money are those of honest peers. "
        "Accuracy is two numbers: on its own validation rows a peer decides and pays, so that number is flattered; "
        "quality is accuracy on test rows, which no peer has. "
        "The accuracies behind a payment are the payer's word, which nobody can verify."
    )
    grid = table(("", "this run", "the paper"), rows, "This run beside the paper")
    return section("paper", "Beside the paper", h("div", grid, h("p", note, class_="note"), class_="side"))


def settings_section(history: History, environment: Mapping[str, Any]) -> Html:
    session = history.began.session if history.began else {}
    told = _flat(session)
    return section(
        "settings_section",
        "Settings and environment",
        details("The session, every default spelled out", _pairs(told, "Settings")),
        details("The environment it ran in", _pairs(_flat(environment), "Environment")),
    )


def _claim(check: str) -> str:
    """The first paragraph of what the check says of itself."""
    told = (CHECKS[check].__doc__ or "") if check in CHECKS else ""
    return " ".join(told.split("\n\n")[0].split())


def _lines(told: str) -> Html:
    """A range with its dash, a list a line each: numbers do not break."""
    return join(h("span", each) for each in typeset(told).split(", "))


def typeset(told: str) -> str:
    return told.replace(" - ", "\N{EN DASH}").replace(" %", "%")


def _pairs(told: Mapping[str, Any], caption: str) -> Html:
    if not told:
        return h("p", "Nothing is recorded.")
    return table(("name", "value"), told.items(), caption, words=(1,))


def _flat(nested: Mapping[str, Any]) -> dict[str, Any]:
    """By dotted name; a list of tables has its index in it."""
    indexed: dict[str, Any] = {}
    for key, value in nested.items():
        tables = isinstance(value, list | tuple) and any(isinstance(each, Mapping) for each in value)
        indexed[key] = {str(at): each for at, each in enumerate(value)} if tables else value
    return flatten(indexed)
