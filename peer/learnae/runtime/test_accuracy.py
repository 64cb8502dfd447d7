"""Test accuracy of published models, measured by the command that runs the session, never by a peer."""

import random
from collections.abc import Iterable
from dataclasses import dataclass, field

from learnae.ports import Observer
from learnae.protocol.decisions import Published
from learnae.protocol.peer import Peer
from learnae.protocol.types import Cid
from learnae.records.history import Evaluated, Fact
from learnae.runtime.learning import HeldOutScores
from learnae.runtime.memory_session import MemorySession

ModelScores = list[HeldOutScores]


@dataclass(frozen=True, slots=True)
class PendingModel:
    peer: str
    cid: Cid
    step: int


@dataclass
class TestAccuracy:
    """An observer that collects models of some peers, measures them on the test data and calls ``record``."""

    setup: MemorySession
    record: Observer
    waiting: list[PendingModel] = field(default_factory=list)
    last: dict[str, Cid] = field(default_factory=dict)

    def __post_init__(self) -> None:
        session, names = self.setup.session, [member.name for member in self.setup.members]
        self._index = {name: number for number, name in enumerate(names)}
        count = min(len(names), session.evaluation_peers)
        self._followed = frozenset(random.Random(f"{session.seed} followed").sample(names, count))

    def observe(self, now: float, peer: str, item: Fact) -> None:
        if isinstance(item, Published) and peer in self._followed:
            self.add(PendingModel(peer, item.cid, item.step))

    def add(self, model: PendingModel) -> None:
        if self.last.get(model.peer) != model.cid:
            self.last[model.peer] = model.cid
            self.waiting.append(model)

    def add_last(self, peers: Iterable[tuple[str, Peer]]) -> None:
        """Add the current model of each peer, followed or not."""
        for name, peer in peers:
            status = peer.status()
            if status.weights:
                self.add(PendingModel(name, status.weights.cid, status.step))

    def flush(self, now: float, min_models: int = 1) -> None:
        if len(self.waiting) >= min_models:
            models = self.take()
            self.record_scores(now, models, self.score(models))

    # The same in three steps, for an event loop: only ``score`` takes long, and may run in a thread.

    def take(self, count: int | None = None) -> list[PendingModel]:
        """Remove and return the first waiting models; None: all."""
        models = self.waiting[:count]
        del self.waiting[:count]
        return models

    def score(self, models: list[PendingModel]) -> ModelScores:
        numbered = [(self._index[model.peer], model.cid) for model in models]
        return self.setup.learning.evaluate(numbered, self.setup.swarm.blocks)

    def record_scores(self, now: float, models: list[PendingModel], scores: ModelScores) -> None:
        for model, found in zip(models, scores, strict=True):
            self.record(now, model.peer, Evaluated(model.cid, model.step, *found))
