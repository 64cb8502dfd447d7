"""Receipts and identity claims as rows of tables, for both pages.

A cell is text, or a dict of ``text`` and ``title`` or ``dot`` (the name of a coloured mark).
"""

from typing import Any

from learnae.analysis.claims import JudgedClaim
from learnae.protocol.decisions import DebtChanged
from learnae.protocol.types import ETHER
from learnae.web.charts.html import Html, h, text
from learnae.web.log_messages import Names, accuracy_text, display_name
from learnae.web.session_text import format_time

RECEIPT_HEADS = ("session time", "payer", "payee", "ETH", "payer's accuracy", "state", "transaction")
RECEIPT_WORDS = (1, 2, 5, 6)  # columns of text
CLAIM_HEADS = ("claimed id", "announced by", "contract", "wallet", "deployed", "verdict", "peers agreeing", "reason")
CLAIM_WORDS = (1, 2, 3, 4, 5, 6, 7)
CLAIM_NOTE = (
    "Each announced contract, and the current verdict of the peers that checked it. If several contracts claim the "
    "same id, the one deployed first wins (section 3.2 of the paper)."
)
MAX_ROWS = 500  # receipts on a page, the newest
HASH_LETTERS = 10  # letters shown of a transaction's hash or an address


def receipt_cells(t: float, payer: str, debt: DebtChanged, names: Names) -> list[Any]:
    purpose = " by rows" if debt.shares else " by its child" if debt.part_of else ""
    return [
        format_time(t),
        payer,
        display_name(debt.creator, names),
        f"{debt.wei / ETHER:.6f}",
        f"{accuracy_text(debt.before)} → {accuracy_text(debt.after)}{purpose}",
        marked(debt.state.value) | {"title": debt.reason or ""},
        hash_cell(debt.tx),
    ]


def claim_cells(judged: JudgedClaim, names: Names) -> list[Any]:
    claim = judged.claim
    notes = [claim.reason.value] if claim.reason else []
    notes += [f"{count} peers: {verdict.value}" for verdict, count in judged.minority]
    return [
        display_name(claim.poid.peer, names),
        display_name(claim.sender, names),
        hash_cell(claim.contract),
        hash_cell(claim.poid.wallet),
        "-" if claim.block is None else f"block {claim.block:,}, index {claim.index}",
        marked(judged.verdict.value),
        f"{judged.verdicts[judged.verdict]} of {judged.verdicts.total()}",
        ", ".join(notes) or "-",
    ]


def marked(text: str) -> dict[str, str]:
    return {"text": text, "dot": text.replace(" ", "-")}


def hash_cell(value: str | None) -> Any:
    return {"text": f"{value[:HASH_LETTERS]}\N{HORIZONTAL ELLIPSIS}", "title": value} if value else "-"


def newest_note(total: int) -> str:
    """What the table of receipts leaves out; empty if nothing."""
    return f"The newest {MAX_ROWS} of {total:,}." if total > MAX_ROWS else ""


def cell_html(cell: Any) -> Html:
    return h("span", cell["text"], title=cell.get("title") or None) if isinstance(cell, dict) else text(cell)
