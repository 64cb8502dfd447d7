"""Test accuracy: many models, the same held-out rows."""

from dataclasses import replace

import pytest
from tests.learn.small import SESSION, TABLE, Swarm, network

from learnae.errors import PortError, Reason
from learnae.learn.batching import Pool, ScoreJob
from learnae.learn.evaluation import Evaluator
from learnae.learn.serialization import decode_block
from learnae.protocol.policies import Forgery
from learnae.protocol.types import Cid, Score


def scored(swarm: Swarm, *cids: Cid) -> list[Score]:
    evaluator = Evaluator(swarm.pool, TABLE, swarm.session, swarm.blocks)
    return evaluator.accuracy([(cid, swarm.split.test) for cid in cids])


def test_models_are_scored_together_on_the_held_out_rows_whoever_made_them() -> None:
    swarm = Swarm()
    cids = [swarm.initial, *[swarm.published(i).weights.cid for i in range(4)]]
    cids.append(swarm.trainers[0].forge(Forgery.RANDOM, None, 2).result().cid)
    scores = scored(swarm, *cids)
    assert swarm.pool.batch_sizes == [6]
    for cid, score in zip(cids, scores, strict=True):
        job = ScoreJob(network(), decode_block(network(), swarm.blocks[cid]).weights, TABLE, swarm.split.test)
        assert score == Score(Pool(1).submit(job).result().score.correct, 100)


def test_training_shows_on_rows_that_no_peer_has() -> None:
    swarm = Swarm(replace(SESSION, model=replace(SESSION.model, epochs=40)))
    before, after = scored(swarm, swarm.initial, swarm.published(0).weights.cid)
    assert after.beats(before)


def test_no_models_have_no_scores() -> None:
    assert scored(Swarm()) == []


def test_a_missing_model_is_said_to_be_missing() -> None:
    with pytest.raises(PortError) as caught:
        scored(Swarm(), Cid("bnone"))
    assert caught.value.reason is Reason.NOT_FOUND
