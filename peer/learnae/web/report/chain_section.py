"""The report's section about receipts, contracts, transactions and gas."""

from collections.abc import Sequence
from itertools import islice

from learnae.analysis.claims import judged_claims
from learnae.analysis.peer_status import newest_debts
from learnae.analysis.table_rows import TransactionRow
from learnae.analysis.tables import transactions
from learnae.protocol.types import ETHER
from learnae.records.history import History
from learnae.web.charts.components import details, section
from learnae.web.charts.html import Html, h, table
from learnae.web.charts.receipts import (
    CLAIM_HEADS,
    CLAIM_NOTE,
    CLAIM_WORDS,
    MAX_ROWS,
    RECEIPT_HEADS,
    RECEIPT_WORDS,
    cell_html,
    claim_cells,
    hash_cell,
    newest_note,
    receipt_cells,
)

GWEI = 10**9
KINDS = {
    "payment": "payments",
    "contract": "contracts deployed",
    "deposit": "deposits into the fee pool",
    "report": "reports to the fee pool",
    "withdrawal": "withdrawals from the fee pool",
    "other": "other",
}
GAS_HEADS = ("transactions", "number", "failed", "ETH moved", "gas used", "gas, ETH", "share of the money")
CHAIN_HEADS = (
    "block",
    "kind",
    "from",
    "to",
    "nonce",
    "ETH",
    "gas used",
    "gas price, Gwei",
    "gas, ETH",
    "result",
    "hash",
)


def chain_section(history: History) -> Html:
    return section("chain", "Receipts and gas", *_gas(transactions(history)), _receipts(history), _contracts(history))


def _gas(rows: Sequence[TransactionRow]) -> tuple[Html, ...]:
    if not rows:
        return (h("p", "The run has no transactions."),)
    cells = [_kind_cells(title, [row for row in rows if row.kind == kind], rows) for kind, title in KINDS.items()]
    total = _kind_cells("all", rows, rows)
    sentence = f"Gas cost {total[5]} ETH: {total[6]} of all the money that left wallets, payments and gas."
    grid = table(GAS_HEADS, [row for row in cells if row[1]] + [total], "Gas by kind of transaction")
    return h("p", sentence), grid, _transactions(rows)


def _kind_cells(title: str, chosen: Sequence[TransactionRow], rows: Sequence[TransactionRow]) -> tuple[object, ...]:
    """The cells of ``GAS_HEADS``; a transaction that failed costs gas and moves nothing."""
    money, gas = _moved(rows) + sum(row.gas_wei for row in rows), sum(row.gas_wei for row in chosen)
    return (
        title,
        len(chosen),
        sum(not row.succeeded for row in chosen),
        f"{_moved(chosen) / ETHER:.5f}",
        f"{sum(row.gas_used for row in chosen):,}",
        f"{gas / ETHER:.5f}",
        f"{gas / money:.1%}" if money else "-",
    )


def _moved(rows: Sequence[TransactionRow]) -> int:
    return sum(row.wei for row in rows if row.succeeded)


def _transactions(rows: Sequence[TransactionRow]) -> Html:
    newest = rows[: -MAX_ROWS - 1 : -1]
    grid = table(CHAIN_HEADS, map(_transaction_cells, newest), "Transactions, newest first", (1, 2, 3, 9, 10))
    return details(f"Transactions: {len(rows):,}", grid, *_note(len(rows)))


def _transaction_cells(row: TransactionRow) -> tuple[object, ...]:
    return (
        f"{row.block:,}",
        row.kind,
        row.sender,
        row.to or "-",
        row.nonce,
        f"{row.wei / ETHER:.6f}",
        f"{row.gas_used:,}",
        f"{row.gas_price / GWEI:.3f}",
        f"{row.gas_wei / ETHER:.6f}",
        "succeeded" if row.succeeded else "failed",
        cell_html(hash_cell(row.hash)),
    )


def _receipts(history: History) -> Html:
    names = {entry.peer: entry.name for entry in history.roster.values()}
    rows = (map(cell_html, receipt_cells(*debt, names)) for debt in islice(newest_debts(history), MAX_ROWS))
    grid = table(RECEIPT_HEADS, map(list, rows), "Debts, newest first", RECEIPT_WORDS)
    return details(f"Receipts: {len(history.debts):,}", grid, *_note(len(history.debts)))


def _contracts(history: History) -> Html:
    names = {entry.peer: entry.name for entry in history.roster.values()}
    claims = judged_claims(history)
    note = h("p", CLAIM_NOTE, f" The first {MAX_ROWS} are shown." if len(claims) > MAX_ROWS else "", class_="note")
    rows = [list(map(cell_html, claim_cells(claim, names))) for claim in claims[:MAX_ROWS]]
    grid = table(CLAIM_HEADS, rows, "Identity claims and verdicts", CLAIM_WORDS)
    return details(f"Contracts: {len(claims):,}", note, grid)


def _note(total: int) -> tuple[Html, ...]:
    note = newest_note(total)
    how = (f"{note} ", h("code", "learnae export RUN --to csv"), " writes all.")
    return (h("p", *how, class_="note"),) if note else ()
