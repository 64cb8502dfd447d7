"""Predictions of a model for rows from a request.  Reads no peer's data and changes nothing."""

from collections.abc import Mapping, Sequence

import torch

from learnae.learn.cache import ModelCache
from learnae.learn.datasets.dataset import Dataset
from learnae.learn.model import create_network
from learnae.learn.weight_store import WeightStore
from learnae.protocol.types import Cid
from learnae.session.settings import Session

CLAMP = 1e6  # standard deviations: larger inputs add nothing and would overflow float32


class TorchPredictor:
    """``ports.Predictor`` for the network of a session."""

    def __init__(self, session: Session, dataset: Dataset, blocks: Mapping[Cid, bytes], cache: ModelCache) -> None:
        self._network = create_network(session.model, *dataset.shape)
        self._mean, self._std = torch.tensor(dataset.mean), torch.tensor(dataset.std)  # (F,)
        self._label = dataset.label
        self._models = WeightStore(self._network, blocks, cache)

    @property
    def widths(self) -> tuple[int, ...]:
        return self._network.widths

    def predict(self, cid: Cid, rows: Sequence[Sequence[float]], standardised: bool) -> list[list[float]]:
        weights = self._models.get(cid).weights.unsqueeze(0)  # (1, T)
        x = torch.tensor(rows, dtype=torch.float64)  # (B, F)
        if not standardised:
            x = (x - self._mean) / self._std
        with torch.no_grad():
            tensors = self._network.stacked(weights)
            logits = self._network.logits(tensors, x.clamp(-CLAMP, CLAMP).float().unsqueeze(0))[0]  # (B, C)
        return self._label.answers(logits.double().nan_to_num())
