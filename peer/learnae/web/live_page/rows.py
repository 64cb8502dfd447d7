"""The rows of the live page's tables.

``key`` identifies a row across updates; ``cells`` are those of ``charts.receipts``, whose dicts may also have ``href``;
``csv`` holds the values for the download.
"""

from collections.abc import Mapping
from typing import Any

from learnae.analysis import paper_comparison
from learnae.analysis.claims import JudgedClaim
from learnae.analysis.money import Account
from learnae.analysis.paper_comparison import format_number
from learnae.analysis.peer_status import PeerStatus
from learnae.protocol.decisions import DebtChanged
from learnae.protocol.policies import Role
from learnae.records.history import History
from learnae.web.charts import fault_timeline
from learnae.web.charts.receipts import claim_cells, marked, receipt_cells
from learnae.web.log_messages import Names, display_name

RECEIPT_COLUMNS = (
    "changed_s",  # session time
    "payer",
    "creator",
    "payee_wallet",
    "amount_wei",
    "accuracy_before",  # the payer's, between 0 and 1
    "accuracy_after",
    "state",
    "reason",
    "transaction",
    "model_cid",
)

Row = dict[str, Any]


def peer_row(status: PeerStatus, account: Account, history: History, apis: Mapping[str, str]) -> Row:
    name = status.entry.name
    return {
        "key": name,
        "cells": [
            {"text": name, "href": f"{apis[name]}/v1/status"} if name in apis else name,
            account.role,
            marked(status.phase),
            _slices(status, history),
            *_row_blocks(status, history),
            f"{status.adopted} of {status.attempts}",
            format_number(account.validation, ".1%"),
            format_number(account.test, ".1%"),
            f"{account.sent_ether:.5f}",
            f"{account.received_ether:.5f}",
        ],
    }


def _row_blocks(status: PeerStatus, history: History) -> tuple[str, str]:
    """Published, and trained on of those that were fetched."""
    if history.session is None or history.session.privacy:
        return "-", "-"
    return str(status.rows.published), f"{status.rows.trained} of {status.rows.fetched}"


def _slices(status: PeerStatus, history: History) -> str:
    """Own slices."""
    own = status.trained - status.rows.trained
    if status.entry.role is not Role.TRAINER:
        return "-"
    planned = history.session.work.slices * history.session.work.passes if history.session else 0
    return f"{own} of {planned}" if planned else f"{own}"


def receipt_row(t: float, payer: str, debt: DebtChanged, names: Names) -> Row:
    return {
        "key": f"{payer} {debt.debt}",
        "cells": receipt_cells(t, payer, debt, names),
        "csv": [
            f"{t:.3f}",
            payer,
            display_name(debt.creator, names),
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
    return {"key": f"{judged.claim.sender} {judged.claim.contract}", "cells": claim_cells(judged, names)}


def fault_rows(history: History) -> list[Row]:
    return [
        {"key": str(number), "cells": [*cells, marked(effect)]}
        for number, (*cells, effect) in enumerate(fault_timeline.fault_rows(history))
    ]


def result_rows(summary: Mapping[str, Any], of_the_paper: bool, metric: str) -> list[Row]:
    """The rows whose value is known."""
    rows = [row for row in paper_comparison.result_rows(summary, of_the_paper, metric) if row[1] != "-"]
    return [{"key": row[0], "cells": list(row)} for row in rows]
