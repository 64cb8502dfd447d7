"""Pages of a session whose models are scored by another metric than accuracy name that metric."""

import re
from functools import cache
from html import unescape

from learnae.analysis.metric_words import in_metric
from learnae.web.charts.components import placeholder
from learnae.web.charts.html import Html

TEXT = re.compile(r">([^<]+)<")  # between two tags


def with_metric(html: Html, metric: str) -> Html:
    """The same elements; where their texts call the score of a model its accuracy, they name the metric."""
    return Html(TEXT.sub(lambda text: in_metric(text[0], metric), html))


def with_placeholders(html: Html) -> Html:
    """The same elements for a page that learns the metric later: each text with such a word is its own placeholder."""

    def placed(match: re.Match[str]) -> str:
        text = unescape(match[1])
        return f">{placeholder(text, text)}<" if _speaks_of_accuracy(text) else match[0]

    return Html(TEXT.sub(placed, html))


@cache
def accuracy_texts(html: str) -> list[str]:
    """The names of these placeholders."""
    return [text for text in map(unescape, TEXT.findall(html)) if _speaks_of_accuracy(text)]


# private


def _speaks_of_accuracy(text: str) -> bool:
    return in_metric(text, "score") != text
