"""Losses: what training minimises, a function of a network's outputs and the labels of a step.

A plug-in gets those of one peer, (B, C) and (B,), and returns their mean as a tensor with one number.  The built-in
ones take those of P peers together as well, and return the sum over peers, which keeps their gradients independent.
Their gradients call autograd's operations without autograd, whose overhead exceeds the arithmetic.
"""

from functools import partial

import torch
from torch import Tensor
from torch.nn import functional

from learnae.learn.network import LossGradient
from learnae.plugins import Kind, WrongTypeReturned, call, described, first_line, plugin


def cross_entropy(outputs: Tensor, labels: Tensor) -> Tensor:
    """For classes."""
    return functional.cross_entropy(outputs.movedim(-1, 1), labels, reduction="sum") / labels.shape[-1]


def mse(outputs: Tensor, labels: Tensor) -> Tensor:
    """The mean squared error, for numbers."""
    return functional.mse_loss(outputs[..., 0], labels, reduction="sum") / labels.shape[-1]


def _cross_entropy_gradient(outputs: Tensor, labels: Tensor) -> Tensor:
    logarithms = torch.log_softmax(outputs.movedim(-1, 1), 1)  # (P, C, B)
    gradient = torch.zeros_like(logarithms).scatter_(1, labels.unsqueeze(1), -1 / labels.shape[-1])
    return torch._log_softmax_backward_data(gradient, logarithms, 1, outputs.dtype).movedim(1, -1)


def _mse_gradient(outputs: Tensor, labels: Tensor) -> Tensor:
    gradient = torch.zeros_like(outputs)
    gradient[..., 0] = (outputs[..., 0] - labels).mul_(2).mul_(1 / labels.shape[-1])
    return gradient


# Of the built-in losses.  TorchScript compiles these functions.
GRADIENTS = {"cross-entropy": _cross_entropy_gradient, "mse": _mse_gradient}


def loss(reference: str, outputs: Tensor, labels: Tensor) -> Tensor:
    """The sum over peers of the mean loss of (P, B, C) and (P, B).  Raises PluginError."""
    function = plugin(Kind.LOSSES, reference)
    if reference in GRADIENTS:
        total: Tensor = function(outputs, labels)
        return total
    found = [call(reference, function, *each) for each in zip(outputs, labels, strict=True)]
    for value in found:
        if not isinstance(value, Tensor) or value.shape != () or value.grad_fn is None:
            error = f"returned {described(value)}: return a tensor with one number that depends on outputs"
            raise WrongTypeReturned(reference, first_line(function), error)
    return torch.stack(found).sum()


def loss_gradient(reference: str) -> LossGradient:
    """A function that computes the gradient of a loss, and raises PluginError."""
    return GRADIENTS.get(reference) or partial(_gradient_by_autograd, reference)


@torch.enable_grad()
def _gradient_by_autograd(reference: str, outputs: Tensor, labels: Tensor) -> Tensor:
    outputs = outputs.detach().requires_grad_()
    total = loss(reference, outputs, labels)
    return torch.autograd.grad(total, outputs, allow_unused=True, materialize_grads=True)[0]
