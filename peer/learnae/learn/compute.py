"""Where a pool computes: a device of PyTorch, and the precision of its matrix products.

Jobs arrive with tensors of the host, and results go back there, because blocks are made and compared on the host.
Between ``send`` and ``fetch`` all tensors of a batch are on the device.  Weights, gradients and the optimizer are
float32 always; with ``bfloat16`` only the matrix products are shorter (mixed precision).
"""

from dataclasses import dataclass

import torch
from torch import Tensor

from learnae.errors import InputError
from learnae.learn.batched_optimizers import Optimizer, OptimizerSettings
from learnae.learn.losses import loss_gradient
from learnae.learn.network import Network, Tensors, WeightsInTraining
from learnae.session.settings import ComputeSettings

CPU = "cpu"
DTYPES = {"float32": torch.float32, "bfloat16": torch.bfloat16}


@dataclass(frozen=True)
class Compute:
    """``compiled``: networks that can are trained without Python's global lock, which pays with several threads."""

    device: str = CPU
    dtype: torch.dtype = torch.float32
    compiled: bool = False

    def send(self, tensor: Tensor) -> Tensor:
        return tensor.to(self.device)

    def fetch(self, tensor: Tensor) -> Tensor:
        return tensor.cpu()

    def logits(self, network: Network, tensors: Tensors, x: Tensor, training: bool = False) -> Tensor:
        """Logits (P, B, C) in float32 of rows (P, B, F)."""
        if self.dtype is torch.float32:
            return network.logits(tensors, x, training)
        shorter = {name: tensor.to(self.dtype) for name, tensor in tensors.items()}
        return network.logits(shorter, x.to(self.dtype), training).float()

    def in_training(self, network: Network, flat: Tensor, settings: OptimizerSettings) -> WeightsInTraining:
        """A copy of weights (P, T) on the device, for training."""
        own = network.in_training(flat, settings, self.compiled) if self.dtype is torch.float32 else None
        return own or ByAutograd(self, network, flat, settings)


class ByAutograd(WeightsInTraining):
    """Weights of any network in any precision, whose gradients autograd computes."""

    def __init__(self, compute: Compute, network: Network, flat: Tensor, settings: OptimizerSettings) -> None:
        self._compute, self._network, self._loss_gradient = compute, network, loss_gradient(settings.loss)
        self._tensors, self._batch = network.stacked(flat), settings.batch
        self._weights = [self._tensors[name].requires_grad_() for name in network.trained]
        self._optimizer = Optimizer(self._weights, settings)

    def train(self, x: Tensor, y: Tensor) -> None:
        for rows, labels in zip(torch.split(x, self._batch, 1), torch.split(y, self._batch, 1), strict=True):
            if rows.shape[1] >= self._network.min_rows:
                self._optimizer.step(self._gradients(rows.contiguous(), labels.contiguous()))

    @torch.enable_grad()
    def _gradients(self, x: Tensor, y: Tensor) -> tuple[Tensor, ...]:
        logits = self._compute.logits(self._network, self._tensors, x, training=True)
        by_logits = self._loss_gradient(logits.detach(), y)
        return torch.autograd.grad(logits, self._weights, by_logits, allow_unused=True, materialize_grads=True)

    def flat(self) -> Tensor:
        return self._network.flat(self._tensors).detach()


def compute_of(settings: ComputeSettings) -> Compute:
    """Raises InputError if the device is not here."""
    devices = available_devices()
    if settings.device == "auto":
        return Compute(devices[0], DTYPES[settings.dtype])
    if settings.device not in devices:
        raise InputError(
            f'compute.device = "{settings.device}": PyTorch finds no such device here: use one of '
            f"{', '.join(devices)}, or auto"
        )
    return Compute(settings.device, DTYPES[settings.dtype])


def device_name(settings: ComputeSettings) -> str | None:
    """The device with its model, as ``environment.json`` records it; None if it is not here."""
    try:
        device = compute_of(settings).device
    except InputError:
        return None
    return f"{device} {torch.cuda.get_device_name()}" if device == "cuda" else device


def available_devices() -> list[str]:
    """The fastest first."""
    found = {"cuda": torch.cuda.is_available(), "mps": torch.backends.mps.is_available(), CPU: True}
    return [device for device, here in found.items() if here]
