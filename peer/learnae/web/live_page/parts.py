"""The content of the live page as named parts; a part is sent again only when it changed.  Pure.

The texts come from peers: the page must insert them as text, never as HTML.
"""

from collections import Counter
from collections.abc import Mapping, Sequence
from itertools import islice
from typing import Any

from learnae.analysis.checks.faults import recorded_faults
from learnae.analysis.checks.summary import summary
from learnae.analysis.claims import judged_claims
from learnae.analysis.figures import Figure, figures
from learnae.analysis.metric_words import in_metric, metric_name
from learnae.analysis.money import Flow, accounts, flows
from learnae.analysis.paper_comparison import format_number
from learnae.analysis.peer_status import PHASES, newest_debts, peer_statuses, tested_models
from learnae.analysis.topology import topology
from learnae.protocol.types import ETHER
from learnae.records.history import SWARM, History, Record
from learnae.web.charts import fault_timeline
from learnae.web.charts.figure_charts import figure_chart, peers_chart
from learnae.web.charts.figure_frames import paper_statement
from learnae.web.charts.metric_words import accuracy_texts
from learnae.web.charts.money_charts import (
    MAX_LIVE_MATRIX_PEERS,
    accounts_chart,
    largest_flow,
    matrix_chart,
    omitted_cells,
)
from learnae.web.charts.receipts import MAX_ROWS, newest_note
from learnae.web.charts.sankey import omitted_names, sankey_chart
from learnae.web.charts.topology_chart import topology_chart
from learnae.web.live_page import rows
from learnae.web.live_page.page import live_page
from learnae.web.log_messages import Names, describe
from learnae.web.session_text import RESULT_TEXTS, checks_text, end_reason, format_time, session_facts, session_name

ACCURACY_FIGURE = 2  # index among Figures 4-8


def page_parts(
    history: History,
    verdict: Mapping[str, Any] | None = None,
    has_report: bool = False,
    apis: Mapping[str, str] | None = None,
) -> dict[str, Any]:
    """``apis``: the address of each peer's API, by name."""
    totals, statuses = summary(history), peer_statuses(history)
    peer_accounts, paid = accounts(history), flows(history)
    by_units, by_seconds = figures(history), figures(history, "seconds")
    accuracy = by_seconds[ACCURACY_FIGURE]
    names = {entry.peer: entry.name for entry in history.roster.values()}
    swarm = topology(history, statuses)
    phases = Counter(status.phase for status in statuses)
    return {
        "session": _session(history),
        "texts": _texts(history, totals, paid)
        | {text: in_metric(text, metric_name(history)) for text in accuracy_texts(live_page())}
        | {figure.name: figure.outcome or "nothing yet" for figure in by_units}
        | {f"{figure.name}-paper": paper_statement(figure) for figure in by_units}
        | {
            "topology": swarm.description if statuses else "",
            "faults": fault_timeline.fault_progress(history),
            "flow": omitted_names(paid),
            "matrix": omitted_cells(paid, peer_accounts, MAX_LIVE_MATRIX_PEERS),
        },
        "phases": [[phase, phases[phase]] for phase in PHASES],
        "verdict": _verdict(verdict, has_report) if verdict else None,
        "table:peers": [
            rows.peer_row(status, account, history, apis or {})
            for status, account in zip(statuses, peer_accounts, strict=True)
        ],
        "table:receipts": [rows.receipt_row(*debt, names) for debt in islice(newest_debts(history), MAX_ROWS)],
        "table:faults": rows.fault_rows(history),
        "table:claims": [rows.claim_row(claim, names) for claim in judged_claims(history)],
        "table:results": rows.result_rows(
            verdict["summary"] if verdict else totals, _of_the_paper(history), metric_name(history)
        ),
        **_figure_charts(by_units, ""),
        **_figure_charts(by_seconds, "-seconds"),
        "chart:peers": peers_chart(history, accuracy) if accuracy.series[1].x else None,
        "chart:topology": topology_chart(swarm) if statuses else None,
        "chart:faults": fault_timeline.timeline_chart(history) if recorded_faults(history) else None,
        "chart:flow": sankey_chart(paid, {account.name: account.kind for account in peer_accounts}) if paid else None,
        "chart:matrix": matrix_chart(paid, peer_accounts, MAX_LIVE_MATRIX_PEERS) if paid else None,
        "chart:accounts": accounts_chart(peer_accounts) if paid else None,
    }


def log_line(record: Record, names: Names) -> dict[str, str] | None:
    """A line of the log; None for a record that the log leaves out."""
    sentence = describe(record.fact, names)
    if sentence is None:
        return None
    return {"t": format_time(record.t), "peer": "" if record.peer == SWARM else record.peer, "text": sentence}


# private


def _session(history: History) -> dict[str, Any]:
    state = "running" if history.began else "waiting"
    return {
        "id": history.began and history.began.manifest,
        "state": "ended" if history.ended_by else state,
        "of_the_paper": _of_the_paper(history),
    }


def _of_the_paper(history: History) -> bool:
    return history.session is not None and history.session.of_the_paper


def _texts(history: History, totals: Mapping[str, Any], paid: Sequence[Flow]) -> dict[str, str]:
    """Texts by the name of their placeholder in the page."""
    debts = len(history.debts)
    open_debts = sum(not changes[-1][1].state.terminal for changes in history.debts.values())
    return {
        "name": session_name(history) if history.began else "",
        "line": _facts(history),
        "test": format_number(totals["accuracy_test_mean"], ".1%"),
        "test-age": _test_age(history),
        "validation": format_number(totals["accuracy_validation_mean"], ".1%"),
        "success": format_number(totals["averaging_success_rate"], ".0%"),
        "attempts": f"{totals['averaging_attempts']:,}",
        "payments": f"{sum(flow.count for flow in paid):,}",
        "open-debts": f", {open_debts:,} pending" if open_debts else "",
        "ether": f"{sum(flow.wei for flow in paid) / ETHER:.4f}",
        "largest-flow": largest_flow(paid),
        "receipts": newest_note(debts),
    }


def _test_age(history: History) -> str:
    """Models are tested when there is time, so the tested models may be older than the current ones."""
    outdated = [models.last for models in tested_models(history) if not models.current]
    return f", as of {format_time(min(outdated))}" if outdated else ""


def _facts(history: History) -> str:
    if history.began is None:
        return "Waiting for the first peer. The page updates automatically when the session starts."
    facts = session_facts(history, len(history.roster))
    return ", ".join([*facts, f"{format_time(history.seconds)} of session time"]) + "."


def _verdict(verdict: Mapping[str, Any], has_report: bool) -> dict[str, Any]:
    return {
        "verdict": verdict["verdict"],
        "text": f"{checks_text(verdict)}. Ended: {end_reason(verdict['ended_by'])}."
        + (f" Records sealed with root {verdict['root']}." if verdict.get("root") else ""),
        "problems": [
            [name, f"{RESULT_TEXTS[check['result']]}: {check['reason'] or ''}"]
            for name, check in verdict["checks"].items()
            if check["result"] != "valid"
        ],
        "has_report": has_report,
    }


def _figure_charts(drawn: Sequence[Figure], suffix: str) -> dict[str, Any]:
    """None for a figure without a point."""
    return {f"chart:{figure.name}{suffix}": figure_chart(figure) if _has_points(figure) else None for figure in drawn}


def _has_points(figure: Figure) -> bool:
    return any(series.x for series in figure.series) or any(band.x for band in figure.bands)
