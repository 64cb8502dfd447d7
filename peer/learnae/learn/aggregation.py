"""Aggregation rules of federated learning, as baselines: several models (M, T) become one (T,)."""

from collections.abc import Callable, Sequence

import torch
from torch import Tensor

AGGREGATED = 5  # models that a peer combines by a robust rule: its own and four others
JUDGES = 5  # peers that measure the gains of a round
Aggregation = Callable[[Tensor], Tensor]


def weighted_mean(models: Tensor, amounts: Sequence[float]) -> Tensor:
    """FedAvg, where the amounts are the rows on which each model was trained."""
    weights = torch.tensor(amounts, dtype=torch.float64)
    return (models.double() * (weights / weights.sum()).unsqueeze(1)).sum(0).float()


def median(models: Tensor) -> Tensor:
    """The median of each weight by itself; the mean of both middle ones if their number is even."""
    ordered, count = models.sort(0).values, len(models)
    return (ordered[(count - 1) // 2] + ordered[count // 2]) / 2


def krum(models: Tensor) -> Tensor:
    """The model that is nearest to those around it, so that a minority of arbitrary models is not chosen.

    Of M models, f = (M - 3) / 2 may be faulty: distances to the M - f - 2 nearest others count (Blanchard et al.).
    """
    count = len(models)
    near = max(1, count - 2 - max(0, (count - 3) // 2))
    distances = torch.cdist(models.double(), models.double()).square().sort(1).values  # first: to itself
    return models[int(distances[:, 1 : near + 1].sum(1).argmin())]


def by_gain(models: Tensor, gains: Tensor) -> Tensor | None:
    """Gauntlet-like: the mean of the models whose gain (M,) is above 0, each weighted by it; None: no model has one."""
    useful = gains.isfinite() & (gains > 0)
    return weighted_mean(models[useful], gains[useful].tolist()) if useful.any() else None


ROBUST: dict[str, Aggregation] = {"krum": krum, "median": median}
