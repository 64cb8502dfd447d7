"""Figures 4-8: each drawn, said and as a table, along work units or seconds."""

from collections.abc import Sequence

from learnae.analysis.figures import Figure, Series, ShadedBand, figures
from learnae.records.history import History
from learnae.web.charts.components import Charts, details, legend, section
from learnae.web.charts.figure_charts import figure_chart
from learnae.web.charts.html import Html, h, join, table

SAMPLES = 10  # rows of a figure's table


def figure_section(history: History, charts: Charts) -> Html:
    by_units, by_seconds = figures(history, "units"), figures(history, "seconds")
    for figure, timed in zip(by_units, by_seconds, strict=True):
        charts[figure.name], charts[f"{figure.name}-seconds"] = figure_chart(figure), figure_chart(timed)
    return figure_frames(by_units, by_seconds, tables=True)


def figure_frames(by_units: Sequence[Figure], by_seconds: Sequence[Figure], tables: bool) -> Html:
    """A frame for each figure; its chart is drawn by the page's script."""
    drawn = [_picture(*both, tables) for both in zip(by_units, by_seconds, strict=True)]
    choices = [
        h("label", h("input", type="radio", name="x", value=value, checked=value == "units"), f" {told}")
        for value, told in (("units", "work units per peer"), ("seconds", "seconds"))
    ]
    choice = h("fieldset", h("legend", "Along"), *choices, class_="choice needs-script")
    return section("figures", "Figures 4\N{EN DASH}8 of the paper", choice, h("div", *drawn, class_="grid"))


def _picture(figure: Figure, timed: Figure, tabled: bool) -> Html:
    stated = [" ".join(each.label.split()).removeprefix("the paper: ") for each in figure.references]
    caption = join(
        [
            h("b", "This run: "),
            h("span", figure.outcome or "nothing", data_said=figure.name),
            ". ",
            *(part for each in stated for part in (h("b", "The paper: "), f"{each}. ")),
        ]
    )
    bands = [(band.label, band.colour, "solid" if band.solid else "spread") for band in figure.bands]
    lines = [(line.label, line.colour, "dotted" if line.dotted else "line") for line in figure.series]
    return h(
        "figure",
        h("h3", figure.title),
        legend([*lines, *bands]),
        h("p", figure.y_label, class_="axis"),
        h(
            "div",
            class_="plot",
            data_chart=figure.name,
            data_seconds=f"{figure.name}-seconds",
            role="img",
            aria_label=f"{figure.title}. This run: {figure.outcome or 'nothing'}.",
        ),
        h("p", figure.x_label, class_="axis below", data_units=figure.x_label, data_seconds=timed.x_label),
        h("figcaption", caption),
        *([details("As a table", _samples(figure))] if tabled else []),
    )


def _samples(figure: Figure) -> Html:
    """A figure at some points, evenly apart, the last among them."""
    columns: list[Series | ShadedBand] = [*figure.series, *figure.bands]
    points = sorted({x for each in columns for x in each.x})
    step = max(1, len(points) // SAMPLES)
    chosen = sorted({*points[::step], *points[-1:]})
    form = ".1%" if figure.percent else ".4g"
    rows = [(f"{x:.0f}", *(_at(each, x, form) for each in columns)) for x in chosen]
    return table((figure.x_label, *(each.label for each in columns)), rows, figure.title)


def _at(drawn: Series | ShadedBand, x: float, form: str) -> str:
    if x not in drawn.x:
        return "-"
    at = drawn.x.index(x)
    if isinstance(drawn, Series):
        return f"{drawn.y[at]:{form}}"
    low, high = drawn.low[at], drawn.high[at]
    return f"{high - low:{form}}" if drawn.solid else f"{low:{form}} to {high:{form}}"
