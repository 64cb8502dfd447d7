"""SGD with momentum and Adam on stacked weights.

Both are elementwise, so one step on P stacked peers is one step of each peer.  The arithmetic equals ``torch.optim``
(a test compares them), whose overhead per step exceeds the arithmetic at this size.
"""

import math
from collections.abc import Callable
from dataclasses import dataclass
from typing import Literal, Protocol

import torch
from torch import Tensor

from learnae.session.settings import ModelSettings

BETAS = (0.9, 0.999)  # of Adam, the defaults of torch.optim
EPSILON = 1e-8


@dataclass(frozen=True)
class OptimizerSettings:
    """How to train; jobs with equal settings can run together."""

    optimizer: Literal["sgd", "adam"]
    learning_rate: float
    momentum: float  # sgd only
    batch: int  # rows per step
    epochs: int
    loss: str = "cross-entropy"  # plug-in


def optimizer_settings(model: ModelSettings) -> OptimizerSettings:
    return OptimizerSettings(
        model.optimizer, model.learning_rate, model.momentum, model.batch, model.epochs, model.loss
    )


class Optimizer(Protocol):
    def step(self, gradients: tuple[Tensor, ...]) -> None:
        """Change the weights in place; call it with gradient recording disabled."""
        ...


class Sgd:
    def __init__(self, weights: list[Tensor], settings: OptimizerSettings) -> None:
        self.weights, self.settings = weights, settings
        self.velocity = [torch.zeros_like(weight) for weight in weights]

    def step(self, gradients: tuple[Tensor, ...]) -> None:
        torch._foreach_mul_(self.velocity, self.settings.momentum)
        torch._foreach_add_(self.velocity, gradients)
        torch._foreach_add_(self.weights, self.velocity, alpha=-self.settings.learning_rate)


class Adam:
    def __init__(self, weights: list[Tensor], settings: OptimizerSettings) -> None:
        self.weights, self.settings = weights, settings
        self.steps = 0
        self.mean = [torch.zeros_like(weight) for weight in weights]
        self.square = [torch.zeros_like(weight) for weight in weights]

    def step(self, gradients: tuple[Tensor, ...]) -> None:
        self.steps += 1
        first, second = BETAS
        torch._foreach_mul_(self.mean, first)
        torch._foreach_add_(self.mean, gradients, alpha=1 - first)
        torch._foreach_mul_(self.square, second)
        torch._foreach_addcmul_(self.square, gradients, gradients, 1 - second)
        scale = torch._foreach_sqrt(self.square)
        torch._foreach_div_(scale, math.sqrt(1 - second**self.steps))
        torch._foreach_add_(scale, EPSILON)
        rate = self.settings.learning_rate / (1 - first**self.steps)
        torch._foreach_addcdiv_(self.weights, self.mean, scale, -rate)


OPTIMIZERS: dict[str, Callable[[list[Tensor], OptimizerSettings], Optimizer]] = {"sgd": Sgd, "adam": Adam}


def create_optimizer(weights: list[Tensor], settings: OptimizerSettings) -> Optimizer:
    return OPTIMIZERS[settings.optimizer](weights, settings)
