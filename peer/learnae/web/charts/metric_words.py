"""Pages of a session whose models are scored by another metric than accuracy name that metric."""

import re

from learnae.records.history import History
from learnae.web.charts.html import Html

ACCURACY = "accuracy"
TEXT = re.compile(r">[^<]+<")  # between two tags


def metric_name(history: History) -> str:
    return history.session.score.name if history.session else ACCURACY


def with_metric(html: Html, metric: str) -> Html:
    """The same elements; where their texts call the score of a model its accuracy, they name the metric."""
    if metric == ACCURACY:
        return html
    words = {
        "accuracies": "scores",
        "Accuracies": "Scores",
        ACCURACY: metric,
        "Accuracy": metric[0].upper() + metric[1:],
    }
    pattern = re.compile(rf"\b({'|'.join(words)})\b")
    return Html(TEXT.sub(lambda text: pattern.sub(lambda word: words[word[0]], text[0]), html))
