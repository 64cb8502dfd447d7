"""The rows of the live page's tables.

``key`` identifies a row across updates; ``cells`` are its texts, or dicts of ``text`` and ``href``, ``title`` or
``dot`` (the name of a coloured mark); ``csv`` holds the values for the download.
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
from learnae.protocol.types import ETHER
from learnae.records.history import History
from learnae.web.charts import fault_timeline
from learnae.web.log_messages import Names, accuracy_text, display_name
from learnae.web.session_text import format_time

HASH_LETTERS = 10  # letters shown of a transaction's hash or an address

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
            _marked(status.phase),
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
    creator = display_name(debt.creator, names)
    return {
        "key": f"{payer} {debt.debt}",
        "cells": [
            format_time(t),
            payer,
            creator,
            f"{debt.wei / ETHER:.6f}",
            f"{accuracy_text(debt.before)} → {accuracy_text(debt.after)}",
            _marked(debt.state.value) | {"title": debt.reason or ""},
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
    claim = judged.claim
    notes = [claim.reason.value] if claim.reason else []
    notes += [f"{count} peers: {verdict.value}" for verdict, count in judged.minority]
    return {
        "key": f"{claim.sender} {claim.contract}",
        "cells": [
            display_name(claim.poid.peer, names),
            display_name(claim.sender, names),
            _hash(claim.contract),
            _hash(claim.poid.wallet),
            "-" if claim.block is None else f"block {claim.block:,}, index {claim.index}",
            _marked(judged.verdict.value),
            f"{judged.verdicts[judged.verdict]} of {judged.verdicts.total()}",
            ", ".join(notes) or "-",
        ],
    }


def fault_rows(history: History) -> list[Row]:
    return [
        {"key": str(number), "cells": [*cells, _marked(effect)]}
        for number, (*cells, effect) in enumerate(fault_timeline.fault_rows(history))
    ]


def paper_rows(summary: Mapping[str, Any]) -> list[Row]:
    """The rows whose value is known."""
    rows = [row for row in paper_comparison.paper_rows(summary) if row[1] != "-"]
    return [{"key": row[0], "cells": list(row)} for row in rows]


def _marked(text: str) -> dict[str, str]:
    return {"text": text, "dot": text.replace(" ", "-")}


def _hash(value: str | None) -> Any:
    return {"text": f"{value[:HASH_LETTERS]}\N{HORIZONTAL ELLIPSIS}", "title": value} if value else "-"
