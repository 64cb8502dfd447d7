"""What the live page shows of a session so far, in parts that are sent again only when they change.  Pure.

Texts are ready to be shown and must be shown as text: they hold what peers said.
"""

from collections import Counter
from collections.abc import Mapping, Sequence
from typing import Any

from learnae.checks.summary import summary
from learnae.core.facts import DebtChanged
from learnae.core.types import ETHER
from learnae.figures import Figure, figures
from learnae.history import SWARM, History, Record
from learnae.report import sections
from learnae.report.beside import number, paper_rows
from learnae.report.charts import Chart, accounts_chart, figure_chart, matrix_chart, peers_chart
from learnae.report.money import Account, Flow, accounts, flows
from learnae.report.results import in_matrix, most_paid
from learnae.report.said import Names, accuracy, called, ended, said
from learnae.report.standing import PHASES, Standing, newest_debts, standings

RECEIPTS = 500  # the newest
ACCURACY = 2  # its place among Figures 4-8
DIGITS = 10  # of a transaction's hash


def parts(
    history: History,
    found: Mapping[str, Any] | None = None,
    reported: bool = False,
    apis: Mapping[str, str] | None = None,
) -> dict[str, Any]:
    """``found`` is the verdict, ``reported`` whether the report is drawn, ``apis`` where each peer's API is."""
    totals, standing, money, paid = summary(history), standings(history), accounts(history), flows(history)
    by_units, by_seconds = figures(history), figures(history, "seconds")
    names = {entry.peer: entry.name for entry in history.roster.values()}
    phases = Counter(each.phase for each in standing)
    return {
        "session": _session(history),
        "words": _words(history, totals, paid) | {each.name: each.outcome or "nothing yet" for each in by_units},
        "phases": [[phase, phases[phase]] for phase in PHASES],
        "verdict": _verdict(found, reported) if found else None,
        "table:peers": [_peer(*each, history, apis or {}) for each in zip(standing, money, strict=True)],
        "table:receipts": [_receipt(*each, names) for each in list(newest_debts(history))[:RECEIPTS]],
        "table:beside": _beside(found["summary"] if found else totals),
        **_figures(by_units, ""),
        **_figures(by_seconds, "-seconds"),
        "chart:peers": peers_chart(history, by_seconds[ACCURACY]) if by_seconds[ACCURACY].series[1].x else None,
        "chart:matrix": _matrix(paid, money) if paid else None,
        "chart:accounts": accounts_chart(money) if paid else None,
    }


def line(record: Record, names: Names) -> dict[str, str] | None:
    """A line of the log; None if there is nothing to tell."""
    sentence = said(record.fact, names)
    if sentence is None:
        return None
    return {"t": clock(record.t), "peer": "" if record.peer == SWARM else record.peer, "said": sentence}


def clock(seconds: float) -> str:
    """Session time, to the tenth of a second while that is short; it does not break."""
    minutes, rest = divmod(seconds, 60)
    told = f"{minutes:.0f} min {int(rest):02} s" if minutes else f"{rest:.1f} s"
    return told.replace(" ", "\N{NO-BREAK SPACE}")


# in here


def _session(history: History) -> dict[str, Any]:
    state = "running" if history.began else "waiting"
    return {"id": history.began and history.began.manifest, "state": "ended" if history.ended_by else state}


def _words(history: History, totals: Mapping[str, Any], paid: Sequence[Flow]) -> dict[str, str]:
    """By the name of the place where they are said."""
    debts = len(history.debts)
    open_debts = sum(not changes[-1][1].state.terminal for changes in history.debts.values())
    return {
        "name": sections.called(history) if history.began else "",
        "line": _line(history),
        "test": number(totals["accuracy_test_mean"], ".1%"),
        "validation": number(totals["accuracy_validation_mean"], ".1%"),
        "success": number(totals["averaging_success_rate"], ".0%"),
        "attempts": f"{totals['averaging_attempts']:,}",
        "payments": f"{sum(flow.count for flow in paid):,}",
        "underway": f", {open_debts:,} under way" if open_debts else "",
        "ether": f"{sum(flow.wei for flow in paid) / ETHER:.4f}",
        "most": most_paid(paid),
        "receipts": f"The newest {RECEIPTS} of {debts:,}." if debts > RECEIPTS else "",
    }


def _line(history: History) -> str:
    if history.began is None:
        return "Waiting for the first peer. This page fills itself as soon as the session begins."
    settings = history.began.session
    facts = [f"{len(history.roster)} peers", f"backend {history.began.backend}"]
    facts += [f"seed {settings['seed']}"] if "seed" in settings else []
    return ", ".join([*facts, f"{clock(history.seconds)} of session time"]) + "."


def _verdict(found: Mapping[str, Any], reported: bool) -> dict[str, Any]:
    checks = found["checks"]
    wrong = [(name, each["result"], each["reason"] or "") for name, each in checks.items() if each["result"] != "valid"]
    return {
        "verdict": found["verdict"],
        "said": f"The session ended because {ended(found['ended_by'])}. "
        f"{len(checks) - len(wrong)} of {len(checks)} checks are valid.",
        "wrong": [[name, f"{result}: {reason}"] for name, result, reason in wrong],
        "reported": reported,
    }


def _peer(standing: Standing, money: Account, history: History, apis: Mapping[str, str]) -> dict[str, Any]:
    name = standing.entry.name
    return {
        "key": name,
        "cells": [
            {"text": name, "href": f"{apis[name]}/v1/status"} if name in apis else name,
            money.role,
            {"text": standing.phase, "dot": standing.phase},
            _progress(standing, history),
            f"{standing.adopted} of {standing.attempts}",
            number(money.validation, ".1%"),
            number(money.test, ".1%"),
            f"{money.sent_ether:.5f}",
            f"{money.received_ether:.5f}",
        ],
    }


def _progress(standing: Standing, history: History) -> str:
    if not (standing.entry.has_rows and standing.entry.trains):
        return "-"
    work = history.began.session.get("work", {}) if history.began else {}
    planned = work.get("slices", 0) * work.get("passes", 1)
    return f"{standing.trained} of {planned}" if planned else f"{standing.trained}"


def _receipt(t: float, payer: str, debt: DebtChanged, names: Names) -> dict[str, Any]:
    creator = called(debt.creator, names)
    return {
        "key": f"{payer} {debt.debt}",
        "about": [payer, creator],
        "cells": [
            clock(t),
            payer,
            creator,
            f"{debt.wei / ETHER:.6f}",
            f"{accuracy(debt.before)} → {accuracy(debt.after)}",
            {"text": debt.state.value, "title": debt.reason or "", "dot": debt.state.value},
            {"text": f"{debt.tx[:DIGITS]}…", "title": debt.tx} if debt.tx else "-",
        ],
    }


def _beside(summary: Mapping[str, Any]) -> list[dict[str, Any]]:
    """What is known of it."""
    rows = [[sections.typeset(told) for told in row] for row in paper_rows(summary) if row[1].strip(" -")]
    return [{"key": row[0], "cells": row} for row in rows]


def _figures(drawn: Sequence[Figure], suffix: str) -> dict[str, Any]:
    """None for a figure without a point."""
    return {f"chart:{each.name}{suffix}": figure_chart(each) if _known(each) else None for each in drawn}


def _known(figure: Figure) -> bool:
    return any(each.x for each in figure.series) or any(each.x for each in figure.bands)


def _matrix(paid: Sequence[Flow], money: Sequence[Account]) -> Chart:
    names, _ = in_matrix(paid, money)
    return matrix_chart([flow for flow in paid if {flow.payer, flow.payee} <= set(names)], names)
