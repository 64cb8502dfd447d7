"""One peer's trainer: functional, checked against what was announced, and never fooled by what it fetched."""

from concurrent.futures import Future
from dataclasses import replace
from typing import Any

import pytest
import torch
from tests.learn.small import CID, SESSION, TABLE, Swarm, close, name, network, ref, weights

from learnae.errors import DriverError, PortError, Reason
from learnae.learn.averaging import average
from learnae.learn.batching import Pool, ScoreJob
from learnae.learn.cache import BlockMetadata, DecodedModel, ModelCache
from learnae.learn.serialization import decode_block, encode_block, weights_digest
from learnae.learn.weight_store import WeightStore, initial_block
from learnae.messages.wire import cid_of
from learnae.ports import Trainer
from learnae.protocol.policies import Forgery
from learnae.protocol.types import Cid, ModelRef, Score, Weights
from learnae.session.settings import Group, ModelSettings


def refusal(future: Future[Any]) -> Reason:
    with pytest.raises(PortError) as caught:
        future.result()
    return caught.value.reason


def tensors(swarm: Swarm, made: Weights) -> torch.Tensor:
    return decode_block(network(), swarm.blocks[made.cid]).weights


def put(swarm: Swarm, flat: torch.Tensor, stamp: BlockMetadata) -> Weights:
    """A block as a neighbour's node would serve it."""
    block = encode_block(network(), flat, stamp)
    swarm.blocks[cid_of(block)] = block
    return Weights(cid_of(block), weights_digest(flat))


def scored(flat: torch.Tensor, rows: torch.Tensor) -> Score:
    return Score(Pool(1).submit(ScoreJob(network(), flat, TABLE, rows)).result().score.correct, len(rows))


def test_it_is_the_port() -> None:
    trainer: Trainer = Swarm().trainers[0]
    assert trainer


def test_the_initial_block_is_the_same_for_all_and_names_nobody() -> None:
    block = initial_block(SESSION, "seed")
    assert block == initial_block(SESSION, "seed") != initial_block(SESSION, "other seed")
    assert decode_block(network(), block).metadata == BlockMetadata("", "", 0)


def test_each_peer_can_have_initial_weights_of_its_own() -> None:
    assert len({initial_block(SESSION, "seed", peer) for peer in ("", "p00", "p01")}) == 3


def test_training_stores_a_block_of_its_own_and_scores_it_on_its_own_validation_rows() -> None:
    swarm = Swarm()
    made, score = swarm.trainers[1].train(swarm.initial, 2, 2, 7).result()
    model = decode_block(network(), swarm.blocks[made.cid])
    assert cid_of(swarm.blocks[made.cid]) == made.cid
    assert model.digest == made.digest
    assert model.metadata == BlockMetadata(CID, name(1), 7)
    assert score == scored(model.weights, swarm.split.peers[1].validation)


def test_training_is_a_function_of_base_slice_and_visit() -> None:
    def digest_of(slice: int, visit: int) -> str:
        swarm = Swarm()
        return swarm.trainers[0].train(swarm.initial, slice, visit, 1).result()[0].digest

    assert digest_of(0, 0) == digest_of(0, 0)
    assert len({digest_of(0, 0), digest_of(1, 0), digest_of(0, 3)}) == 3


def test_peers_training_at_once_run_as_one_batch() -> None:
    swarm = Swarm()
    future = [trainer.train(swarm.initial, i % 3, 0, 1) for i, trainer in enumerate(swarm.trainers)]
    assert len({job.result()[0].cid for job in future}) == 4
    assert swarm.pool.batch_sizes == [4]


def test_slices_are_equal_disjoint_and_leave_out_the_remainder() -> None:
    swarm = Swarm(replace(SESSION, work=replace(SESSION.work, slices=7)))
    slices = [swarm.trainers[0]._slice(i) for i in range(7)]
    assert [len(rows) for rows in slices] == [17] * 7
    assert len(set(torch.cat(slices).tolist())) == 119


@pytest.mark.parametrize("index", [-1, 3])
def test_a_slice_that_does_not_exist_is_the_drivers_mistake(index: int) -> None:
    swarm = Swarm()
    with pytest.raises(DriverError, match=f"p00 has no training rows in slice {index}"):
        swarm.trainers[0].train(swarm.initial, index, 0, 1)


def test_a_peer_without_rows_scores_on_its_judging_block_and_cannot_train() -> None:
    swarm = Swarm(replace(SESSION, groups=(Group(count=1, has_rows=False), Group())))
    _, score = swarm.trainers[0].score(swarm.initial, None).result()
    assert score == scored(
        decode_block(network(), swarm.blocks[swarm.initial]).weights, swarm.split.peers[0].validation
    )
    with pytest.raises(DriverError, match="no training rows"):
        swarm.trainers[0].train(swarm.initial, 0, 0, 1)


def test_averaging_is_half_of_each_under_the_own_name() -> None:
    swarm = Swarm()
    own, remote = swarm.published(0), swarm.published(1)
    made, score = swarm.trainers[0].average(own.weights.cid, remote, 2).result()
    model = decode_block(network(), swarm.blocks[made.cid])
    assert torch.equal(model.weights, average(tensors(swarm, own.weights), tensors(swarm, remote.weights)))
    assert model.metadata == BlockMetadata(CID, name(0), 2)
    assert score == scored(model.weights, swarm.split.peers[0].validation)


def test_scoring_a_fetched_model_names_it_and_makes_nothing() -> None:
    swarm = Swarm()
    remote = swarm.published(1)
    before = dict(swarm.blocks)
    found, score = swarm.trainers[0].score(remote.weights.cid, remote).result()
    assert found == remote.weights
    assert score == scored(tensors(swarm, found), swarm.split.peers[0].validation)
    assert swarm.blocks == before


@pytest.mark.parametrize(
    ("stamp", "reason"),
    [
        (BlockMetadata(CID, "p02", 1), Reason.CREATOR),
        (BlockMetadata(CID, "p01", 2), Reason.CREATOR),
        (BlockMetadata("bother", "p01", 1), Reason.CREATOR),
        (BlockMetadata("", "", 0), Reason.CREATOR),
    ],
)
def test_a_block_stamped_otherwise_than_announced_is_refused(stamp: BlockMetadata, reason: Reason) -> None:
    swarm = Swarm()
    remote = ModelRef(name(1), 1, put(swarm, weights(network(), 5), stamp))
    assert refusal(swarm.trainers[0].score(remote.weights.cid, remote)) is reason
    assert refusal(swarm.trainers[0].average(swarm.initial, remote, 1)) is reason


def test_tensors_that_were_not_announced_are_refused() -> None:
    swarm = Swarm()
    remote = swarm.published(1)
    other = replace(remote, weights=Weights(remote.weights.cid, "0" * 32))
    assert refusal(swarm.trainers[0].average(swarm.initial, other, 1)) is Reason.DIGEST


def test_a_block_that_is_no_model_is_refused_when_the_result_is_due() -> None:
    swarm = Swarm()
    swarm.blocks[Cid("bad")] = b"nonsense"
    bad = ModelRef(name(1), 1, Weights(Cid("bad"), "0" * 32))
    assert refusal(swarm.trainers[0].score(Cid("bad"), bad)) is Reason.MALFORMED
    assert refusal(swarm.trainers[0].forge(Forgery.COPY, bad, 1)) is Reason.MALFORMED


def test_a_block_that_is_not_there_is_refused_even_if_another_peer_has_decoded_it() -> None:
    swarm = Swarm()
    remote = swarm.published(1)
    del swarm.blocks[remote.weights.cid]
    assert refusal(swarm.trainers[0].average(swarm.initial, remote, 1)) is Reason.NOT_FOUND
    assert refusal(swarm.trainers[0].train(remote.weights.cid, 0, 0, 1)) is Reason.NOT_FOUND


def test_training_that_diverges_is_refused_and_leaves_no_block() -> None:
    swarm = Swarm(replace(SESSION, model=replace(SESSION.model, learning_rate=1e30)))
    before = dict(swarm.blocks)
    assert refusal(swarm.trainers[0].train(swarm.initial, 0, 0, 1)) is Reason.NOT_FINITE
    assert swarm.blocks == before


def test_random_forgeries_are_far_from_anything_trained() -> None:
    swarm = Swarm()
    made = swarm.trainers[0].forge(Forgery.RANDOM, None, 4).result()
    assert tensors(swarm, made).std().item() == pytest.approx(5, rel=0.2)
    assert decode_block(network(), swarm.blocks[made.cid]).metadata == BlockMetadata(CID, name(0), 4)
    assert swarm.trainers[0].forge(Forgery.RANDOM, None, 5).result().digest != made.digest


def test_a_copy_has_the_same_digest_under_another_name() -> None:
    swarm = Swarm()
    source = swarm.published(1)
    made = swarm.trainers[0].forge(Forgery.COPY, source, 4).result()
    assert made.digest == source.weights.digest
    assert made.cid != source.weights.cid
    assert decode_block(network(), swarm.blocks[made.cid]).metadata.creator == name(0)


def test_a_perturbed_copy_has_another_digest_and_differs_by_a_thousandth() -> None:
    swarm = Swarm()
    source = swarm.published(1)
    made = swarm.trainers[0].forge(Forgery.PERTURBED, source, 4).result()
    assert made.digest != source.weights.digest
    assert close(tensors(swarm, made), tensors(swarm, source.weights), relative=1e-2)


@pytest.mark.parametrize("forgery", [Forgery.COPY, Forgery.PERTURBED])
def test_a_copy_of_nothing_is_the_drivers_mistake(forgery: Forgery) -> None:
    with pytest.raises(DriverError, match="needs a source"):
        Swarm().trainers[0].forge(forgery, None, 1)


def test_adam_and_other_shapes_work_all_the_way() -> None:
    swarm = Swarm(replace(SESSION, model=ModelSettings(hidden=(5,), optimizer="adam", learning_rate=0.01)))
    made, _ = swarm.trainers[0].train(swarm.initial, 0, 0, 1).result()
    assert swarm.trainers[1].average(swarm.initial, ref(0, made), 1).result()


def test_asking_twice_gives_one_answer() -> None:
    swarm = Swarm()
    future = swarm.trainers[0].train(swarm.initial, 0, 0, 1)
    assert future.result() is future.result()


def test_a_decoded_model_is_not_decoded_again() -> None:
    swarm = Swarm()
    models = WeightStore(network(), swarm.blocks, ModelCache(1 << 20))
    assert models.get(swarm.initial) is models.get(swarm.initial)


def test_the_cache_forgets_what_was_used_longest_ago() -> None:
    one = DecodedModel(torch.zeros(100), "", BlockMetadata("", "", 0))
    cache = ModelCache(max_bytes=2 * one.weights.nbytes)
    for cid in ("a", "b", "b"):
        cache.put(Cid(cid), one)
    cache.get(Cid("a"))
    cache.put(Cid("c"), one)
    assert [cache.get(Cid(cid)) is None for cid in "abc"] == [False, True, False]
