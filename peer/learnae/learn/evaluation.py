"""Test accuracy: many models on held-out rows that no peer has, scored by the command, never by a peer (DESIGN 8)."""

from collections.abc import Mapping, Sequence

from torch import Tensor

from learnae.learn.datasets.sources import Dataset
from learnae.learn.jobs import ScoreJob
from learnae.learn.model import mlp
from learnae.learn.pool import Pool
from learnae.learn.weight_store import WeightStore
from learnae.protocol.types import Cid, Score
from learnae.session.settings import Session


class Evaluator:
    """Scores models by CID, whoever made them."""

    def __init__(self, pool: Pool, table: Dataset, session: Session, blocks: Mapping[Cid, bytes]) -> None:
        self._pool, self._table = pool, table
        self._network = mlp(session.model, *table.shape)
        self._models = WeightStore(self._network, blocks, pool.models)

    def accuracy(self, models: Sequence[tuple[Cid, Tensor]]) -> list[Score]:
        """One score a model on its rows, in the order asked.  Raises PortError for a missing or unsound block."""
        found = [(self._models.get(cid).weights, rows) for cid, rows in models]
        jobs = [ScoreJob(self._network, weights, self._table, rows) for weights, rows in found]
        tickets = [self._pool.submit(job) for job in jobs]
        return [Score(ticket.result().correct, len(job.rows)) for ticket, job in zip(tickets, jobs, strict=True)]
