"""What the sections of the page are made of."""

from collections.abc import Iterable

from learnae.web.charts.html import Html, h
from learnae.web.charts.plotly_layout import Chart
from learnae.web.charts.theme import CLASS

Charts = dict[str, Chart]  # what a section draws, by the name its frame gives

SIGNS = {"valid": "\N{CHECK MARK}", "invalid": "\N{BALLOT X}", "unknown": "?"}


def badge(result: str) -> Html:
    return h("strong", f"{SIGNS.get(result, '')} {result}", class_=f"badge {result if result in SIGNS else 'unknown'}")


def section(anchor: str, title: str, *content: object) -> Html:
    heading = f"{anchor}-title"
    return h("section", h("h2", title, id=heading), *content, id=anchor, aria_labelledby=heading)


def details(summary: str, *content: object, open: bool = False) -> Html:
    return h("details", h("summary", summary), *content, open=open)


def plot(chart: str, title: str, caption: object, axes: str, legend: Html, kind: str = "", **data: object) -> Html:
    """A chart's frame.  What it shows is said in words for those who do not see it."""
    return h(
        "figure",
        h("h3", title),
        legend,
        h("p", axes, class_="axis") if axes else Html(""),
        h("div", class_=f"plot {kind}".strip(), data_chart=chart, role="img", aria_label=title, **data),
        h("figcaption", caption),
    )


def legend(entries: Iterable[tuple[str, str, str]]) -> Html:
    """(label, colour, how it is drawn)"""
    items = [
        h("li", h("i", class_=f"{drawn} c-{CLASS[colour]}", aria_hidden="true"), label)
        for label, colour, drawn in entries
    ]
    return h("ul", *items, class_="legend")


def percentage_points(accuracy: float) -> str:
    return f"{100 * accuracy:+.2f} pp"
