"""Networks: a multilayer perceptron, stored as a flat vector per peer and computed as batched matrices.

The weights of a peer are one float32 vector (T,): its tensors in the order of their names, as safetensors stores them
in a block: "0.bias", "0.weight", "2.bias", ... (names of ``torch.nn.Sequential``, shapes of ``Linear``).
P peers of equal shape compute together: (P, T) becomes a bias (P, 1, O) and a matrix (P, I, O) per layer, and a layer
is one ``baddbmm``.

Shapes: P peers, B rows, F features, I inputs and O outputs of a layer, C classes, T parameters.
"""

import math
from dataclasses import dataclass
from functools import cached_property

import torch
from torch import Tensor
from torch.nn import functional

from learnae.errors import InputError
from learnae.learn.datasets.dataset import CLASSES, FEATURES
from learnae.messages.wire import MAX_BLOCK
from learnae.session.settings import ModelSettings

HEADER_BYTES = 1024  # a block's metadata
HEADER_BYTES_PER_TENSOR = 96  # name, shape and offsets

MIN_WIDTH = 16  # outputs: a narrower batched product takes more than twice as long as one of this width
Layers = list[tuple[Tensor, Tensor]]  # per layer: bias (P, 1, O), weight (P, I, O)


@dataclass(frozen=True)
class Mlp:
    """Fully connected layers with ReLU between them."""

    widths: tuple[int, ...]  # (F, hidden ..., C)

    @cached_property
    def shapes(self) -> dict[str, tuple[int, ...]]:
        """Shape of each tensor, in the order of the flat vector."""
        named: dict[str, tuple[int, ...]] = {}
        for i, (inputs, outputs) in enumerate(zip(self.widths, self.widths[1:], strict=False)):
            named[f"{2 * i}.weight"] = (outputs, inputs)
            named[f"{2 * i}.bias"] = (outputs,)
        return dict(sorted(named.items()))

    @cached_property
    def _sizes(self) -> list[int]:
        return [math.prod(shape) for shape in self.shapes.values()]

    @property
    def size(self) -> int:
        """T, the number of parameters."""
        return sum(self._sizes)

    def tensors(self, flat: Tensor) -> dict[str, Tensor]:
        """The named tensors of one flat vector (T,), as views."""
        parts = torch.split(flat, self._sizes)
        return {name: part.view(shape) for (name, shape), part in zip(self.shapes.items(), parts, strict=True)}

    def random_weights(self, generator: torch.Generator) -> Tensor:
        """Initial weights (T,), distributed as in ``torch.nn.Linear``: uniform within 1 / sqrt(I).

        Scaled in float64, because the bits of ``uniform_(-bound, bound)`` depend on the processor, and they are part of
        the session's id.
        """
        flat = torch.empty(self.size)
        for name, tensor in self.tensors(flat).items():
            bound = torch.tensor(1 / math.sqrt(self.widths[int(name.split(".")[0]) // 2])).double()
            tensor.copy_(torch.rand(tensor.shape, generator=generator).double() * (2 * bound) - bound)
        return flat

    def layers(self, flat: Tensor) -> Layers:
        """Layers to compute with, copied from (P, T)."""
        parts = dict(zip(self.shapes, torch.split(flat, self._sizes, dim=1), strict=True))
        layers: Layers = []
        for i, (inputs, outputs) in enumerate(zip(self.widths, self.widths[1:], strict=False)):
            bias = parts[f"{2 * i}.bias"].unsqueeze(1)  # (P, 1, O)
            weight = parts[f"{2 * i}.weight"].reshape(-1, outputs, inputs)  # (P, O, I)
            layers.append((bias.contiguous(), weight.transpose(1, 2).contiguous()))  # (P, I, O)
        return layers

    def flat(self, layers: Layers) -> Tensor:
        """Layers copied back to (P, T)."""
        parts: dict[str, Tensor] = {}
        for i, (bias, weight) in enumerate(layers):
            parts[f"{2 * i}.bias"] = bias.flatten(1)
            parts[f"{2 * i}.weight"] = weight.transpose(1, 2).flatten(1)
        return torch.cat([parts[name] for name in self.shapes], dim=1)


def create_mlp(settings: ModelSettings, features: int = FEATURES, classes: int = CLASSES) -> Mlp:
    """InputError if the weights do not fit into one IPFS block."""
    if any(width < 1 for width in settings.hidden):
        raise InputError(f"model.hidden = {list(settings.hidden)}: each layer needs one unit or more")
    network = Mlp((features, *settings.hidden, classes))
    block = 4 * network.size + HEADER_BYTES + HEADER_BYTES_PER_TENSOR * len(network.shapes)
    if block > MAX_BLOCK:
        raise InputError(
            f"model.hidden = {list(settings.hidden)} makes blocks of {block} bytes, over 1 MiB: use fewer units"
        )
    return network


NETWORKS = {"mlp": create_mlp}  # a new architecture is one entry; it offers the methods and properties of Mlp
create_network = NETWORKS["mlp"]


def forward(layers: Layers, x: Tensor) -> Tensor:
    """Logits (P, B, C) of rows (P, B, F)."""
    for bias, weight in layers[:-1]:
        x = _affine(bias, x, weight).relu_()  # in place: the gradient of baddbmm does not need its output
    bias, weight = layers[-1]
    return _affine(bias, x, weight)


def _affine(bias: Tensor, x: Tensor, weight: Tensor) -> Tensor:
    """(P, B, I) -> (P, B, O).  Pads a narrow product to ``MIN_WIDTH``, which is twice as fast."""
    width = weight.shape[2]
    if width >= MIN_WIDTH:
        return torch.baddbmm(bias, x, weight)
    padding = (0, MIN_WIDTH - width)
    return torch.baddbmm(functional.pad(bias, padding), x, functional.pad(weight, padding))[..., :width]


def loss(logits: Tensor, labels: Tensor) -> Tensor:
    """Cross entropy: the mean over a peer's rows (P, B), summed over peers, which keeps their gradients independent."""
    return functional.cross_entropy(logits.transpose(1, 2), labels, reduction="sum") / labels.shape[1]


def count_correct(logits: Tensor, labels: Tensor) -> Tensor:
    """Rows classified correctly (P,), from logits (P, B, C) and labels (P, B)."""
    return (logits.argmax(2) == labels).sum(1)
