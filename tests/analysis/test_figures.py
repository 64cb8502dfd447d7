"""The figures: what each point means, on the session told by hand and on sessions made for one point."""

import warnings
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from tests.helpers.histories import GOOD, OF_THE_PAPER, TOLD, WALLET, amended, fact_is, followed_by, score

from learnae.analysis.checks.summary import summary
from learnae.analysis.figures import (
    Figure,
    Look,
    Series,
    canvas_of,
    draw,
    figure_table,
    figures,
    first_phase_shares,
    overview,
)
from learnae.analysis.figures.axis import View
from learnae.protocol.decisions import Averaged, DebtChanged, DebtState, Trained
from learnae.protocol.types import Cid, PeerId
from learnae.records.history import Evaluated, Fact, History, Record

EMPTY = History(())
NAMES = ["fig4-work-types", "fig5-success-rate", "fig6-accuracy", "fig7-payments", "fig8-eth"]


def told(*facts: tuple[float, str, Fact]) -> History:
    """The roster of the good history and these records."""
    return History((Record(0.0, *TOLD[0]), *(Record(*each) for each in facts)))


def trained(correct: int = 700, cid: str = "bm") -> Trained:
    return Trained(0, 1, Cid(cid), score(correct))


def averaged(adopted: bool, correct: int = 700, cid: str = "bm") -> Averaged:
    return Averaged(PeerId("p"), Cid("br"), score(600), score(correct), adopted, Cid(cid), 2)


def drawn(history: History, name: str, x: View = "units") -> Figure:
    return next(each for each in figures(history, x) if each.name == name)


def at(x: float, series: Series) -> float:
    return series.y[series.x.index(x)]


def low_mean_high(figure: Figure, x: float) -> Any:  # so that pytest.approx may be compared with it
    (series,), (band,) = figure.series, figure.bands
    return band.low[band.x.index(x)], at(x, series), band.high[band.x.index(x)]


def test_there_are_figures_4_to_8_in_their_order() -> None:
    assert [each.name for each in figures(GOOD)] == NAMES
    assert [each.title[:6] for each in figures(GOOD)] == ["Fig. 4", "Fig. 5", "Fig. 6", "Fig. 7", "Fig. 8"]


@pytest.mark.parametrize("x", ["units", "seconds"])
def test_both_views_have_the_same_figures_and_name_their_axis(x: View) -> None:
    assert [each.name for each in figures(GOOD, x)] == NAMES
    assert {("time" in each.x_label) for each in figures(GOOD, x)} == {x == "seconds"}


@pytest.mark.parametrize("x", ["units", "seconds"])
@pytest.mark.parametrize("length", [0, 1, 12, 20, 40])
def test_any_part_of_a_history_has_figures(length: int, x: View) -> None:
    assert len(figures(replace(GOOD, records=GOOD.records[:length]), x)) == 5


@pytest.mark.parametrize("x", ["units", "seconds"])
def test_all_points_of_a_curve_have_both_coordinates(x: View) -> None:
    for figure in figures(GOOD, x):
        assert all(len(each.x) == len(each.y) > 0 for each in figure.series)
        assert all(len(each.x) == len(each.low) == len(each.high) > 0 for each in figure.bands)


# the paper's numbers


def test_the_papers_ranges_and_means_are_in_the_figures() -> None:
    (payments,), (ether,) = drawn(OF_THE_PAPER, "fig7-payments").references, drawn(OF_THE_PAPER, "fig8-eth").references
    assert (payments.low, payments.value, payments.high) == (3, 9.4, 16)
    assert (ether.low, ether.value, ether.high) == (0.0005, 0.003, 0.0068)


def test_the_papers_levels_are_in_the_figures() -> None:
    assert [each.value for each in drawn(OF_THE_PAPER, "fig5-success-rate").references] == [0.2]
    assert [each.value for each in drawn(OF_THE_PAPER, "fig4-work-types").references] == [0.5]


def test_the_papers_ranges_are_in_sight_however_little_the_peers_paid() -> None:
    for name, most in (("fig7-payments", 16), ("fig8-eth", 0.0068)):
        assert (drawn(OF_THE_PAPER, name).y_range or (0, 0))[1] > most


def test_another_session_is_not_compared_with_the_paper() -> None:
    assert not any(figure.references for history in (GOOD, EMPTY) for figure in figures(history))


def test_shares_of_the_whole_are_read_from_0_to_1_and_accuracy_where_it_is() -> None:
    assert drawn(GOOD, "fig4-work-types").y_range == (0, 1)
    assert drawn(GOOD, "fig6-accuracy").y_range is None


def test_the_outcome_of_a_session_uses_the_terms_of_the_papers_numbers() -> None:
    assert {each.name: each.outcome for each in figures(GOOD)} == {
        "fig4-work-types": "100% training up to the last slice",
        "fig5-success-rate": "75.0% at the end",
        "fig6-accuracy": "test 71.0%, validation 74.0%",
        "fig7-payments": "0\N{EN DASH}1, mean 0.7",
        "fig8-eth": "0.0000\N{EN DASH}0.0027, mean 0.0015",
    }


# Figure 4


def shares(figure: Figure, x: float) -> dict[str, float]:
    return {band.label: band.high[band.x.index(x)] - band.low[band.x.index(x)] for band in figure.bands}


TURNS: list[tuple[float, str, Fact]] = [
    *((float(unit), "ann", trained() if unit % 2 else averaged(False)) for unit in range(1, 9)),
    *((float(unit), "bob", trained() if unit % 2 else averaged(False)) for unit in range(1, 5)),
]


def test_turns_of_training_and_averaging_are_equal_shares_without_ripples() -> None:
    figure = drawn(told(*TURNS), "fig4-work-types")
    for x in (1.0, 2.0):
        assert shares(figure, x) == pytest.approx({"training": 0.5, "averaging": 0.5, "finished": 0.0})


def test_who_has_finished_is_carried_forward() -> None:
    figure = drawn(told(*TURNS), "fig4-work-types")
    assert shares(figure, 6.0) == pytest.approx({"training": 0.25, "averaging": 0.25, "finished": 0.5})


def test_the_shares_reach_from_the_first_point_of_the_axis_to_the_last() -> None:
    (*_, finished) = drawn(told(*TURNS), "fig4-work-types").bands
    assert (finished.x[0], finished.x[-1]) == (0.0, 8.0)
    assert (finished.low[0], finished.low[-1]) == (finished.low[1], finished.low[-2])


@pytest.mark.parametrize("x", ["units", "seconds"])
def test_the_shares_of_all_kinds_of_work_are_the_whole(x: View) -> None:
    figure = drawn(told(*TURNS), "fig4-work-types", x)
    assert all(band.solid for band in figure.bands)
    assert figure.bands[0].low == (0.0,) * len(figure.bands[0].x)
    assert figure.bands[-1].high == pytest.approx((1.0,) * len(figure.bands[0].x))


def test_over_seconds_a_share_is_what_peers_are_at_in_those_seconds() -> None:
    history = told((10.0, "ann", trained()), (20.0, "ann", averaged(False)), (40.0, "bob", trained()))
    figure = drawn(history, "fig4-work-types", "seconds")
    assert shares(figure, 5.0) == pytest.approx({"training": 1.0, "averaging": 0.0, "finished": 0.0})
    assert shares(figure, 15.0) == pytest.approx({"training": 0.5, "averaging": 0.5, "finished": 0.0})
    assert shares(figure, 30.0) == pytest.approx({"training": 0.5, "averaging": 0.0, "finished": 0.5})


def test_the_first_phase_ends_with_each_peers_last_slice() -> None:
    later = [(float(at), "ann", averaged(False)) for at in range(9, 30)]
    assert first_phase_shares(told(*TURNS, *later)) == pytest.approx(((4 / 7 + 2 / 3) / 2, (3 / 7 + 1 / 3) / 2))


def test_a_peer_that_never_trains_has_no_first_phase() -> None:
    assert first_phase_shares(told((1.0, "ann", averaged(False)))) == (0.0, 0.0)


def test_cheats_are_not_in_the_first_phase() -> None:
    assert first_phase_shares(told(*TURNS, (1.0, "dan", trained()))) == first_phase_shares(told(*TURNS))


# Figure 5


def test_the_success_rate_is_the_mean_over_peers_with_the_finished_carried_forward() -> None:
    history = told(
        (1.0, "ann", averaged(True)),
        (2.0, "ann", averaged(False)),
        (3.0, "ann", trained()),
        (4.0, "ann", averaged(False)),
        (1.0, "bob", averaged(True)),
        (1.0, "dan", averaged(False)),
    )
    (series,) = drawn(history, "fig5-success-rate").series
    assert series.x == (1.0, 2.0, 3.0, 4.0)
    assert series.y == pytest.approx((1.0, (1 / 2 + 1) / 2, (1 / 2 + 1) / 2, (1 / 3 + 1) / 2))


def test_the_end_of_the_curve_is_the_success_rate_of_the_verdict() -> None:
    (series,) = drawn(GOOD, "fig5-success-rate").series
    assert series.y[-1] == summary(GOOD)["averaging_success_rate"]


# Figure 6


def evaluated(correct: int, cid: str = "bm") -> Evaluated:
    return Evaluated(Cid(cid), 1, score(correct))


def test_a_model_counts_from_the_moment_it_was_made_whenever_it_was_evaluated() -> None:
    history = told(
        (1.0, "ann", trained(700, "b1")),
        (2.0, "ann", averaged(True, 720, "b2")),
        (3.0, "ann", trained(730, "b3")),
        (90.0, "ann", evaluated(710, "b3")),
        (91.0, "ann", evaluated(690, "b1")),
    )
    test, validation = drawn(history, "fig6-accuracy").series
    assert (test.x, test.y) == ((1.0, 2.0, 3.0), (0.69, 0.69, 0.71))
    assert validation.y == (0.70, 0.72, 0.73)
    assert validation.dotted and not test.dotted


def test_the_band_of_test_accuracy_spans_the_peers() -> None:
    history = told(
        (1.0, "ann", trained(cid="b1")),
        (1.0, "bob", trained(cid="b2")),
        (2.0, "ann", evaluated(700, "b1")),
        (2.0, "bob", evaluated(600, "b2")),
    )
    figure = drawn(history, "fig6-accuracy")
    assert (figure.bands[0].low, figure.bands[0].high) == ((0.6,), (0.7,))
    assert figure.series[0].y == pytest.approx((0.65,))


def test_a_peer_evaluated_at_the_end_alone_does_not_bend_the_curve_of_those_followed() -> None:
    history = told(
        (1.0, "ann", trained(cid="b1")),
        (2.0, "ann", trained(cid="b2")),
        (1.0, "bob", trained(cid="b3")),
        (2.0, "ann", evaluated(700, "b1")),
        (2.0, "ann", evaluated(710, "b2")),
        (2.0, "bob", evaluated(100, "b3")),
    )
    assert drawn(history, "fig6-accuracy").series[0].y == (0.7, 0.71)


def test_a_dropped_average_is_nobodys_model() -> None:
    history = told((1.0, "ann", trained(700)), (2.0, "ann", averaged(False, 500)))
    assert drawn(history, "fig6-accuracy").series[1].y == (0.7, 0.7)


# Figures 7 and 8


def test_a_payment_counts_when_its_debt_became_final() -> None:
    """bob pays in his third unit at the latest; eve never pays; ann's units end before her payment is final."""
    figure = drawn(GOOD, "fig7-payments")
    assert low_mean_high(figure, 0.0) == (0, 0, 0)
    assert low_mean_high(figure, 3.0) == (0, pytest.approx(2 / 3), 1)


def test_amounts_are_in_eth() -> None:
    assert low_mean_high(drawn(GOOD, "fig8-eth"), 3.0) == (0, pytest.approx(0.0044 / 3), pytest.approx(0.00275))


def test_the_end_of_the_curves_is_the_summary_of_the_verdict() -> None:
    for name, key in (("fig7-payments", "payments_per_peer"), ("fig8-eth", "eth_sent_per_peer")):
        for x in ("units", "seconds"):
            figure = drawn(GOOD, name, x)
            spread = low_mean_high(figure, figure.series[0].x[-1])
            assert spread == pytest.approx(tuple(summary(GOOD)[key].values()))


def test_a_payment_that_a_rollback_undid_counts_from_when_it_was_final_again() -> None:
    times = [time for time, change in GOOD.debts["bob", 0] if change.state is DebtState.FINAL]
    series = drawn(GOOD, "fig7-payments", "seconds").series[0]
    between = [y for x, y in zip(series.x, series.y, strict=True) if times[0] <= x < times[1] - 1]
    assert between and set(between) == {0.0}


def test_a_debt_that_did_not_stay_final_is_no_payment() -> None:
    last = fact_is("ann", DebtChanged, debt=0, state=DebtState.FINAL)
    declined = replace(GOOD.debts["ann", 0][-1][1], state=DebtState.DECLINED)
    assert low_mean_high(drawn(followed_by(last, declined), "fig7-payments"), 3.0)[1] == pytest.approx(1 / 3)


def test_what_cheats_pay_is_not_in_the_figures() -> None:
    cat = fact_is("cat", DebtChanged, state=DebtState.DECLINED)
    assert drawn(amended(cat, state=DebtState.FINAL, payee=WALLET["bob"]), "fig7-payments") == drawn(
        GOOD, "fig7-payments"
    )


# data


def test_the_data_of_a_figure_is_what_its_curves_and_ranges_are_drawn_from() -> None:
    figure = drawn(GOOD, "fig7-payments")
    heads, rows = figure_table(figure)
    assert heads == [figure.x_label, "mean of peers", "minimum to maximum: low", "minimum to maximum: high"]
    (mean,), (band,) = figure.series, figure.bands
    assert [tuple(row) for row in rows] == list(zip(mean.x, mean.y, band.low, band.high, strict=True))


def test_the_shares_of_a_whole_are_their_heights() -> None:
    heads, rows = figure_table(drawn(GOOD, "fig4-work-types"))
    assert heads[1:] == ["training", "averaging", "finished"]
    assert [sum(share or 0 for share in row[1:]) for row in rows] == pytest.approx([1.0] * len(rows))


def test_a_curve_without_a_value_somewhere_has_an_empty_cell() -> None:
    curves = Series("a", "", (0.0, 1.0), (5.0, 6.0)), Series("b", "", (1.0,), (7.0,))
    assert figure_table(Figure("", "", "x", "y", curves)) == (["x", "a", "b"], [[0.0, 5.0, None], [1.0, 6.0, 7.0]])


# pictures


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    pytest.importorskip("matplotlib")
    return tmp_path


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize(("suffix", "magic"), [(".png", b"\x89PNG"), (".svg", b"<?xml"), (".pdf", b"%PDF")])
def test_every_figure_is_drawn_in_every_format(folder: Path, name: str, suffix: str, magic: bytes) -> None:
    path = folder / f"{name}{suffix}"
    draw(drawn(GOOD, name), path)
    assert path.read_bytes().startswith(magic)


def test_the_same_figure_gives_the_same_bytes(folder: Path) -> None:
    for suffix in (".png", ".svg", ".pdf"):
        paths = [folder / f"{name}{suffix}" for name in ("once", "twice")]
        for path in paths:
            draw(drawn(GOOD, "fig6-accuracy"), path)
        assert paths[0].read_bytes() == paths[1].read_bytes()


def test_a_session_without_anything_still_has_pictures(folder: Path) -> None:
    for figure in figures(EMPTY):
        draw(figure, folder / f"{figure.name}.png")
    assert len(list(folder.iterdir())) == 5


def test_a_picture_says_its_title_its_axes_and_what_the_paper_says(folder: Path) -> None:
    figure = drawn(OF_THE_PAPER, "fig7-payments")
    draw(figure, folder / "figure.svg")
    picture = (folder / "figure.svg").read_text()
    for text in (figure.title, figure.x_label, figure.y_label, "mean of peers", "minimum to maximum", "mean 9.4"):
        assert text in picture
    assert f"this run: {figure.outcome}" in picture


@pytest.mark.parametrize("size", [(2.5, 2.0), (3.5, 2.5), (8.0, 4.5)])
def test_a_picture_has_its_size_and_its_words_fit_into_it(folder: Path, size: tuple[float, float]) -> None:
    from matplotlib.text import Text

    with warnings.catch_warnings():
        warnings.simplefilter("error")  # matplotlib warns where the words leave no room for the curves
        for figure in figures(OF_THE_PAPER):
            canvas = canvas_of(figure, Look(size))
            canvas.savefig(folder / "figure.png", dpi=100)
            words = [
                text.get_window_extent() for text in canvas.findobj(Text) if text.get_visible() and text.get_text()
            ]
            assert tuple(canvas.get_size_inches()) == size
            assert all(-2 <= box.x0 and box.x1 <= 100 * size[0] + 2 for box in words), figure.name


def test_a_picture_without_a_title_names_no_result(folder: Path) -> None:
    figure = drawn(GOOD, "fig7-payments")
    draw(figure, folder / "figure.svg", Look(title=False))
    picture = (folder / "figure.svg").read_text()
    assert figure.x_label in picture and figure.title not in picture and "this run" not in picture


@pytest.mark.parametrize("history", [GOOD, EMPTY])
def test_the_overview_has_all_figures_and_their_outcomes(folder: Path, history: History) -> None:
    overview(figures(history), folder / "overview.svg")
    picture = (folder / "overview.svg").read_text()
    for figure in figures(history):
        assert picture.count(figure.title) == 2
        assert f"this run: {figure.outcome or 'no data'}" in picture


def test_a_figure_of_curves_alone_needs_nothing_else(folder: Path) -> None:
    series = Series("", "#000000", (0.0, 1.0), (0.0, 1.0))
    draw(Figure("bare", "Bare", "x", "y", (series,)), folder / "bare.png")
    assert (folder / "bare.png").exists()
