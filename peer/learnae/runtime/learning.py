"""Data, training and scoring of a whole session: one interface, and an implementation without tensors for tests."""

import struct
from collections.abc import Mapping, MutableMapping, Sequence
from dataclasses import dataclass, field
from typing import NamedTuple, Protocol

from learnae.adapters import memory
from learnae.messages.commitment import commit
from learnae.messages.readings import SensorRows
from learnae.ports import Predictor, Trainer
from learnae.protocol.decisions import PluginFailed
from learnae.protocol.types import Cid, Commitment, PeerId, Score
from learnae.session.settings import Session

Blocks = MutableMapping[Cid, bytes]


class HeldOutScores(NamedTuple):
    """What a model is worth on rows no peer has, as in ``Evaluated``."""

    test: Score
    own: Score | None = None
    failed: PluginFailed | None = None


class Learning(Protocol):
    """Rows, networks and test scores of a whole session.  Peers by index in the roster."""

    features: int
    data_sha256: str  # of the file that identifies the rows
    statistics: Mapping[str, object]  # classes, mean and std of the training rows, for the manifest
    notice: str | None  # one sentence to print, if something had to be shrunk

    def initial_block(self, name: str) -> bytes: ...

    def trainer(self, index: int, peer: PeerId, session_id: Cid, blocks: Blocks) -> Trainer: ...

    def rows(self, index: int) -> int:
        """Training rows."""
        ...

    def readings(self, index: int) -> list[SensorRows]:
        """The training rows of a sensor, cut into readings."""
        ...

    def commitment(self, index: int) -> Commitment:
        """To the peer's validation rows."""
        ...

    def predictor(self, blocks: Blocks) -> Predictor: ...

    def evaluate(self, models: Sequence[tuple[int, Cid]], blocks: Blocks) -> list[HeldOutScores]:
        """Accuracy of peers' models on rows no peer has: on all, and on those like the peer's own if they differ."""
        ...


def cut(rows: SensorRows, size: int) -> list[SensorRows]:
    """``size`` rows each, except the last one."""
    width = 4 * rows.columns
    return [
        SensorRows(
            rows.columns, rows.features[first * width : (first + size) * width], rows.labels[first : first + size]
        )
        for first in range(0, len(rows.labels), size)
    ]


@dataclass
class MemoryLearning:
    """No rows, no tensors, no torch: models are numbers (``adapters.memory.MemoryTrainer``)."""

    session: Session
    features: int = 0
    data_sha256: str = ""
    statistics: Mapping[str, object] = field(default_factory=dict)
    notice: str | None = None

    def initial_block(self, name: str) -> bytes:
        return b"500 - 0 initial"

    def trainer(self, index: int, peer: PeerId, session_id: Cid, blocks: Blocks) -> Trainer:
        return memory.MemoryTrainer(blocks, peer, str(self.session.seed))

    def rows(self, index: int) -> int:
        return self.session.data.rows

    def readings(self, index: int) -> list[SensorRows]:
        rows = range(index * self.session.data.rows, (index + 1) * self.session.data.rows)
        return cut(SensorRows(1, struct.pack(f"<{len(rows)}f", *rows), bytes(len(rows))), self.session.feed.rows)

    def commitment(self, index: int) -> Commitment:
        return commit(f"{self.session.seed} {index}", 0, b"", b"")

    def predictor(self, blocks: Blocks) -> Predictor:
        return memory.MemoryPredictor()

    def evaluate(self, models: Sequence[tuple[int, Cid]], blocks: Blocks) -> list[HeldOutScores]:
        return [HeldOutScores(Score(int(blocks[cid].split()[0]), 1000)) for _, cid in models]
