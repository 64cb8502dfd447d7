"""Learning of one peer that has only its own data: a folder that the host of the session has prepared.

    rows.npz  initial/<name>.safetensors (its own, and the first peer's, which the manifest names)

Torch is imported for the first job, in the thread that does the jobs, but not before the peer has registered (or
``FIRST`` seconds have passed): when twenty peers start at once on two cores, all register before any of them trains.
"""

import gc
import zipfile
import zlib
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import Future
from dataclasses import dataclass, replace
from functools import cached_property
from pathlib import Path
from threading import Event
from typing import Any

import numpy as np
from numpy.typing import NDArray

from learnae.collector import collector_paused
from learnae.errors import DriverError, InputError
from learnae.lazy_future import lazy
from learnae.learn.torch_import import import_torch
from learnae.messages.commitment import commit
from learnae.messages.foreign_json import from_json
from learnae.messages.readings import SensorRows
from learnae.plugins import BUILT_IN, Kind, is_own
from learnae.ports import Predictor, Trainer
from learnae.protocol.decisions import IdentityChanged, IdentityState, WorkBegan
from learnae.protocol.policies import Forgery
from learnae.protocol.types import Cid, Commitment, ModelRef, PeerId, Score, Weights
from learnae.records.history import Fact, PeerRestarted
from learnae.runtime.learning import Blocks, HeldOutScores
from learnae.session.plugin_files import references
from learnae.session.settings import Session

FIRST = 5.0  # s that training waits for the registration
ROWS, INITIAL = "rows.npz", "initial"
PREDICTED = 4 << 20  # bytes of decoded weights kept for predictions
Scored = tuple[Weights, Score]


class ShardLearning:
    """``Learning`` of one peer alone; it cannot evaluate other peers."""

    notice: str | None = None

    def __init__(self, session: Session, folder: Path) -> None:
        """Raises InputError."""
        self.session, self.folder, self._registered = session, folder, Event()
        try:
            with (folder / ROWS).open("rb") as opened, np.load(opened, allow_pickle=False) as file:
                features, labels, self._trained = file["features"], file["labels"], int(file["trained"])
                self.features, self.data_sha256 = int(features.shape[1]), str(file["data_sha256"])
                self.statistics: Mapping[str, object] = from_json(str(file["statistics"]))
                if not isinstance(self.statistics, dict):
                    raise ValueError("its statistics are no table")
                self._commitment = commit_rows(str(file["salt"]), features[self._trained :], labels[self._trained :])
        except (OSError, ValueError, KeyError, EOFError, MemoryError, zipfile.BadZipFile, zlib.error) as error:
            raise InputError(f"{folder} holds no data of a peer ({error}): render the swarm again") from None

    def try_plugins(self) -> None:
        """Raises InputError if the loss or the metric can never work on this machine, such as without a package."""
        kinds = {kind for kind, name in references(self.session) if is_own(kind, name)}
        if kinds & {Kind.LOSSES, Kind.METRICS}:
            self._import_torch()
            from learnae.learn.datasets import shard_file
            from learnae.learn.plugin_trials import try_on_rows

            try_on_rows(self.session, shard_file.load(self.folder / ROWS)[0])

    def initial_block(self, name: str) -> bytes:
        try:
            return (self.folder / INITIAL / f"{name}.safetensors").read_bytes()
        except OSError as error:
            raise InputError(f"the initial weights of {name} are not in {self.folder} ({error.strerror})") from None

    def trainer(self, index: int, peer: PeerId, session_id: Cid, blocks: Blocks) -> Trainer:
        return LazyTrainer(lambda: self._trainer(peer, session_id, blocks))

    def predictor(self, blocks: Blocks) -> Predictor:
        return LazyPredictor(lambda: self._predictor(blocks))

    def observe(self, now: float, peer: str, item: Fact) -> None:
        match item:
            case IdentityChanged(identity=IdentityState.REGISTERED) | WorkBegan() | PeerRestarted():
                self._registered.set()

    def rows(self, index: int) -> int:
        return self._trained

    def readings(self, index: int) -> list[SensorRows]:
        raise DriverError("a single peer is no sensor")

    def commitment(self, index: int) -> Commitment:
        return self._commitment

    def evaluate(self, models: Sequence[tuple[int, Cid]], blocks: Blocks) -> list[HeldOutScores]:
        raise DriverError("a single peer has no test data")

    def _trainer(self, peer: PeerId, session_id: Cid, blocks: Blocks) -> Trainer:
        self._registered.wait(FIRST)
        with collector_paused():  # a tenth of the time of importing torch
            self._import_torch()
            from learnae.learn.batching import Pool
            from learnae.learn.compute import compute_of
            from learnae.learn.datasets import shard_file  # imports torch
            from learnae.learn.trainer import PoolTrainer

            gc.freeze()
        table, rows = shard_file.load(self.folder / ROWS)
        table = replace(table, metric=self.session.score.metric)
        pool = Pool(1, compute=compute_of(self.session.compute))
        return PoolTrainer(pool, table, rows, self.session, session_id, peer, str(self.session.seed), blocks)

    def _import_torch(self) -> None:
        """``mlp`` and the built-in rules use no tensor without data; other networks do, and plug-ins may."""
        used = [(kind, name) for kind, name in references(self.session) if kind is not Kind.DATASETS]
        whole = any(name not in BUILT_IN[kind] or (kind is Kind.MODELS and name != "mlp") for kind, name in used)
        import_torch(whole)

    def _predictor(self, blocks: Blocks) -> Predictor:
        self._import_torch()
        from learnae.learn.cache import ModelCache
        from learnae.learn.datasets import shard_file
        from learnae.learn.predictor import TorchPredictor

        return TorchPredictor(self.session, shard_file.load(self.folder / ROWS)[0], blocks, ModelCache(PREDICTED))


@dataclass
class LazyTrainer:
    """A trainer that is created when a first result is awaited, in the thread that awaits it."""

    make: Callable[[], Trainer]

    @cached_property
    def real(self) -> Trainer:
        return self.make()

    def score(self, cid: Cid, model: ModelRef | None, earlier: tuple[Cid, ...] = ()) -> Future[Scored]:
        return lazy(lambda: self.real.score(cid, model, earlier).result())

    def train(
        self, base: Cid, slice: int, visit: int, step: int, rows: Cid | None = None, earlier: tuple[Cid, ...] = ()
    ) -> Future[Scored]:
        return lazy(lambda: self.real.train(base, slice, visit, step, rows, earlier).result())

    def pack(self, slice: int, flips: float) -> Future[Cid]:
        return lazy(lambda: self.real.pack(slice, flips).result())

    def average(self, base: Cid, remote: ModelRef, step: int, earlier: tuple[Cid, ...] = ()) -> Future[Scored]:
        return lazy(lambda: self.real.average(base, remote, step, earlier).result())

    def forge(self, forgery: Forgery, source: ModelRef | None, step: int, other: Cid | None = None) -> Future[Weights]:
        return lazy(lambda: self.real.forge(forgery, source, step, other).result())


@dataclass
class LazyPredictor:
    """A predictor that is created at its first use; that imports torch, unless the peer has trained."""

    make: Callable[[], Predictor]

    @cached_property
    def real(self) -> Predictor:
        return self.make()

    @property
    def widths(self) -> tuple[int, ...]:
        return self.real.widths

    def predict(self, cid: Cid, rows: Sequence[Sequence[float]], standardised: bool) -> list[list[float]]:
        return self.real.predict(cid, rows, standardised)


def commit_rows(salt: str, features: NDArray[Any], labels: NDArray[Any]) -> Commitment:
    """The commitment of a peer that scores models on these rows, standardised and in this order."""
    kinds = "<f4", "<f8" if labels.dtype.kind == "f" else "<i8"
    parts = (part.astype(kind, copy=False).tobytes() for part, kind in zip((features, labels), kinds, strict=True))
    return commit(salt, features.shape[1], *parts)
