"""Losses: what training minimises, a function of a network's outputs and the labels of a step.

A plug-in gets those of one peer, (B, C) and (B,), and returns their mean as a tensor with one number.  The built-in
ones take those of P peers together as well, and return the sum over peers, which keeps their gradients independent.
"""

import torch
from torch import Tensor
from torch.nn import functional

from learnae.plugins import Kind, WrongTypeReturned, call, described, first_line, plugin


def cross_entropy(outputs: Tensor, labels: Tensor) -> Tensor:
    """For classes."""
    return functional.cross_entropy(outputs.movedim(-1, 1), labels, reduction="sum") / labels.shape[-1]


def mse(outputs: Tensor, labels: Tensor) -> Tensor:
    """The mean squared error, for numbers."""
    return functional.mse_loss(outputs[..., 0], labels, reduction="sum") / labels.shape[-1]


STACKED = (cross_entropy, mse)


def loss(reference: str, outputs: Tensor, labels: Tensor) -> Tensor:
    """The sum over peers of the mean loss of (P, B, C) and (P, B).  Raises PluginError."""
    function = plugin(Kind.LOSSES, reference)
    if function in STACKED:
        total: Tensor = function(outputs, labels)
        return total
    found = [call(reference, function, *each) for each in zip(outputs, labels, strict=True)]
    for value in found:
        if not isinstance(value, Tensor) or value.shape != () or value.grad_fn is None:
            error = f"returned {described(value)}: return a tensor with one number that depends on outputs"
            raise WrongTypeReturned(reference, first_line(function), error)
    return torch.stack(found).sum()
