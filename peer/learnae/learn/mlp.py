"""The multilayer perceptron: peers are computed together as batched matrices.

Its tensors are "0.bias", "0.weight", "2.bias", ... (names of ``torch.nn.Sequential``, shapes of ``Linear``).  P stacked
peers become a bias (P, 1, O) and a matrix (P, I, O) per layer, and a layer is one ``baddbmm``.  Both are padded if O is
less than ``MIN_WIDTH``.

Shapes: P peers, B rows, F features, I inputs and O outputs of a layer, C classes, T parameters.
"""

import math
from dataclasses import dataclass
from functools import cached_property
from typing import NamedTuple

import torch
from torch import Tensor
from torch.nn import functional

from learnae.errors import InputError
from learnae.learn.network import LossGradient, ModelView, Network, Tensors, WeightsInTraining

MIN_WIDTH = 16  # outputs: a narrower batched product takes more than twice as long as one of this width
_threshold_backward = torch.ops.aten.threshold_backward.grad_input  # the gradient of ReLU


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
        for layer in self.stacked_layers(tensors):
            x = layer.outputs(x)
        return x

    def in_training(self, flat: Tensor, loss_gradient: LossGradient) -> "MlpInTraining":
        return MlpInTraining(self, flat, loss_gradient)

    def stacked_layers(self, tensors: Tensors) -> "list[_Layer]":
        last = len(self.layers) - 2
        return [
            _Layer(tensors[f"{2 * i}.bias"], tensors[f"{2 * i}.weight"], outputs, i < last)
            for i, (_, outputs) in enumerate(self._pairs)
        ]

    @property
    def _pairs(self) -> list[tuple[int, int]]:
        return list(zip(self.layers, self.layers[1:], strict=False))


class _Layer(NamedTuple):
    bias: Tensor  # (P, 1, O), padded
    weight: Tensor  # (P, I, O), padded
    width: int  # O, without the padding
    hidden: bool

    def outputs(self, x: Tensor) -> Tensor:
        """(P, B, I) -> (P, B, O)."""
        outputs = torch.baddbmm(self.bias, x, self.weight)
        if self.width < MIN_WIDTH:
            outputs = outputs[..., : self.width]
        return outputs.relu_() if self.hidden else outputs  # in place: the gradient of baddbmm does not need its output


class MlpInTraining(WeightsInTraining):
    """Computes gradients with autograd's operations in the same order: the same bits without autograd's overhead.

    All weights are one tensor, and so are their gradients: at this size, what a step of the optimizer costs is the
    number of its operations.  The gradients of the padding are 0, so the padding stays 0.
    """

    def __init__(self, network: Mlp, flat: Tensor, loss_gradient: LossGradient) -> None:
        weights, self._tensors = _joined(network.stacked(flat))
        self._gradient, gradients = _joined(self._tensors)
        self.weights, self._network, self._loss_gradient = [weights], network, loss_gradient
        self._layers, self._gradients = network.stacked_layers(self._tensors), network.stacked_layers(gradients)

    def gradients(self, x: Tensor, y: Tensor) -> tuple[Tensor, ...]:
        inputs = [x]
        for layer in self._layers:
            inputs.append(layer.outputs(inputs[-1]))
        gradient = _padded(self._loss_gradient(inputs.pop(), y))
        for layer, gradients in zip(reversed(self._layers), reversed(self._gradients), strict=True):
            x = inputs.pop()
            torch.sum(gradient, 1, keepdim=True, out=gradients.bias)
            torch.bmm(x.transpose(1, 2), gradient, out=gradients.weight)
            if inputs:  # x is the output of a layer below
                gradient = torch.bmm(gradient, layer.weight.transpose(1, 2))
                _threshold_backward(gradient, x, 0, grad_input=gradient)
                gradient = _padded(gradient)
        return (self._gradient,)

    def flat(self) -> Tensor:
        return self._network.flat(self._tensors)


def mlp(view: ModelView) -> Mlp:
    """Fully connected layers of the widths in model.hidden, with ReLU between them."""
    if any(width < 1 for width in view.hidden):
        raise InputError(f"model.hidden = {list(view.hidden)}: each layer needs one unit or more")
    return Mlp((view.features, *view.hidden, view.classes))


def _padded(tensor: Tensor) -> Tensor:
    """(P, B, O), where O is ``MIN_WIDTH`` or more."""
    missing = MIN_WIDTH - tensor.shape[2]
    return functional.pad(tensor, (0, missing)) if missing > 0 else tensor


def _joined(tensors: Tensors) -> tuple[Tensor, Tensors]:
    """All numbers in one tensor, and the named tensors as views of it."""
    joined = torch.cat([tensor.flatten() for tensor in tensors.values()])
    parts = torch.split(joined, [tensor.numel() for tensor in tensors.values()])
    return joined, {name: part.view(tensors[name].shape) for name, part in zip(tensors, parts, strict=True)}
