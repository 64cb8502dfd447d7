"""The flow between groups of peers: what is counted, and what several runs show together."""

from dataclasses import replace

import pytest
from tests.helpers.histories import GOOD, NAMES, WALLET, amended, fact_is, score

from learnae.analysis.figures.spec import GREY
from learnae.analysis.group_flows import (
    COLOURS,
    FLOW_COLUMNS,
    GROUP_COLUMNS,
    OTHERS,
    Pair,
    RunFlows,
    flow_figure,
    flow_row,
    mean_flows,
    plural,
    run_flows,
)
from learnae.analysis.money import OUTSIDE, flows
from learnae.protocol.decisions import DebtChanged
from learnae.protocol.row_types import RowsPublished
from learnae.protocol.types import ETHER, Address, Cid, Wei
from learnae.records.history import Evaluated, History, Record

RUN = run_flows(GOOD)
TRAINERS, CHEATS = "trainers", "cheats"


def made(*payments: tuple[Pair, float, float], peers: dict[str, int] | None = None) -> RunFlows:
    """A run of 10 s with these payments: pair, second, ETH."""
    paid: dict[Pair, list[tuple[float, Wei]]] = {}
    for pair, at, ether in payments:
        paid.setdefault(pair, []).append((at, Wei(int(ether * ETHER))))
    return RunFlows(peers or {"a": 1, "b": 1}, {}, paid, 10.0)


def test_all_peers_of_a_role_are_a_group_and_cheats_are_one() -> None:
    assert RUN.peers == {TRAINERS: 3, CHEATS: 2}
    assert sum(RUN.peers.values()) == len(NAMES)
    assert (plural("provider"), plural("cheats")) == ("providers", "cheats")


def test_groups_pay_each_other_what_their_peers_pay() -> None:
    total = sum(flow.wei for flow in flows(GOOD))
    assert sum(wei for payments in RUN.paid.values() for _, wei in payments) == total > 0
    row = flow_row(RUN)
    ether = [value for name, value in row.items() if name.endswith(", ETH")]
    assert sum(value for value in ether if value) == pytest.approx(total / ETHER)
    assert row["trainers to trainers, payments"] == sum(flow.count for flow in flows(GOOD))


def test_flow_is_divided_by_the_work_of_the_payees_and_the_row_blocks_of_the_payers() -> None:
    published = [Record(9.0, "ann", RowsPublished(number, Cid(f"rows {number}"))) for number in (1, 2)]
    row = flow_row(run_flows(replace(GOOD, records=(*GOOD.records, *published))))
    ether, units = row["trainers to trainers, ETH"], row["trainers, units of work"]
    assert ether and units and row["trainers, row blocks published"] == 2
    assert row["trainers to trainers, mETH per unit of work"] == pytest.approx(1000 * ether / units)
    assert row["trainers to trainers, mETH per row block"] == pytest.approx(1000 * ether / 2)
    assert flow_row(RUN)["trainers to trainers, mETH per row block"] is None


def test_a_group_has_its_income_its_spending_and_its_mean_test_accuracy() -> None:
    tested = (
        Record(9.0, name, Evaluated(Cid("last"), 9, score(correct))) for name, correct in (("cat", 500), ("dan", 700))
    )
    row = flow_row(run_flows(replace(GOOD, records=(*GOOD.records, *tested))))
    assert row["cheats, test accuracy"] == pytest.approx(0.6)
    assert row["trainers, ETH sent"] == pytest.approx(sum(flow.ether for flow in flows(GOOD)))
    untested = History(tuple(record for record in GOOD.records if not isinstance(record.fact, Evaluated)))
    assert flow_row(run_flows(untested))["trainers, test accuracy"] is None


def test_what_a_group_received_for_rows_is_part_of_its_income() -> None:
    row = flow_row(RUN)
    assert row["trainers, of it for rows"] == 0.0
    for_rows = flow_row(run_flows(amended(fact_is("ann", DebtChanged, debt=0), shares=1)))
    paid = for_rows["trainers, of it for rows"]
    assert paid and paid < (for_rows["trainers, ETH received"] or 0.0)
    elsewhere = amended(fact_is("ann", DebtChanged, debt=0), shares=1, payee=Address("0xother"))
    assert flow_row(run_flows(elsewhere))["trainers, of it for rows"] == 0.0


def test_each_number_has_a_column() -> None:
    pairs = len(RUN.peers) ** 2
    assert len(flow_row(RUN)) == pairs * len(FLOW_COLUMNS) + len(RUN.peers) * len(GROUP_COLUMNS)


def test_what_left_the_swarm_is_a_flow_to_outside() -> None:
    final = GOOD.debts["ann", 0][-1][1]
    stolen = amended(fact_is("ann", DebtChanged, debt=0, state=final.state), payee=Address("0x99"))
    row = flow_row(run_flows(stolen))
    assert WALLET["bob"] != "0x99" and row[f"trainers to {OUTSIDE}, ETH"] == final.wei / ETHER


def test_of_several_runs_the_mean_flow_is_shown() -> None:
    runs = [
        made((("a", "b"), 1.0, 0.5), (("a", "b"), 2.0, 0.25)),
        made((("a", "b"), 3.0, 0.25), (("b", "b"), 4.0, 1.0)),
    ]
    assert [(flow.payer, flow.payee, flow.count, flow.ether) for flow in mean_flows(runs)] == [
        ("a", "b", 2, 0.5),
        ("b", "b", 0, 0.5),
    ]


def test_the_figure_shows_the_flow_over_time_with_the_range_of_several_runs() -> None:
    runs = [made((("a", "b"), 5.0, 1.0)), made((("a", "b"), 5.0, 3.0), (("a", "b"), 7.5, 1.0))]
    figure = flow_figure(runs)
    (line,), (band,) = figure.series, figure.bands
    values = {at: (mean, low, high) for at, mean, low, high in zip(line.x, line.y, band.low, band.high, strict=True)}
    assert line.label == "a to b"
    assert (values[2.5], values[5.0], values[7.5], values[10.0]) == ((0, 0, 0), (2, 1, 3), (2.5, 1, 4), (2.5, 1, 4))
    assert flow_figure(runs[:1]).bands == ()


def test_only_the_largest_flows_have_a_line_of_their_own() -> None:
    payments = [(("a", f"{number}"), 1.0, float(number)) for number in range(1, len(COLOURS) + 3)]
    figure = flow_figure([made(*payments)])
    assert [line.label for line in figure.series] == [f"a to {number}" for number in (7, 6, 5, 4, 3)] + [OTHERS]
    assert figure.series[-1].colour == GREY and figure.series[-1].y[-1] == 3.0
