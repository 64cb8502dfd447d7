"""How alike two models are: the share of a peer's validation rows for which they predict the same class.

It is a property of what models compute.  So it sees through noise, and through an exchange of hidden units.
"""

from collections import OrderedDict
from collections.abc import Container

import torch
from torch import Tensor

from learnae.learn.datasets.dataset import Dataset
from learnae.learn.network import Network
from learnae.learn.weight_store import WeightStore
from learnae.protocol.defence_types import Likeness
from learnae.protocol.types import Cid, Score

CACHED = 128  # models whose predictions are kept
CHUNK = 512  # rows that are predicted together


class Similarity:
    """``blocks``: the models that the peer holds; predictions of others are known as long as they are cached."""

    def __init__(
        self, network: Network, models: WeightStore, blocks: Container[Cid], dataset: Dataset, rows: Tensor
    ) -> None:
        self._network, self._models, self._blocks = network, models, blocks
        self._dataset, self._rows = dataset, rows
        self._predictions = OrderedDict[Cid, Tensor]()  # classes (v,)

    def nearest(self, cid: Cid, others: tuple[Cid, ...]) -> Likeness | None:
        """Which of these models predicts the same for most rows; None if none of them is known.

        Raises PortError, and PluginError from a model that is a plug-in.
        """
        known = [other for other in others if other in self._predictions or other in self._blocks]
        if not known:
            return None
        own = self._predicted(cid)
        same = [int((own == self._predicted(other)).sum()) for other in known]
        return Likeness(known[same.index(max(same))], Score(max(same), len(own)))

    def _predicted(self, cid: Cid) -> Tensor:
        found = self._predictions.get(cid)
        if found is None:
            found = self._predictions[cid] = self._predict(cid)
            if len(self._predictions) > CACHED:
                self._predictions.popitem(last=False)
        self._predictions.move_to_end(cid)
        return found

    @torch.inference_mode()
    def _predict(self, cid: Cid) -> Tensor:
        tensors = self._network.stacked(self._models.get(cid).weights.unsqueeze(0))
        classes = []
        for chunk in torch.split(self._rows.unsqueeze(0), CHUNK, dim=1):
            x, _ = self._dataset.select(chunk)
            classes.append(self._network.logits(tensors, x)[0].argmax(1))
        return torch.cat(classes)
