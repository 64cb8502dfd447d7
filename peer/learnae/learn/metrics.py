"""Metrics: what a model is worth on some rows, from 0 to 1, in exact fixed point: Eq. 1 and the checks stay exact.

Accuracy is a number of rows out of a number of rows.  Any other metric is rounded down to a millionth.
"""

import math
from collections.abc import Callable
from dataclasses import dataclass
from fractions import Fraction
from functools import cached_property
from math import fsum

import torch
from torch import Tensor

from learnae.plugins import Kind, PluginError, WrongTypeReturned, call, described, first_line, plain, plugin
from learnae.protocol.types import Score

ACCURACY = "accuracy"
SCALE = 1_000_000
LARGEST = 1e150  # numbers of which a sum of squares is finite


@dataclass(frozen=True, eq=False)
class Predictions:
    """What a metric depends on: n rows, each with its class and what the model says of each class."""

    labels: Tensor  # (n,) int64, from 0 to C - 1
    logits: Tensor  # (n, C) float32, finite

    @cached_property
    def outputs(self) -> Tensor:
        """A probability per class (n, C)."""
        return torch.softmax(self.logits, 1)

    @property
    def chosen(self) -> Tensor:
        """The most probable class of each row (n,)."""
        return self.outputs.argmax(1)

    @cached_property
    def classes(self) -> list[int]:
        """Those that occur in the rows."""
        return sorted(set(self.labels.tolist()))

    def log_odds(self, label: int) -> Tensor:
        """Of a class, per row (n,).  They still rank rows of which a model is so sure that probabilities are 1."""
        logits = self.logits.double()
        others = torch.cat([logits[:, :label], logits[:, label + 1 :]], dim=1)
        return (logits[:, label] - others.logsumexp(1)).float()


@dataclass(frozen=True, eq=False)
class Estimates:
    """What a metric depends on if labels are numbers: n rows, in the unit of the label."""

    labels: Tensor  # (n,) float64
    outputs: Tensor  # (n,) float64, finite: what the model says


def accuracy(seen: Predictions) -> Fraction:
    """The share of the rows that are classified correctly."""
    return Fraction(int((seen.chosen == seen.labels).sum()), len(seen.labels))


def f1(seen: Predictions) -> Fraction:
    """The mean F1 of the classes in the rows: rare classes count as much as frequent ones."""
    found = []
    for label in seen.classes:
        true, chosen = seen.labels == label, seen.chosen == label
        found.append(Fraction(2 * int((true & chosen).sum()), int(true.sum() + chosen.sum())))
    return Fraction(sum(found), len(found))


def auc(seen: Predictions) -> Fraction:
    """Area under the ROC curve: how often a row of a class is ranked above another row; the mean over the classes."""
    if len(seen.classes) < 2:
        return Fraction(1, 2)
    found = [_auc(seen.labels == label, seen.log_odds(label)) for label in seen.classes]
    return Fraction(sum(found), len(found))


def r2(seen: Estimates) -> Fraction:
    """R², the share of the labels' variance that the model explains; 0 for a model that is worse than their mean.

    It has no unit and is what scikit-learn's regressors are scored by, so that it can be compared; and on given rows
    it is higher exactly if the squared error is lower, which is what training minimises.  Sums are rounded once.
    Numbers too large to square are worth 0.
    """
    if not torch.cat((seen.labels, seen.outputs)).abs().max() < LARGEST:
        return Fraction(0)
    error = fsum(((seen.labels - seen.outputs) ** 2).tolist())
    variance = fsum(((seen.labels - fsum(seen.labels.tolist()) / len(seen.labels)) ** 2).tolist())
    if not variance:
        return Fraction(error == 0)
    return max(Fraction(0), 1 - Fraction(error) / Fraction(variance))


def measured(
    metric: str, labels: Tensor, outputs: Tensor, see: Callable[[Tensor, Tensor], Predictions | Estimates] = Predictions
) -> Score:
    """The score by a metric of labels (n,) and outputs (n, C); 0 if some are not finite.  Raises PluginError."""
    if not torch.isfinite(outputs).all():
        return Score(0, SCALE)
    function = plugin(Kind.METRICS, metric)
    value = call(metric, plain, call(metric, function, see(labels, outputs)))
    if type(value) not in (int, float, Fraction):
        error = f"returned {described(value)}: return an int, float or Fraction from 0 to 1"
        raise WrongTypeReturned(metric, first_line(function), error)
    if not 0 <= value <= 1:
        raise PluginError(metric, first_line(function), f"returned {described(value)}: return a number from 0 to 1")
    return Score(math.floor(Fraction(value) * SCALE), SCALE)


# private


def _auc(true: Tensor, ranked: Tensor) -> Fraction:
    """Exact: pairs that are ranked right, and half of those that are ranked alike, of all pairs."""
    _, place = torch.unique(ranked, return_inverse=True)
    positive, negative = (torch.bincount(place[rows], minlength=int(place.max()) + 1) for rows in (true, ~true))
    twice_below = 2 * (negative.cumsum(0) - negative) + negative
    return Fraction(int((positive * twice_below).sum()), 2 * int(positive.sum()) * int(negative.sum()))
