"""The rows of the live page's tables: ``key`` names a row for as long as it stands, ``cells`` are what it shows.

A cell is a text, or a text with ``href``, ``title`` or ``dot``, the name of its mark.  ``csv``: as it is downloaded.
"""

from collections.abc import Mapping
from typing import Any

from learnae.analysis.claims import JudgedClaim
from learnae.analysis.money import Account
from learnae.analysis.paper_comparison import format_number
from learnae.analysis.paper_comparison import paper_rows as comparison_rows
from learnae.analysis.peer_status import PeerStatus
from learnae.protocol.decisions import DebtChanged
from learnae.protocol.types import ETHER
from learnae.records.history import History
from learnae.web.charts import fault_timeline
from learnae.web.log_messages import Names, display_name, format_time
from learnae.web.report import sections

DIGITS = 10  # of a transaction's hash or an address

RECEIPT_COLUMNS = (
    "changed_s",  # of session time
    "payer",
    "creator",
    "payee_wallet",
    "amount_wei",
    "accuracy_before",  # the payer's, a share of 1
    "accuracy_after",
    "state",
    "reason",
    "transaction",
    "model_cid",
)

Row = dict[str, Any]


def peer_row(standing: PeerStatus, money: Account, history: History, apis: Mapping[str, str]) -> Row:
    name = standing.entry.name
    return {
        "key": name,
        "cells": [
            {"text": name, "href": f"{apis[name]}/v1/status"} if name in apis else name,
            money.role,
            {"text": standing.phase, "dot": standing.phase},
            _progress(standing, history),
            f"{standing.adopted} of {standing.attempts}",
            format_number(money.validation, ".1%"),
            format_number(money.test, ".1%"),
            f"{money.sent_ether:.5f}",
            f"{money.received_ether:.5f}",
        ],
    }


def _progress(standing: PeerStatus, history: History) -> str:
    if not (standing.entry.has_rows and standing.entry.trains):
        return "-"
    work = history.began.session.get("work", {}) if history.began else {}
    planned = work.get("slices", 0) * work.get("passes", 1)
    return f"{standing.trained} of {planned}" if planned else f"{standing.trained}"


def receipt_row(t: float, payer: str, debt: DebtChanged, names: Names) -> Row:
    creator = display_name(debt.creator, names)
    return {
        "key": f"{payer} {debt.debt}",
        "cells": [
            format_time(t),
            payer,
            creator,
            f"{debt.wei / ETHER:.6f}",
            f"{accuracy_text(debt.before)} → {accuracy_text(debt.after)}",
            {"text": debt.state.value, "title": debt.reason or "", "dot": debt.state.value},
            _hash(debt.tx),
        ],
        "csv": [
            f"{t:.3f}",
            payer,
            creator,
            debt.payee or "",
            str(debt.wei),
            f"{debt.before.accuracy:.6g}",
            f"{debt.after.accuracy:.6g}",
            debt.state.value,
            debt.reason or "",
            debt.tx or "",
            debt.cid,
        ],
    }


def claim_row(judged: JudgedClaim, names: Names) -> Row:
    told = judged.claim
    count = judged.verdicts.total()
    others = [f"{number} say {verdict.value}" for verdict, format_number in judged.others]
    at = "-" if told.block is None else f"block {told.block:,}, no. {told.index}"
    return {
        "key": f"{told.sender} {told.contract}",
        "cells": [
            display_name(told.poid.peer, names),
            display_name(told.sender, names),
            _hash(told.contract),
            _hash(told.poid.wallet),
            at,
            {"text": judged.verdict.value, "dot": judged.verdict.value},
            f"{judged.verdicts[judged.verdict]} of {count}",
            ", ".join([*([told.reason.value] if told.reason else []), *others]) or "-",
        ],
    }


def fault_rows(history: History) -> list[Row]:
    return [
        {"key": str(at), "cells": [*cells[:-1], {"text": cells[-1], "dot": cells[-1].replace(" ", "-")}]}
        for at, cells in enumerate(fault_timeline.fault_rows(history))
    ]


def paper_rows(summary: Mapping[str, Any]) -> list[Row]:
    """What is known of it."""
    rows = [[sections.typeset(told) for told in row] for row in comparison_rows(summary) if row[1].strip(" -")]
    return [{"key": row[0], "cells": row} for row in rows]


def _hash(value: str | None) -> Any:
    return {"text": f"{value[:DIGITS]}\N{HORIZONTAL ELLIPSIS}", "title": value} if value else "-"
