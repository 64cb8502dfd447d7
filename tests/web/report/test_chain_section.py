"""The report's section on receipts, contracts, transactions and gas, and the peers' accounts."""

import re
from dataclasses import replace

import pytest
from tests.helpers.histories import GOOD
from tests.web.report.test_page import read

from learnae.analysis.checks import verdict
from learnae.analysis.tables import transactions
from learnae.protocol.types import ETHER, Wei
from learnae.records.chain_export import Block
from learnae.records.history import History, Record
from learnae.web.charts import money_charts
from learnae.web.charts.receipts import MAX_ROWS
from learnae.web.report import chain_section, page


def rows_of(caption: str) -> list[str]:
    """The rows of a table as text."""
    html = page(GOOD, verdict(GOOD), "")
    part = html[html.index(f'<caption class="unseen">{caption}</caption>') :]
    body = part[part.index("<tbody>") + 7 : part.index("</tbody>")]
    return [" ".join(re.sub("<[^>]*>", " ", row).split()) for row in body.split("</tr>")[:-1]]


def test_every_debt_has_a_receipt() -> None:
    rows = rows_of("Debts, newest first")
    assert len(rows) == len(GOOD.debts) and f"Receipts: {len(rows)}" in read().text
    assert any("bob ann 0.001650 69.0% → 72.0% final 0xbob2…" in row for row in rows)


def test_every_claim_names_its_contract_and_the_verdict() -> None:
    rows = rows_of("Identity claims and verdicts")
    assert f"Contracts: {len(rows)}" in read().text
    assert any(row.startswith("bob dan 0xc4c4c4c4…") and "later" in row for row in rows)


def test_transactions_are_listed_and_their_gas_is_a_share_of_the_money() -> None:
    known = transactions(GOOD)
    assert len(rows_of("Transactions, newest first")) == len(known)
    gas, moved = sum(row.gas_wei for row in known), sum(row.wei for row in known if row.succeeded)
    assert f"Gas cost {gas / ETHER:.5f} ETH: {gas / (gas + moved):.1%} of all the money" in read().text
    *kinds, total = rows_of("Gas by kind of transaction")
    assert [row.split()[0] for row in kinds] == ["payments", "contracts"]
    assert total.startswith(f"all {len(known)} ") and total.endswith(f"{gas / (gas + moved):.1%}")


def test_accounts_are_net_before_gas_and_name_the_gas() -> None:
    assert "net before gas, ETH" in read().text and "balance, ETH" not in read().text
    bob = next(row for row in rows_of("Accounts of all peers") if row.startswith("bob"))
    gas = sum(row.gas_wei for row in transactions(GOOD) if row.sender == "bob") / ETHER
    assert gas and f"+0.00110 {gas:.5f}" in bob


def test_of_many_claims_and_accounts_the_report_shows_some_and_says_so(monkeypatch: pytest.MonkeyPatch) -> None:
    claims, accounts = rows_of("Identity claims and verdicts"), rows_of("Accounts of all peers")
    monkeypatch.setattr(chain_section, "MAX_ROWS", 2)
    monkeypatch.setattr(money_charts, "MAX_ACCOUNTS", 2)
    assert rows_of("Identity claims and verdicts") == claims[:2] != claims
    assert rows_of("Accounts of all peers") == [row for row in accounts if row.startswith(("ann ", "bob "))] != accounts
    assert "The first 2 are shown." in read().text
    assert f"Here and in the chart: the 2 of {len(accounts)} peers with the largest turnover." in read().text


def test_without_an_export_of_the_chain_there_are_no_transactions() -> None:
    assert "The run has no transactions." in read(replace(GOOD, chain=())).text


def test_transactions_that_move_nothing_and_cost_nothing_have_no_share() -> None:
    (block,) = [each for each in GOOD.exports(Block) if each.number == 2]
    free = tuple(replace(each, wei=Wei(0), gas_price=Wei(0)) for each in block.transactions)
    reader = read(replace(GOOD, chain=(replace(block, transactions=free),)))
    assert "Gas cost 0.00000 ETH: - of all the money" in reader.text


def test_of_many_debts_the_newest_are_shown_and_the_report_says_where_all_are() -> None:
    debt = GOOD.debts["bob", 0][-1][1]
    many = History((*GOOD.records, *(Record(99.0, "ann", replace(debt, debt=n)) for n in range(9, MAX_ROWS + 9))))
    assert f"The newest {MAX_ROWS} of {len(many.debts)}. learnae export RUN --to csv writes all." in read(many).text
