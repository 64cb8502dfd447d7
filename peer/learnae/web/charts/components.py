"""Elements that sections of both pages are made of."""

from collections.abc import Iterable, Mapping

from learnae.web.charts.html import Html, h
from learnae.web.charts.plotly_layout import Chart
from learnae.web.charts.theme import CLASS
from learnae.web.session_text import RESULT_TEXTS

Charts = dict[str, Chart]  # the charts of a page, by the name of their frame

SIGNS = {"valid": "\N{CHECK MARK}", "invalid": "\N{BALLOT X}", "unknown": "?"}


def badge(result: str) -> Html:
    """The result of a check or of all checks."""
    known = result if result in SIGNS else "unknown"
    return h("strong", f"{SIGNS[known]} {RESULT_TEXTS[known]}", class_=f"badge {known}")


def contents(sections: Mapping[str, str]) -> Html:
    """Links to the sections of a page; ``sections``: title by anchor."""
    links = [h("li", h("a", title, href=f"#{anchor}")) for anchor, title in sections.items()]
    return h("nav", h("ul", *links), aria_label="Contents")


def head(title: str, *more: Html) -> Html:
    """The head of a page."""
    return h(
        "head",
        h("meta", charset="utf-8"),
        h("meta", name="viewport", content="width=device-width, initial-scale=1"),
        h("meta", name="color-scheme", content="light dark"),
        h("link", rel="icon", href="data:,"),
        h("title", title),
        *more,
    )


def section(anchor: str, title: str, *content: object) -> Html:
    heading = f"{anchor}-title"
    return h("section", h("h2", title, id=heading), *content, id=anchor, aria_labelledby=heading)


def details(summary: str, *content: object, open: bool = False) -> Html:
    return h("details", h("summary", summary), *content, open=open)


def placeholder(name: str, text: str = "") -> Html:
    """A text that the live page's script replaces."""
    return h("span", text, data_text=name)


def plot(chart: str, title: str, caption: object, axes: object, legend: object = "", kind: str = "") -> Html:
    """The frame of a chart.  The caption says what the chart shows, for those who do not see it."""
    return h(
        "figure",
        h("h3", title),
        legend,
        h("p", axes, class_="axis") if axes else "",
        h("div", class_=f"plot {kind}".strip(), data_chart=chart, role="img", aria_label=title),
        h("figcaption", caption),
    )


def legend(entries: Iterable[tuple[str, str, str]]) -> Html:
    """A legend of (label, colour, CSS class of the mark)."""
    items = [
        h("li", h("i", class_=f"{mark} c-{CLASS[colour]}", aria_hidden="true"), label)
        for label, colour, mark in entries
    ]
    return h("ul", *items, class_="legend")


def percentage_points(accuracy: float) -> str:
    return f"{100 * accuracy:+.2f} pp"
