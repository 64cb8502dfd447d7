"""What the pool, the trainer and the blocks know about a network: named tensors, and logits of stacked peers.

The weights of a peer are one float32 vector (T,): its tensors in the order of their names, as safetensors stores them
in a block.  P peers of equal shape compute together, with one stacked tensor (P, ...) per name.

Shapes: P peers, B rows, F features, C classes, T parameters.
"""

import math
from abc import ABC, abstractmethod
from collections.abc import Callable
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass
from functools import cached_property
from typing import Protocol

import torch
from torch import Tensor

from learnae.learn.batched_optimizers import OptimizerSettings

Tensors = dict[str, Tensor]  # by name, stacked over peers
LossGradient = Callable[[Tensor, Tensor], Tensor]  # logits (P, B, C), labels (P, B) -> gradient of the loss (P, B, C)

MAX_JOBS = 24  # peers that compute together: more are no faster
MAX_JOBS_BYTES = 64 << 20  # of their weights


@dataclass(frozen=True)
class ModelView:
    """What the factory of a model receives: the shape of the data, and the setting ``model.hidden``."""

    features: int  # numbers per row
    classes: int  # or 1, if a label is a number
    shape: tuple[int, ...]  # of a row, such as (8, 8) for an image; (features,) for a table
    hidden: tuple[int, ...]


class WeightsInTraining(Protocol):
    """Weights of P peers and their optimizer.  Used with gradient recording disabled."""

    def train(self, x: Tensor, y: Tensor) -> None:
        """One step per batch of rows: features (P, B, F) and labels (P, B), where the last batch may be smaller."""
        ...

    def flat(self) -> Tensor:
        """The weights as they are now (P, T)."""
        ...


class Network(ABC):
    min_rows = 1  # of a training step; a smaller one is left out
    notice: str | None = None  # one sentence to print

    @property
    @abstractmethod
    def widths(self) -> tuple[int, ...]:
        """Numbers of features, of units in hidden layers as far as it is known, and of classes."""

    @property
    @abstractmethod
    def shapes(self) -> dict[str, tuple[int, ...]]:
        """Shape of each tensor, in the order of the flat vector."""

    @property
    @abstractmethod
    def trained(self) -> tuple[str, ...]:
        """The names of the stacked tensors that training changes by their gradients."""

    @abstractmethod
    def random_weights(self, generator: torch.Generator) -> Tensor:
        """Initial weights (T,)."""

    @abstractmethod
    def stacked(self, flat: Tensor) -> Tensors:
        """Tensors to compute with, copied from (P, T)."""

    @abstractmethod
    def flat(self, tensors: Tensors) -> Tensor:
        """Stacked tensors copied back to (P, T)."""

    @abstractmethod
    def logits(self, tensors: Tensors, x: Tensor, training: bool = False) -> Tensor:
        """Logits (P, B, C) of rows (P, B, F)."""

    def in_training(self, flat: Tensor, settings: OptimizerSettings, compiled: bool) -> WeightsInTraining | None:
        """A copy of weights (P, T) that the network trains itself; None: autograd computes its gradients.

        ``compiled``: without Python's global lock, if the network can.
        """
        return None

    def randomness(self, seed: int) -> AbstractContextManager[None]:
        """Entered while a job trains, for networks that draw random numbers."""
        return nullcontext()

    @property
    def max_jobs(self) -> int:
        """Peers that compute together."""
        return max(1, min(MAX_JOBS, MAX_JOBS_BYTES // (4 * self.size)))

    @cached_property
    def sizes(self) -> list[int]:
        """Numbers in each tensor, in the order of the flat vector."""
        return [math.prod(shape) for shape in self.shapes.values()]

    @property
    def size(self) -> int:
        """T, the number of parameters."""
        return sum(self.sizes)

    def tensors(self, flat: Tensor) -> dict[str, Tensor]:
        """The named tensors of one flat vector (T,), as views."""
        parts = torch.split(flat, self.sizes)
        return {name: part.view(shape) for (name, shape), part in zip(self.shapes.items(), parts, strict=True)}
