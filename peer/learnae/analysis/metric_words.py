"""Texts about a session whose models are scored by another metric than accuracy name that metric."""

import re

from learnae.records.history import History

ACCURACY = "accuracy"


def metric_name(history: History) -> str:
    return history.session.score.name if history.session else ACCURACY


def in_metric(text: str, metric: str) -> str:
    """The same text; where it calls the score of a model its accuracy, it names the metric."""
    if "ccurac" not in text:  # the usual case, for each of thousands of texts
        return text
    words = {
        "accuracies": "scores",
        "Accuracies": "Scores",
        ACCURACY: metric,
        "Accuracy": metric[0].upper() + metric[1:],
    }
    return re.sub(rf"\b({'|'.join(words)})\b", lambda word: words[word[0]], text)
