"""The multilayer perceptron: peers are computed together as batched matrices.

Its tensors are "0.bias", "0.weight", "2.bias", ... (names of ``torch.nn.Sequential``, shapes of ``Linear``).  P stacked
peers become a bias (P, 1, O) and a matrix (P, I, O) per layer, and a layer is one ``baddbmm``.

Shapes: P peers, B rows, F features, I inputs and O outputs of a layer, C classes, T parameters.
"""

import math
from dataclasses import dataclass
from functools import cached_property

import torch
from torch import Tensor
from torch.nn import functional

from learnae.errors import InputError
from learnae.learn.network import ModelView, Network, Tensors

MIN_WIDTH = 16  # outputs: a narrower batched product takes more than twice as long as one of this width


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
            stacked[f"{2 * i}.bias"] = parts[f"{2 * i}.bias"].unsqueeze(1).contiguous()  # (P, 1, O)
            stacked[f"{2 * i}.weight"] = weight.transpose(1, 2).contiguous()  # (P, I, O)
        return stacked

    def flat(self, tensors: Tensors) -> Tensor:
        weights = {name: part.transpose(1, 2) if name.endswith("weight") else part for name, part in tensors.items()}
        return torch.cat([weights[name].flatten(1) for name in self.shapes], dim=1)

    def logits(self, tensors: Tensors, x: Tensor, training: bool = False) -> Tensor:
        last = len(self.layers) - 2
        for i in range(last + 1):
            x = _affine(tensors[f"{2 * i}.bias"], x, tensors[f"{2 * i}.weight"])
            if i < last:
                x.relu_()  # in place: the gradient of baddbmm does not need its output
        return x

    @property
    def _pairs(self) -> list[tuple[int, int]]:
        return list(zip(self.layers, self.layers[1:], strict=False))


def mlp(view: ModelView) -> Mlp:
    """Fully connected layers of the widths in model.hidden, with ReLU between them."""
    if any(width < 1 for width in view.hidden):
        raise InputError(f"model.hidden = {list(view.hidden)}: each layer needs one unit or more")
    return Mlp((view.features, *view.hidden, view.classes))


def _affine(bias: Tensor, x: Tensor, weight: Tensor) -> Tensor:
    """(P, B, I) -> (P, B, O).  Pads a narrow product to ``MIN_WIDTH``, which is twice as fast."""
    width = weight.shape[2]
    if width >= MIN_WIDTH:
        return torch.baddbmm(bias, x, weight)
    padding = (0, MIN_WIDTH - width)
    return torch.baddbmm(functional.pad(bias, padding), x, functional.pad(weight, padding))[..., :width]
