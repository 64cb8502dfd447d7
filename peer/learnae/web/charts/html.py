"""HTML that cannot forget to escape: what is not ``Html`` already is text."""

from collections.abc import Iterable, Sequence
from html import escape

VOID = {"input", "meta", "link"}


class Html(str):
    """Text that is HTML."""


def text(value: object) -> Html:
    return value if isinstance(value, Html) else Html(escape(str(value)))


def join(parts: Iterable[object]) -> Html:
    return Html("".join(map(text, parts)))


def h(name: str, /, *children: object, **attributes: object) -> Html:
    """An element.  ``class_`` is class, ``data_x`` is data-x; True is an attribute alone, False and None are none."""
    told = [
        f" {key.strip('_').replace('_', '-')}" + ("" if value is True else f'="{escape(str(value))}"')
        for key, value in attributes.items()
        if value is not None and value is not False
    ]
    start = f"<{name}{''.join(told)}>"
    return Html(start if name in VOID else f"{start}{join(children)}</{name}>")


def table(heads: Sequence[object], rows: Iterable[Sequence[object]], caption: str, words: Sequence[int] = ()) -> Html:
    """The first column heads its row; the others are numbers, except ``words``, the columns of text.

    The caption is for those who do not see where the table stands.  A table that is too wide scrolls by itself.
    """

    def of(column: int) -> str | None:
        return "words" if column in words else None

    head = h("tr", *(h("th", each, scope="col", class_=of(column)) for column, each in enumerate(heads)))
    body = [
        h("tr", h("th", first, scope="row"), *(h("td", each, class_=of(column)) for column, each in enumerate(rest, 1)))
        for first, *rest in rows
    ]
    grid = h("table", h("caption", caption, class_="unseen"), h("thead", head), h("tbody", *body))
    return h("div", grid, class_="wide", tabindex=0, role="region", aria_label=caption)
