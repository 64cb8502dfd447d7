"""What the live page shows of a session so far, in parts that are sent again only when they change.  Pure.

Texts are ready to be shown and must be shown as text: they hold what peers said.
"""

from collections import Counter
from collections.abc import Mapping, Sequence
from itertools import islice
from typing import Any

from learnae.analysis.checks.faults import seen_faults
from learnae.analysis.checks.summary import summary
from learnae.analysis.claims import judged_claims
from learnae.analysis.figures import Figure, figures
from learnae.analysis.money import Account, Flow, accounts, flows
from learnae.analysis.paper_comparison import format_number
from learnae.analysis.peer_status import PHASES, newest_debts, peer_statuses, tested_models
from learnae.analysis.topology import topology
from learnae.protocol.types import ETHER
from learnae.records.history import SWARM, History, Record
from learnae.web.charts import fault_timeline
from learnae.web.charts.figure_charts import figure_chart, peers_chart
from learnae.web.charts.money_charts import accounts_chart, largest_flow, matrix_chart, matrix_names
from learnae.web.charts.plotly_layout import Chart
from learnae.web.charts.sankey import omitted_names, sankey_chart
from learnae.web.charts.topology_chart import topology_chart
from learnae.web.live_page import rows
from learnae.web.log_messages import Names, end_reason, describe, format_time
from learnae.web.report import sections

RECEIPTS = 500  # the newest
ACCURACY = 2  # its place among Figures 4-8


def page_parts(
    history: History,
    found: Mapping[str, Any] | None = None,
    reported: bool = False,
    apis: Mapping[str, str] | None = None,
) -> dict[str, Any]:
    """``found`` is the verdict, ``reported`` whether the report is drawn, ``apis`` where each peer's API is."""
    totals, standing, money, paid = summary(history), peer_statuses(history), accounts(history), flows(history)
    by_units, by_seconds = figures(history), figures(history, "seconds")
    names = {entry.peer: entry.name for entry in history.roster.values()}
    swarm = topology(history, standing)
    phases = Counter(each.phase for each in standing)
    return {
        "session": _session(history),
        "words": _words(history, totals, paid)
        | {each.name: each.outcome or "nothing yet" for each in by_units}
        | {
            "topology": swarm.outcome if standing else "",
            "faults": fault_timeline.fault_progress(history),
            "flow": omitted_names(paid),
        },
        "phases": [[phase, phases[phase]] for phase in PHASES],
        "verdict": _verdict(found, reported) if found else None,
        "table:peers": [rows.peer_row(*each, history, apis or {}) for each in zip(standing, money, strict=True)],
        "table:receipts": [rows.receipt_row(*each, names) for each in islice(newest_debts(history), RECEIPTS)],
        "table:faults": rows.fault_rows(history),
        "table:claims": [rows.claim_row(each, names) for each in judged_claims(history)],
        "table:beside": rows.paper_rows(found["summary"] if found else totals),
        **_figures(by_units, ""),
        **_figures(by_seconds, "-seconds"),
        "chart:peers": peers_chart(history, by_seconds[ACCURACY]) if by_seconds[ACCURACY].series[1].x else None,
        "chart:topology": topology_chart(swarm) if standing else None,
        "chart:faults": fault_timeline.timeline_chart(history) if seen_faults(history) else None,
        "chart:flow": sankey_chart(paid, money) if paid else None,
        "chart:matrix": _matrix(paid, money) if paid else None,
        "chart:accounts": accounts_chart(money) if paid else None,
    }


def log_line(record: Record, names: Names) -> dict[str, str] | None:
    """A line of the log; None if there is nothing to tell."""
    sentence = describe(record.fact, names)
    if sentence is None:
        return None
    return {"t": format_time(record.t), "peer": "" if record.peer == SWARM else record.peer, "text": sentence}


# in here


def _session(history: History) -> dict[str, Any]:
    state = "running" if history.began else "waiting"
    return {"id": history.began and history.began.manifest, "state": "ended" if history.ended_by else state}


def _words(history: History, totals: Mapping[str, Any], paid: Sequence[Flow]) -> dict[str, str]:
    """By the name of the place where they are said."""
    debts = len(history.debts)
    open_debts = sum(not changes[-1][1].state.terminal for changes in history.debts.values())
    return {
        "name": sections.session_name(history) if history.began else "",
        "line": _line(history),
        "test": format_number(totals["accuracy_test_mean"], ".1%"),
        "asof": _as_of(history),
        "validation": format_number(totals["accuracy_validation_mean"], ".1%"),
        "success": format_number(totals["averaging_success_rate"], ".0%"),
        "attempts": f"{totals['averaging_attempts']:,}",
        "payments": f"{sum(flow.count for flow in paid):,}",
        "underway": f", {open_debts:,} under way" if open_debts else "",
        "ether": f"{sum(flow.wei for flow in paid) / ETHER:.4f}",
        "most": largest_flow(paid),
        "receipts": f"The newest {RECEIPTS} of {debts:,}." if debts > RECEIPTS else "",
    }


def _as_of(history: History) -> str:
    """Test accuracy waits until there is time, so that it may be of models that peers have gone on from."""
    old = [each.last for each in tested_models(history) if not each.current]
    return f", as of {format_time(min(old))}" if old else ""


def _line(history: History) -> str:
    if history.began is None:
        return "Waiting for the first peer. This page fills itself as soon as the session begins."
    settings = history.began.session
    facts = [f"{len(history.roster)} peers", f"backend {history.began.backend}"]
    facts += [f"seed {settings['seed']}"] if "seed" in settings else []
    return ", ".join([*facts, f"{format_time(history.seconds)} of session time"]) + "."


def _verdict(found: Mapping[str, Any], reported: bool) -> dict[str, Any]:
    checks = found["checks"]
    wrong = [(name, each["result"], each["reason"] or "") for name, each in checks.items() if each["result"] != "valid"]
    return {
        "verdict": found["verdict"],
        "text": f"The session ended because {end_reason(found['ended_by'])}. "
        f"{len(checks) - len(wrong)} of {len(checks)} checks are valid.",
        "wrong": [[name, f"{result}: {reason}"] for name, result, reason in wrong],
        "reported": reported,
    }


def _figures(drawn: Sequence[Figure], suffix: str) -> dict[str, Any]:
    """None for a figure without a point."""
    return {f"chart:{each.name}{suffix}": figure_chart(each) if _known(each) else None for each in drawn}


def _known(figure: Figure) -> bool:
    return any(each.x for each in figure.series) or any(each.x for each in figure.bands)


def _matrix(paid: Sequence[Flow], money: Sequence[Account]) -> Chart:
    names, _ = matrix_names(paid, money)
    return matrix_chart([flow for flow in paid if {flow.payer, flow.payee} <= set(names)], names)
