"""The multilayer perceptron: peers are computed together as batched matrices.

Its tensors are "0.bias", "0.weight", "2.bias", ... (names of ``torch.nn.Sequential``, shapes of ``Linear``).  P stacked
peers become a bias (P, 1, O) and a matrix (P, I, O) per layer, and a layer is one ``baddbmm``.  Both are padded if O is
less than ``MIN_WIDTH``.

Shapes: P peers, B rows, F features, I inputs and O outputs of a layer, C classes, T parameters.
"""

import math
from collections.abc import Callable
from dataclasses import dataclass
from functools import cache, cached_property

import torch
from torch import Tensor
from torch.nn import functional

from learnae.errors import InputError
from learnae.learn.batched_optimizers import Optimizer, OptimizerSettings, Update
from learnae.learn.losses import GRADIENTS, loss_gradient
from learnae.learn.network import LossGradient, ModelView, Network, Tensors, WeightsInTraining
from learnae.learn.torchscript import compiled

MIN_WIDTH = 16  # outputs: a narrower batched product takes more than twice as long as one of this width

Layer = tuple[Tensor, Tensor]  # bias (P, 1, O) and weight (P, I, O), both padded
Steps = Callable[..., int]


@dataclass(frozen=True)
class Mlp(Network):
    """Fully connected layers with ReLU between them."""

    layers: tuple[int, ...]  # (F, hidden ..., C)

    @property
    def widths(self) -> tuple[int, ...]:
        return self.layers

    @cached_property
    def shapes(self) -> dict[str, tuple[int, ...]]:
        named: dict[str, tuple[int, ...]] = {}
        for i, (inputs, outputs) in enumerate(self._pairs):
            named[f"{2 * i}.weight"] = (outputs, inputs)
            named[f"{2 * i}.bias"] = (outputs,)
        return dict(sorted(named.items()))

    @property
    def trained(self) -> tuple[str, ...]:
        return tuple(self.shapes)

    def random_weights(self, generator: torch.Generator) -> Tensor:
        """Initial weights (T,), distributed as in ``torch.nn.Linear``: uniform within 1 / sqrt(I).

        Scaled in float64, because the bits of ``uniform_(-bound, bound)`` depend on the processor, and they are part of
        the session's id.
        """
        flat = torch.empty(self.size)
        for name, tensor in self.tensors(flat).items():
            bound = torch.tensor(1 / math.sqrt(self.layers[int(name.split(".")[0]) // 2])).double()
            tensor.copy_(torch.rand(tensor.shape, generator=generator).double() * (2 * bound) - bound)
        return flat

    def stacked(self, flat: Tensor) -> Tensors:
        parts = dict(zip(self.shapes, torch.split(flat, self.sizes, dim=1), strict=True))
        stacked: Tensors = {}
        for i, (inputs, outputs) in enumerate(self._pairs):
            weight = parts[f"{2 * i}.weight"].reshape(-1, outputs, inputs)  # (P, O, I)
            stacked[f"{2 * i}.bias"] = _padded(parts[f"{2 * i}.bias"].unsqueeze(1)).contiguous()  # (P, 1, O)
            stacked[f"{2 * i}.weight"] = _padded(weight.transpose(1, 2)).contiguous()  # (P, I, O)
        return stacked

    def flat(self, tensors: Tensors) -> Tensor:
        parts = [tensors[name][..., : shape[0]] for name, shape in self.shapes.items()]  # without the padding
        return torch.cat([part.transpose(1, 2).flatten(1) for part in parts], dim=1)

    def logits(self, tensors: Tensors, x: Tensor, training: bool = False) -> Tensor:
        return _outputs(x, self.stacked_layers(tensors), list(self.layers[1:]))[-1]

    def in_training(self, flat: Tensor, settings: OptimizerSettings, compiled: bool) -> "MlpInTraining":
        return MlpInTraining(self, flat, settings, compiled)

    def stacked_layers(self, tensors: Tensors) -> "list[Layer]":
        return [(tensors[f"{2 * i}.bias"], tensors[f"{2 * i}.weight"]) for i in range(len(self.layers) - 1)]

    @property
    def _pairs(self) -> list[tuple[int, int]]:
        return list(zip(self.layers, self.layers[1:], strict=False))


class MlpInTraining(WeightsInTraining):
    """All weights are one tensor, and so are their gradients: at this size, the number of operations is what counts.

    The gradients of the padding are 0, so the padding stays 0.
    """

    def __init__(self, network: Mlp, flat: Tensor, settings: OptimizerSettings, compiled: bool) -> None:
        self.padded, self._tensors = _joined(network.stacked(flat))
        self._gradient, gradients = _joined(self._tensors)
        self._network, self._settings, self._optimizer = network, settings, Optimizer([self.padded], settings)
        self._layers, self._gradients = network.stacked_layers(self._tensors), network.stacked_layers(gradients)
        make = _compiled_steps if compiled and settings.loss in GRADIENTS else _steps
        self._steps = make(loss_gradient(settings.loss), self._optimizer.update)

    def train(self, x: Tensor, y: Tensor) -> None:
        settings, optimizer = self._settings, self._optimizer
        optimizer.steps = self._steps(
            x,
            y,
            settings.batch,
            self._layers,
            list(self._network.layers[1:]),
            self._gradients,
            self._gradient,
            optimizer.weights,
            optimizer.state,
            optimizer.steps,
            settings.learning_rate,
            settings.momentum,
        )

    def flat(self) -> Tensor:
        return self._network.flat(self._tensors)


def _outputs(x: Tensor, layers: list[Layer], widths: list[int]) -> list[Tensor]:
    """Rows (P, B, I), then the outputs (P, B, O) of each layer."""
    outputs = [x]
    for i, (bias, weight) in enumerate(layers):
        products = torch.baddbmm(bias, outputs[i], weight)
        if widths[i] < products.shape[2]:
            products = products[..., : widths[i]]
        hidden = i + 1 < len(layers)
        outputs.append(products.relu_() if hidden else products)  # in place: the gradient of baddbmm needs no output
    return outputs


def _steps(loss_gradient: LossGradient, update: Update) -> Steps:
    """A function that trains, written so that TorchScript can compile it.

    It computes gradients with autograd's operations in the same order: the same bits without autograd's overhead.
    """

    def steps(
        x: Tensor,
        y: Tensor,
        batch: int,
        layers: list[tuple[Tensor, Tensor]],
        widths: list[int],
        gradients: list[tuple[Tensor, Tensor]],  # the parts of ``joined_gradients``
        joined_gradients: Tensor,
        weights: list[Tensor],
        state: list[list[Tensor]],
        step: int,
        rate: float,
        momentum: float,
    ) -> int:
        """Returns the number of the last step."""
        batches, labels = torch.split(x, batch, 1), torch.split(y, batch, 1)
        for i in range(len(batches)):
            inputs = _outputs(batches[i].contiguous(), layers, widths)
            gradient = _padded(loss_gradient(inputs.pop(), labels[i].contiguous()))
            for layer in range(len(layers) - 1, -1, -1):
                below = inputs.pop()
                torch.sum(gradient, 1, keepdim=True, out=gradients[layer][0])
                torch.bmm(below.transpose(1, 2), gradient, out=gradients[layer][1])
                if layer > 0:
                    gradient = torch.bmm(gradient, layers[layer][1].transpose(1, 2))
                    torch.ops.aten.threshold_backward(gradient, below, 0, grad_input=gradient)  # that of ReLU
                    gradient = _padded(gradient)
            step += 1
            update(weights, [joined_gradients], state, step, rate, momentum)
        return step

    return steps


@cache
def _compiled_steps(loss_gradient: LossGradient, update: Update) -> Steps:
    return compiled(_steps(loss_gradient, update))


def mlp(view: ModelView) -> Mlp:
    """Fully connected layers of the widths in model.hidden, with ReLU between them."""
    if any(width < 1 for width in view.hidden):
        raise InputError(f"model.hidden = {list(view.hidden)}: each layer needs one unit or more")
    return Mlp((view.features, *view.hidden, view.classes))


def _padded(tensor: Tensor, width: int = MIN_WIDTH) -> Tensor:
    """(P, B, O), where O is ``width`` or more."""
    missing = width - tensor.shape[2]
    return functional.pad(tensor, [0, missing]) if missing > 0 else tensor


def _joined(tensors: Tensors) -> tuple[Tensor, Tensors]:
    """All numbers in one tensor, and the named tensors as views of it."""
    joined = torch.cat([tensor.flatten() for tensor in tensors.values()])
    parts = torch.split(joined, [tensor.numel() for tensor in tensors.values()])
    return joined, {name: part.view(tensors[name].shape) for name, part in zip(tensors, parts, strict=True)}
