"""Money, gains, charts and elements: what the page's numbers mean."""

import json
from dataclasses import replace

import pytest
from tests.helpers.histories import (
    DEPLOY_GAS,
    GOOD,
    MODEL,
    OF_THE_PAPER,
    PAY_GAS,
    PEER,
    WALLET,
    amended,
    fact_is,
    followed_by,
    score,
    without,
)

from learnae.analysis.figures import figures
from learnae.analysis.money import (
    CHEATS,
    OUTSIDE,
    Account,
    Flow,
    accounts,
    flows,
)
from learnae.analysis.statistics import Gain, gains, total_gain
from learnae.protocol.decisions import Averaged, DebtChanged, DebtState, Trained
from learnae.protocol.types import ETHER, Address, Cid, TxHash, Wei
from learnae.records.history import Evaluated, History, SessionBegan
from learnae.records.roster_entry import RosterEntry
from learnae.web.charts import figure_charts, money_charts
from learnae.web.charts.html import Html, h, join, table
from learnae.web.charts.money_charts import matrix_names

EMPTY = History(())

# elements


def test_text_is_escaped_and_html_is_not_escaped_again() -> None:
    assert h("p", "a < b & c") == "<p>a &lt; b &amp; c</p>"
    assert h("p", h("b", "<"), 3) == "<p><b>&lt;</b>3</p>"
    assert join(["<", Html("<hr>")]) == "&lt;<hr>"


def test_an_attribute_cannot_end_before_its_end() -> None:
    assert h("p", title='"><script>') == '<p title="&quot;&gt;&lt;script&gt;"></p>'


def test_attributes_that_are_pythons_words_or_have_dashes_can_be_given() -> None:
    assert (
        h("input", class_="a", data_x=1, checked=True, disabled=False, id=None)
        == '<input class="a" data-x="1" checked>'
    )


def test_the_first_column_of_a_table_heads_its_rows() -> None:
    text = table(("a", "b", "c"), [(1, "<", 3)], "what it is", words=(1,))
    assert '<th scope="row">1</th><td class="words">&lt;</td><td>3</td>' in text
    assert '<caption class="unseen">what it is</caption>' in text


# money


def test_a_flow_is_what_stayed_final_between_two_peers() -> None:
    assert flows(GOOD) == [
        Flow("ann", "bob", 1, Wei(2_750_000_000_000_000)),
        Flow("bob", "ann", 1, Wei(1_650_000_000_000_000)),
    ]


def test_payments_to_the_same_peer_are_one_flow() -> None:
    final = GOOD.debts["ann", 0][-1][1]
    last = fact_is("ann", DebtChanged, debt=0, state=DebtState.FINAL)
    twice = followed_by(last, replace(final, debt=7, tx=TxHash("0xann7")), GOOD)
    assert [(flow.count, flow.wei) for flow in flows(twice) if flow.payer == "ann"] == [(2, 2 * final.wei)]


def test_money_goes_to_the_wallet_whoever_made_the_model() -> None:
    stolen = amended(fact_is("ann", DebtChanged, debt=0, state=DebtState.FINAL), payee=WALLET["dan"])
    assert [flow.payee for flow in flows(stolen) if flow.payer == "ann"] == ["dan"]


def test_a_wallet_that_nobody_has_is_outside() -> None:
    lost = amended(fact_is("ann", DebtChanged, debt=0, state=DebtState.FINAL), payee=Address("0xff"))
    assert [flow.payee for flow in flows(lost) if flow.payer == "ann"] == [OUTSIDE]
    assert sum(each.received for each in accounts(lost)) == 1


def test_an_account_has_both_directions_and_the_last_models_accuracies() -> None:
    ann, bob, cat, *_ = accounts(GOOD)
    assert ann == Account(
        "ann", "trainer", "trainer", 1, 0.00275, 1, 0.00165, (DEPLOY_GAS + PAY_GAS) / ETHER, 0.74, 0.76
    )
    assert (bob.sent_ether, bob.received_ether, bob.test) == (0.00165, 0.00275, 0.71)
    assert (cat.sent, cat.received, cat.test, cat.validation) == (0, 0, None, 0.701)


def test_what_is_sent_is_received() -> None:
    peers = accounts(GOOD)
    assert sum(each.sent_ether for each in peers) == pytest.approx(sum(each.received_ether for each in peers))


def test_the_role_of_a_cheat_is_its_policy() -> None:
    assert {each.name: each.role for each in accounts(GOOD)} == {
        "ann": "trainer",
        "bob": "trainer",
        "cat": "refuses-to-pay",
        "dan": "hijacker",
        "eve": "trainer",
    }
    assert {each.kind for each in accounts(GOOD)} == {"trainer", CHEATS}


@pytest.mark.parametrize(
    ("traits", "role"),
    [
        ({"has_rows": False}, "profiteer"),
        ({"computes": False}, "provider"),
        ({"has_rows": False, "computes": False}, "keeper"),
        ({"computes": False, "sensor": True}, "sensor"),
        ({"wants_payment": False}, "trainer, wants no payment"),
    ],
)
def test_roles_follow_from_traits(traits: dict[str, bool], role: str) -> None:
    assert GOOD.began
    roster: list[RosterEntry] = [replace(GOOD.began.roster[0], **traits), *GOOD.began.roster[1:]]  # type: ignore[arg-type]
    assert accounts(amended(fact_is("swarm", SessionBegan), roster=tuple(roster)))[0].role == role


# gains


def evaluated(cid: Cid, correct: int, history: History = GOOD) -> History:
    """The history in which one more model was evaluated."""
    last = fact_is("ann", Evaluated, cid=MODEL["ann 3"])
    return followed_by(last, Evaluated(cid, 1, score(correct)), history)


def rounded(gains: list[Gain]) -> list[Gain]:
    return [replace(each, validation=round(each.validation, 9), test=round(each.test, 9)) for each in gains]


def test_a_gain_is_of_an_adoption_whose_models_before_and_after_were_evaluated() -> None:
    assert rounded(gains(GOOD)) == [Gain("bob", 0.03, 0.03, early=False, paid=True)]


def test_an_adoption_that_nobody_was_paid_for_is_told_apart() -> None:
    more = evaluated(MODEL["ann 2"], 730)
    (ann,) = [each for each in rounded(gains(more)) if each.peer == "ann"]
    assert ann == Gain("ann", 0.01, 0.01, early=False, paid=False)


def test_an_adoption_before_the_last_slice_is_early() -> None:
    bobs = fact_is("bob", Averaged, adopted=True)
    later = followed_by(bobs, Trained(1, 3, Cid("blast"), score(730)))
    moved = replace(later, records=tuple(replace(each, t=float(at)) for at, each in enumerate(later.records)))
    assert [each.early for each in gains(moved)] == [True]


def test_a_dropped_average_changes_nothing() -> None:
    assert gains(without(fact_is("bob", Averaged, adopted=False))) == gains(GOOD)


def test_cheats_have_no_say_in_what_was_worth_its_price() -> None:
    more = evaluated(MODEL["ann 1"], 690, evaluated(MODEL["cat 1"], 690))
    assert "cat" not in {each.peer for each in gains(more)}


def test_absent_is_the_share_of_the_paid_gain_that_test_rows_do_not_show() -> None:
    some = [Gain("a", 0.03, 0.01, True, True), Gain("b", 0.01, 0.0, True, True)]
    assert total_gain(some).missing == pytest.approx(0.75)
    assert total_gain([Gain("a", 0.01, 0.02, True, True)]).missing == pytest.approx(-1.0)
    assert total_gain([]).missing is None


# charts


def test_the_matrix_has_payers_down_and_payees_across() -> None:
    chart = money_charts.matrix_chart(flows(GOOD), accounts(GOOD)[:3])
    (trace,) = chart["data"]
    assert trace["z"] == [[None, 0.00275, None], [0.00165, None, None], [None, None, None]]
    assert trace["text"][0][1] == "ann paid bob 0.00275 ETH in 1 payment"
    assert chart["layout"]["yaxis"]["autorange"] == "reversed"


def test_the_matrix_of_many_peers_shows_those_with_the_largest_turnover() -> None:
    many = [
        Account(f"p{at}", "trainer", "trainer", 1, at / 1000, 0, 0.0, 0.0, None, None)
        for at in range(money_charts.MAX_MATRIX_PEERS + 50)
    ]
    names, omitted = matrix_names([], many, money_charts.MAX_MATRIX_PEERS)
    assert names == [f"p{at}" for at in range(50, money_charts.MAX_MATRIX_PEERS + 50)]
    assert omitted == 50


def test_each_kind_of_peer_has_its_own_mark_besides_its_colour() -> None:
    assert (
        len({symbol for _, symbol in money_charts.ROLE_MARKS.values()})
        == len({c for c, _ in money_charts.ROLE_MARKS.values()})
        == 6
    )


def test_a_figures_chart_has_its_curves_its_bands_and_what_the_paper_says() -> None:
    payments = next(each for each in figures(OF_THE_PAPER) if each.name == "fig7-payments")
    chart = figure_charts.figure_chart(payments)
    low, high, mean = chart["data"]
    assert (tuple(mean["x"]), mean["name"]) == (payments.series[0].x, "mean of peers")
    assert (low["hoverinfo"], high["fill"]) == ("skip", "tonexty")
    assert chart["layout"]["yaxis"]["range"] == list(payments.y_range or ())
    heights = {shape[key] for shape in chart["layout"]["shapes"] for key in ("y0", "y1")}
    assert {3, 16} <= heights
    assert chart["layout"]["shapes"][-1]["yanchor"] == 9.4


def test_hovering_over_a_share_says_the_share_and_not_the_sum_below_it() -> None:
    types = next(each for each in figures(GOOD) if each.name == "fig4-work-types")
    tops = [trace for trace in figure_charts.figure_chart(types)["data"] if "customdata" in trace]
    assert [sum(shares) for shares in zip(*(trace["customdata"] for trace in tops), strict=True)] == pytest.approx(
        [1.0] * len(types.bands[0].x)
    )


@pytest.mark.parametrize("history", [GOOD, EMPTY])
def test_every_chart_is_json(history: History) -> None:
    drawn = [figure_charts.figure_chart(each) for each in figures(history)]
    drawn += [money_charts.accounts_chart(accounts(history)), money_charts.gains_chart(gains(history))]
    assert json.loads(json.dumps(drawn, allow_nan=False)) == drawn


def test_coordinates_are_as_exact_as_a_screen() -> None:
    chart = money_charts.gains_chart([Gain(PEER["ann"], 1 / 3, 1 / 7, True, True)])
    assert chart["data"][0]["x"] == [33.3333]
