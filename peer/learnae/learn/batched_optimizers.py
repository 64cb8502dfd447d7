"""SGD with momentum and Adam on stacked weights.

Both are elementwise, so one step on P stacked peers is one step of each peer.  The arithmetic equals ``torch.optim``
(a test compares them), whose overhead per step exceeds the arithmetic at this size.
"""

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Literal

import torch
from torch import Tensor

from learnae.session.settings import ModelSettings


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


Update = Callable[[list[Tensor], list[Tensor], list[list[Tensor]], int, float, float], None]


def sgd(
    weights: list[Tensor], gradients: list[Tensor], state: list[list[Tensor]], step: int, rate: float, momentum: float
) -> None:
    velocity = state[0]
    torch._foreach_mul_(velocity, momentum)
    torch._foreach_add_(velocity, gradients)
    torch._foreach_add_(weights, velocity, alpha=-rate)


def adam(
    weights: list[Tensor], gradients: list[Tensor], state: list[list[Tensor]], step: int, rate: float, momentum: float
) -> None:
    """With the defaults of torch.optim; ``momentum`` is a setting of SGD."""
    first, second, epsilon = 0.9, 0.999, 1e-8
    mean, square = state[0], state[1]
    torch._foreach_mul_(mean, first)
    torch._foreach_add_(mean, gradients, alpha=1 - first)
    torch._foreach_mul_(square, second)
    torch._foreach_addcmul_(square, gradients, gradients, 1 - second)
    scale = torch._foreach_sqrt(square)
    torch._foreach_div_(scale, math.sqrt(1 - second**step))
    torch._foreach_add_(scale, epsilon)
    torch._foreach_addcdiv_(weights, mean, scale, -rate / (1 - first**step))


# With the number of tensors that each keeps for a tensor of weights.  TorchScript compiles these functions.
OPTIMIZERS = {"sgd": (sgd, 1), "adam": (adam, 2)}


class Optimizer:
    """A fresh optimizer of these weights, which it changes in place; call it with gradient recording disabled."""

    def __init__(self, weights: list[Tensor], settings: OptimizerSettings) -> None:
        self.weights, self.settings, self.steps = weights, settings, 0
        self.update, kept = OPTIMIZERS[settings.optimizer]
        self.state = [[torch.zeros_like(weight) for weight in weights] for _ in range(kept)]

    def step(self, gradients: Sequence[Tensor]) -> None:
        self.steps += 1
        settings = self.settings
        self.update(self.weights, list(gradients), self.state, self.steps, settings.learning_rate, settings.momentum)
