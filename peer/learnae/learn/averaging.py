"""The arithmetic of averaging: two models in given shares (``protocol.averaging`` chooses them)."""

import torch
from torch import Tensor

from learnae.learn.network import Network
from learnae.protocol.averaging import MEAN, ONE, Mix


def average(local: Tensor, remote: Tensor, mix: Mix = MEAN, network: Network | None = None) -> Tensor:
    """Two models (T,) as one; each is scaled before the addition, so that the mean of huge weights is finite.

    ``network``: whose tensors the shares of ``mix`` belong to, if there is more than one.
    """
    if len(mix) == 1 or network is None:
        share = mix[0] / ONE
        return (local * (1 - share)).add_(remote * share)
    sizes = torch.tensor([tensor.numel() for tensor in network.tensors(local).values()])
    shares = (torch.tensor(mix) / ONE).repeat_interleave(sizes)
    return local * (1 - shares) + remote * shares
