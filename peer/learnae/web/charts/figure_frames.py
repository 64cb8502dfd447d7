"""Figures 4-8 on a page: a frame per figure, along work units or seconds, with caption and table."""

from collections.abc import Sequence

from learnae.analysis.figures import Figure, Series, ShadedBand, figures
from learnae.records.history import History
from learnae.web.charts.components import Charts, details, legend, placeholder, section
from learnae.web.charts.figure_charts import figure_chart
from learnae.web.charts.html import Html, h, join, table

TABLE_ROWS = 10


def figure_section(history: History, charts: Charts) -> Html:
    by_units, by_seconds = figures(history, "units"), figures(history, "seconds")
    for figure, timed in zip(by_units, by_seconds, strict=True):
        charts[figure.name], charts[f"{figure.name}-seconds"] = figure_chart(figure), figure_chart(timed)
    return figure_frames(by_units, by_seconds, with_tables=True)


def figure_frames(by_units: Sequence[Figure], by_seconds: Sequence[Figure], with_tables: bool) -> Html:
    """The page's script draws the charts."""
    frames = [_frame(*views, with_tables) for views in zip(by_units, by_seconds, strict=True)]
    choices = [
        h("label", h("input", type="radio", name="x", value=value, checked=value == "units"), f" {label}")
        for value, label in (("units", "work units per peer"), ("seconds", "seconds"))
    ]
    choice = h("fieldset", h("legend", "Horizontal axis:"), *choices, class_="choice needs-script")
    return section("figures", "Figures 4\N{EN DASH}8 of the paper", choice, h("div", *frames, class_="grid"))


def paper_statement(figure: Figure) -> str:
    """The paper's numbers as a sentence; empty if the figure has none."""
    numbers = [" ".join(reference.label.split()).removeprefix("the paper: ") for reference in figure.references]
    return " ".join(f"The paper: {number}." for number in numbers)


def _frame(figure: Figure, timed: Figure, with_table: bool) -> Html:
    caption = join(
        [
            h("b", "This run: "),
            placeholder(figure.name, figure.outcome or "no data"),
            ". ",
            placeholder(f"{figure.name}-paper", paper_statement(figure)),
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
            aria_label=f"{figure.title}. This run: {figure.outcome or 'no data'}.",
        ),
        h("p", figure.x_label, class_="axis below", data_units=figure.x_label, data_seconds=timed.x_label),
        h("figcaption", caption),
        details("As a table", _figure_table(figure)) if with_table else "",
    )


def _figure_table(figure: Figure) -> Html:
    """Values at evenly spaced points, including the last."""
    columns: list[Series | ShadedBand] = [*figure.series, *figure.bands]
    points = sorted({x for column in columns for x in column.x})
    step = max(1, len(points) // TABLE_ROWS)
    chosen = sorted({*points[::step], *points[-1:]})
    form = ".1%" if figure.percent else ".4g"
    rows = [(f"{x:.0f}", *(_value_at(column, x, form) for column in columns)) for x in chosen]
    return table((figure.x_label, *(column.label for column in columns)), rows, figure.title)


def _value_at(curve: Series | ShadedBand, x: float, form: str) -> str:
    if x not in curve.x:
        return "-"
    at = curve.x.index(x)
    if isinstance(curve, Series):
        return f"{curve.y[at]:{form}}"
    low, high = curve.low[at], curve.high[at]
    return f"{high - low:{form}}" if curve.solid else f"{low:{form}} to {high:{form}}"
