"""What a model says of rows that somebody brings: class probabilities.  Reads nobody's rows and changes nothing."""

from collections.abc import Mapping, Sequence

import torch

from learnae.learn.cache import Cache
from learnae.learn.datasets.dataset import Dataset
from learnae.learn.model import forward, mlp
from learnae.learn.weight_store import WeightStore
from learnae.protocol.types import Cid
from learnae.session.settings import Session

FAR = 1e6  # standard deviations: beyond, a feature says no more, and float32 overflows


class TorchPredictor:
    """``ports.Predictor`` for the network of a session."""

    def __init__(self, session: Session, table: Dataset, blocks: Mapping[Cid, bytes], cache: Cache) -> None:
        self._network = mlp(session.model, *table.shape)
        self._mean, self._std = torch.tensor(table.mean), torch.tensor(table.std)  # (F,)
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
            logits = forward(self._network.layers(weights), x.clamp(-FAR, FAR).float().unsqueeze(0))[0]  # (B, C)
        found: list[list[float]] = torch.softmax(logits.double().nan_to_num(), 1).tolist()
        return found
