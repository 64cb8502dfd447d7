"""Class probabilities of rows that somebody brings."""

from dataclasses import replace

import pytest
import torch
from tests.learn.small import TABLE, Swarm, network

from learnae.errors import PortError, Reason
from learnae.learn.cache import BlockMetadata
from learnae.learn.datasets.dataset import FEATURES
from learnae.learn.evaluation import Evaluator
from learnae.learn.predictor import TorchPredictor
from learnae.learn.serialization import encode_block
from learnae.messages.wire import cid_of
from learnae.protocol.types import Cid


def test_the_likeliest_classes_are_as_accurate_as_the_model_is() -> None:
    swarm = Swarm()
    cid, rows = swarm.published(0).weights.cid, swarm.split.test
    predictor = TorchPredictor(swarm.session, TABLE, swarm.blocks, swarm.pool.models)
    found = torch.tensor(predictor.predict(cid, TABLE.features[rows].tolist(), True))
    assert found.shape == (len(rows), 2)
    assert torch.allclose(found.sum(1), torch.ones(len(rows)))
    [score] = Evaluator(swarm.pool, TABLE, swarm.session, swarm.blocks).accuracy([(cid, rows)])
    assert int((found.argmax(1) == TABLE.labels[rows]).sum()) == score.correct
    assert predictor.widths == (FEATURES, 8, 6, 2)


def test_raw_rows_are_standardised_as_the_sessions_rows_were() -> None:
    table = replace(TABLE, mean=(3.0,) * FEATURES, std=(2.0,) * FEATURES)
    swarm = Swarm(table=table)
    predictor = TorchPredictor(swarm.session, table, swarm.blocks, swarm.pool.models)
    rows = table.features[:5]
    standardised = predictor.predict(swarm.initial, rows.tolist(), True)
    raw = predictor.predict(swarm.initial, (rows * 2 + 3).tolist(), False)
    assert raw == [pytest.approx(each, abs=1e-5) for each in standardised]


def test_huge_rows_and_huge_weights_still_have_probabilities() -> None:
    swarm = Swarm()
    predictor = TorchPredictor(swarm.session, TABLE, swarm.blocks, swarm.pool.models)
    block = encode_block(network(), torch.full((network().size,), 3e38), BlockMetadata("", "", 0))
    huge = cid_of(block)
    swarm.blocks[huge] = block
    for cid, value in ((swarm.initial, 1e30), (swarm.initial, -1e308), (huge, 1.0), (huge, -1e308)):
        [found] = predictor.predict(cid, [[value] * FEATURES], True)
        assert sum(found) == pytest.approx(1) and all(0 <= each <= 1 for each in found)


def test_a_model_that_is_not_at_hand_is_said_to_be_missing() -> None:
    swarm = Swarm()
    with pytest.raises(PortError) as caught:
        TorchPredictor(swarm.session, TABLE, swarm.blocks, swarm.pool.models).predict(Cid("bnone"), [[0.0]], True)
    assert caught.value.reason is Reason.NOT_FOUND
