"""Learning of a whole swarm in one process: data, pool and trainers.  Importing this module imports torch."""

from collections.abc import Mapping, Sequence

from learnae.learn.batching import CACHE_BYTES, JobResult, Pool
from learnae.learn.compute import compute_of
from learnae.learn.datasets.dataset import Dataset
from learnae.learn.datasets.partition import load_partitioned
from learnae.learn.evaluation import Evaluator
from learnae.learn.model import create_network
from learnae.learn.plugin_trials import try_on_rows
from learnae.learn.predictor import TorchPredictor
from learnae.learn.similarity import Similarity
from learnae.learn.trainer import PoolTrainer
from learnae.learn.weight_store import WeightStore, initial_block
from learnae.messages.readings import SensorRows
from learnae.ports import Predictor, Trainer
from learnae.protocol.decisions import PluginFailed
from learnae.protocol.types import Cid, Commitment, PeerId
from learnae.runtime.learning import Blocks, HeldOutScores, cut
from learnae.runtime.shard_learning import commit_rows
from learnae.session.settings import Session

CACHED_PER_PEER = 3  # models: its own, the one it tries, and one that others try


class TorchLearning:
    """``batch``: max jobs per batch; 0 for all that wait.  ``table``: the session's data, if it is already loaded.

    ``salt``: by which the host deals judging blocks.
    """

    def __init__(
        self, session: Session, threads: int, batch: int = 0, table: Dataset | None = None, salt: str = ""
    ) -> None:
        self.session, compute = session, compute_of(session.compute)
        self.table, self.split = load_partitioned(session, table, salt)
        try_on_rows(session, self.table)
        self.statistics: Mapping[str, object] = self.table.statistics
        network = create_network(session.model, *self.table.shape)
        cache_bytes = max(CACHE_BYTES, CACHED_PER_PEER * session.peers * 4 * network.size)
        self.pool = Pool(threads, batch, cache_bytes, compute)
        self.features, self.data_sha256 = self.table.shape.features, self.table.sha256
        self.notice = " ".join(filter(None, (self.split.notice, network.notice))) or None

    def initial_block(self, name: str) -> bytes:
        common = self.session.model.common_initial_weights
        return initial_block(self.session, str(self.session.seed), "" if common else name, self.table.shape)

    def trainer(self, index: int, peer: PeerId, session_id: Cid, blocks: Blocks) -> Trainer:
        rows, seed = self.split.peers[index], str(self.session.seed)
        return PoolTrainer(self.pool, self.table, rows, self.session, session_id, peer, seed, blocks)

    def similarity(self, index: int, blocks: Blocks) -> Similarity:
        """How alike models are for this peer, of which blocks are at hand."""
        network = create_network(self.session.model, *self.table.shape)
        models = WeightStore(network, blocks, self.pool.models)
        return Similarity(network, models, blocks, self.table, self.split.peers[index].validation)

    def predictor(self, blocks: Blocks) -> Predictor:
        return TorchPredictor(self.session, self.table, blocks, self.pool.models)

    def rows(self, index: int) -> int:
        return len(self.split.peers[index].train)

    def readings(self, index: int) -> list[SensorRows]:
        features, labels = (part[0].numpy() for part in self.table.select(self.split.peers[index].train.unsqueeze(0)))
        rows = SensorRows(self.features, features.astype("<f4").tobytes(), labels.astype("u1").tobytes())
        return cut(rows, self.session.feed.rows)

    def commitment(self, index: int, salt: str | None = None) -> Commitment:
        """By default the salt follows from the seed: who has a session in one process has its rows anyway."""
        rows = self.table.select(self.split.peers[index].validation)
        return commit_rows(f"{self.session.seed} {index}" if salt is None else salt, *(part.numpy() for part in rows))

    def evaluate(self, models: Sequence[tuple[int, Cid]], blocks: Blocks) -> list[HeldOutScores]:
        evaluator = Evaluator(self.pool, self.table, self.session, blocks)
        tests = evaluator.measure([(cid, self.split.test) for _, cid in models])
        if not self.session.data.own_distributions:
            return [HeldOutScores(test.score, None, _failed(test)) for test in tests]
        own_tests = evaluator.measure([(cid, self.split.own_test[index]) for index, cid in models])
        pairs = zip(tests, own_tests, strict=True)
        return [HeldOutScores(test.score, own.score, _failed(test) or _failed(own)) for test, own in pairs]


def _failed(tested: JobResult) -> PluginFailed | None:
    error = tested.failure
    return PluginFailed(error.plugin, error.line, error.error) if error else None
