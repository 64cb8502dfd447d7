"""HTML that is always escaped: every value that is not ``Html`` is treated as text."""

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
    """An element: ``class_`` is class, ``data_x`` data-x; True is a bare attribute, False and None are left out."""
    written = [
        f" {key.strip('_').replace('_', '-')}" + ("" if value is True else f'="{escape(str(value))}"')
        for key, value in attributes.items()
        if value is not None and value is not False
    ]
    start = f"<{name}{''.join(written)}>"
    return Html(start if name in VOID else f"{start}{join(children)}</{name}>")


def table(heads: Sequence[object], rows: Iterable[Sequence[object]], caption: str, words: Sequence[int] = ()) -> Html:
    """A table whose first column heads each row; ``words`` are the columns of text, all others hold numbers.

    The caption is for screen readers.  A table that is too wide scrolls by itself.
    """

    def column_class(column: int) -> str | None:
        return "words" if column in words else None

    head = h("tr", *(h("th", name, scope="col", class_=column_class(column)) for column, name in enumerate(heads)))
    body = [
        h(
            "tr",
            h("th", first, scope="row"),
            *(h("td", cell, class_=column_class(column)) for column, cell in enumerate(rest, 1)),
        )
        for first, *rest in rows
    ]
    grid = h("table", h("caption", caption, class_="unseen"), h("thead", head), h("tbody", *body))
    return h("div", grid, class_="wide", tabindex=0, role="region", aria_label=caption)
