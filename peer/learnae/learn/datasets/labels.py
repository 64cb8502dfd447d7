"""What the labels of a dataset are: classes, or a quantity.  All that differs between the two is here.

A network has ``outputs`` per row: a logit per class, or the one number that it says the quantity is.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, ClassVar

import torch
from torch import Tensor

from learnae.errors import InputError
from learnae.learn.metrics import Estimates, Predictions

SMALLEST, LARGEST = 1e-100, 1e100  # deviation of labels, so that squares in their unit are exact enough


@dataclass(frozen=True)
class Classes:
    """Labels (R,) int64 from 0 to ``outputs`` - 1."""

    outputs: int = 2

    @property
    def statistics(self) -> dict[str, object]:
        return {"classes": self.outputs}

    def standardised(self, labels: Tensor, rows: Tensor) -> "tuple[Classes, Tensor]":
        return self, labels

    def seen(self, labels: Tensor, outputs: Tensor) -> Predictions:
        """What a metric sees."""
        return Predictions(labels, outputs)

    def answers(self, outputs: Tensor) -> list[list[float]]:
        """The probability of each class, for each row (B, C) of finite outputs."""
        found: list[list[float]] = torch.softmax(outputs, 1).tolist()
        return found

    def hint(self, labels: Tensor) -> str:
        """What these labels are worth without a model."""
        most = torch.bincount(labels).max().item() / len(labels)
        return f"For comparison: always naming the most frequent class is right in {most:.0%} of the test rows."


@dataclass(frozen=True)
class Quantity:
    """Labels (R,) float32 of mean 0 and deviation 1 over the training rows; float64 and as read before that.

    ``mean`` and ``std``, in the unit of the label, were subtracted and divided by.
    """

    mean: float = 0.0
    std: float = 1.0
    outputs: ClassVar[int] = 1

    @property
    def statistics(self) -> dict[str, object]:
        return {"classes": self.outputs, "label": {"mean": self.mean, "std": self.std}}

    def standardised(self, labels: Tensor, rows: Tensor) -> "tuple[Quantity, Tensor]":
        """Raises InputError."""
        std, mean = (number.item() for number in torch.std_mean(labels[rows], correction=0))
        if not SMALLEST < std < LARGEST:
            raise InputError(
                "the label has the same value in all training rows, or values that are too large or too close "
                "together: choose another one, or another unit"
            )
        return Quantity(mean, std), ((labels - mean) / std).float()

    def seen(self, labels: Tensor, outputs: Tensor) -> Estimates:
        """What a metric sees, in the unit of the label."""
        return Estimates(self._in_unit(labels), self._in_unit(outputs[:, 0]))

    def answers(self, outputs: Tensor) -> list[list[float]]:
        """The number itself, for each row (B, 1) of finite outputs."""
        found: list[list[float]] = self._in_unit(outputs).tolist()
        return found

    def hint(self, labels: Tensor) -> str:
        """What these labels are worth without a model."""
        std, mean = (number.item() for number in torch.std_mean(labels, correction=0))
        low, high = labels.min().item(), labels.max().item()
        return (
            f"In the test rows, the label is from {low:.4g} to {high:.4g}, with mean {mean:.4g} and standard "
            f"deviation {std:.4g}. For comparison: always naming that mean has an R² of 0."
        )

    def _in_unit(self, standardised: Tensor) -> Tensor:
        return standardised.double() * self.std + self.mean


Label = Classes | Quantity


def label_of(statistics: Mapping[str, Any]) -> Label:
    """The inverse of ``statistics``.  Raises KeyError, TypeError or ValueError."""
    if "label" not in statistics:
        return Classes(int(statistics["classes"]))
    return Quantity(float(statistics["label"]["mean"]), float(statistics["label"]["std"]))
