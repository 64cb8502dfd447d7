"""A peer with its own rows in a file computes what it would with the whole table."""

import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from tests.helpers.peers import own_plugin
from tests.learn.small import CID, SESSION, name, table

from learnae.errors import InputError
from learnae.learn.datasets import shard_file
from learnae.messages.wire import cid_of
from learnae.ports import Trainer
from learnae.protocol.types import Cid
from learnae.records.history import PeerRestarted
from learnae.runtime.shard_learning import INITIAL, ROWS, LazyTrainer, ShardLearning, commit_rows
from learnae.runtime.torch_learning import TorchLearning
from learnae.session.session_file import to_toml
from learnae.session.settings import ScoreSettings

WHOLE = TorchLearning(SESSION, threads=1, table=table())


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """Of the third peer."""
    shard_file.save(tmp_path / ROWS, WHOLE.table, WHOLE.split.peers[2])
    (tmp_path / INITIAL).mkdir()
    (tmp_path / INITIAL / "p02.safetensors").write_bytes(WHOLE.initial_block("p02"))
    return tmp_path


def test_it_trains_the_same_weights_from_its_file_as_from_the_whole_table(folder: Path) -> None:
    alone = ShardLearning(SESSION, folder)
    alone.observe(0.0, "p02", PeerRestarted())
    assert alone.features == WHOLE.features and alone.rows(2) == WHOLE.rows(2)
    results = []
    for learning in (alone, WHOLE):
        first = learning.initial_block("p02")
        blocks: dict[Cid, bytes] = {cid_of(first): first}
        trainer: Trainer = learning.trainer(2, name(2), CID, blocks)
        weights, score = trainer.train(cid_of(first), 1, 1, 1).result()
        results.append((trainer.score(cid_of(first), None).result(), weights, score, blocks[weights.cid]))
    assert results[0] == results[1]


def test_a_peer_refuses_a_metric_that_can_never_work_where_it_runs(folder: Path) -> None:
    metric = own_plugin("def metric(seen):\n    import no_such_package", "metric")
    ShardLearning(SESSION, folder).try_plugins()
    with pytest.raises(InputError, match="line 2: ModuleNotFoundError: No module named 'no_such_package': correct it"):
        ShardLearning(replace(SESSION, score=ScoreSettings(metric)), folder).try_plugins()


def test_its_file_holds_its_own_rows_and_no_others(folder: Path) -> None:
    rows = WHOLE.split.peers[2]
    held, found = shard_file.load(folder / ROWS)
    assert len(held) == len(rows.train) + len(rows.validation)
    assert (held.features[found.train] == WHOLE.table.features[rows.train]).all()
    assert (held.labels[found.validation] == WHOLE.table.labels[rows.validation]).all()


def test_it_commits_to_the_rows_that_the_session_dealt_it_under_a_salt_of_its_own(folder: Path) -> None:
    commitment = ShardLearning(SESSION, folder).commitment(2)
    features, labels = WHOLE.table.select(WHOLE.split.peers[2].validation)
    assert commitment == commit_rows(commitment.salt, features.numpy(), labels.numpy())
    assert commitment.digest != WHOLE.commitment(2).digest != WHOLE.commitment(1).digest
    shard_file.save(folder / ROWS, WHOLE.table, WHOLE.split.peers[2])
    assert ShardLearning(SESSION, folder).commitment(2).salt != commitment.salt


LOADED = """
import ctypes, os, sys
from importlib.util import find_spec
from pathlib import Path
from learnae.learn.torch_import import load_torch

[extension] = Path(find_spec("torch").submodule_search_locations[0]).glob("_C.*.so")
loaded = lambda: bool(ctypes.CDLL(None).dlopen(os.fsencode(extension), os.RTLD_NOW | os.RTLD_NOLOAD))
before = loaded()
load_torch()
print(before, loaded(), "torch" in sys.modules)
"""


def test_torchs_libraries_are_loaded_before_its_import_would_hold_the_interpreters_lock_for_them() -> None:
    told = subprocess.run([sys.executable, "-c", LOADED], capture_output=True, text=True, check=True)
    assert told.stdout.split() == ["False", "True", "False"]


ALONE = """
import sys
from dataclasses import replace
from pathlib import Path
from learnae.messages.wire import cid_of
from learnae.records.history import PeerRestarted
from learnae.runtime.shard_learning import ShardLearning
from learnae.session.session_file import load

folder, session_id, peer = Path(sys.argv[1]), *sys.argv[2:]
alone = ShardLearning(load(folder / "session.toml"), folder)
alone.observe(0.0, "p02", PeerRestarted())
first = alone.initial_block("p02")
trainer = alone.trainer(2, peer, session_id, {cid_of(first): first})
print(trainer.train(cid_of(first), 1, 1, 1).result())
"""


def test_a_peer_alone_in_its_process_trains_the_same_weights(folder: Path) -> None:
    (folder / "session.toml").write_text(to_toml(SESSION), encoding="utf-8")
    told = subprocess.run([sys.executable, "-c", ALONE, folder, CID, name(2)], capture_output=True, text=True)
    first = WHOLE.initial_block("p02")
    trainer = WHOLE.trainer(2, name(2), CID, {cid_of(first): first})
    assert told.stdout == f"{trainer.train(cid_of(first), 1, 1, 1).result()}\n", told.stderr


def test_nothing_is_made_before_a_result_is_waited_for() -> None:
    made: list[int] = []

    def make() -> Trainer:
        made.append(1)
        raise InputError("no rows")

    pending = LazyTrainer(make).score(CID, None)
    assert not made
    with pytest.raises(InputError):
        pending.result()
    assert made


def test_a_folder_without_sound_rows_is_refused_in_a_sentence(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="render the swarm again"):
        ShardLearning(SESSION, tmp_path)
    (tmp_path / ROWS).write_bytes(b"no archive")
    with pytest.raises(InputError, match="render the swarm again"):
        ShardLearning(SESSION, tmp_path)
    with pytest.raises(InputError, match="render the swarm again"):
        shard_file.load(tmp_path / ROWS)
    np.savez(
        tmp_path / ROWS,
        features=np.zeros((2, 3), np.float32),
        labels=np.zeros(2, int),
        trained=1,
        salt="s",
        data_sha256="",
        statistics='{"classes": 2, "mean": [], "std": []}',
    )
    with pytest.raises(InputError, match="initial weights of p02"):
        ShardLearning(SESSION, tmp_path).initial_block("p02")
