"""Test accuracy: many models on held-out rows that no peer has, scored by the command, never by a peer (DESIGN 8)."""

from collections.abc import Mapping, Sequence

from torch import Tensor

from learnae.config import Session
from learnae.core.types import Cid, Score
from learnae.learn.data import Table
from learnae.learn.jobs import ScoreJob
from learnae.learn.model import mlp
from learnae.learn.models import Models
from learnae.learn.pool import Pool


class Evaluator:
    """Scores models by CID on ``rows``; whoever made them."""

    def __init__(self, pool: Pool, table: Table, rows: Tensor, session: Session, blocks: Mapping[Cid, bytes]) -> None:
        self._pool, self._table, self._rows = pool, table, rows
        self._network = mlp(session.model, *table.shape)
        self._models = Models(self._network, blocks, pool.models)

    def accuracy(self, cids: Sequence[Cid]) -> list[Score]:
        """One score a model, in the order asked.  Raises PortError for a missing or unsound block."""
        models = [self._models.get(cid) for cid in cids]
        jobs = [ScoreJob(self._network, model.weights, self._table, self._rows) for model in models]
        tickets = [self._pool.submit(job) for job in jobs]
        return [Score(ticket.result().correct, len(self._rows)) for ticket in tickets]
