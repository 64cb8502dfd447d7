"""The suite of ``ports.Trainer``.  An implementation supplies the fixture ``world``: two trainers and their blocks."""

from collections.abc import MutableMapping
from concurrent.futures import Future
from dataclasses import replace
from typing import Any, Protocol

import pytest

from learnae.errors import PortError, Reason
from learnae.messages.wire import MAX_BLOCK, cid_of
from learnae.ports import Trainer
from learnae.protocol.policies import Forgery
from learnae.protocol.types import Cid, ModelRef, Parents, PeerId, Weights


class TrainerWorld(Protocol):
    mine: Trainer
    theirs: Trainer
    peers: tuple[PeerId, PeerId]  # whose they are
    initial: Cid
    blocks: MutableMapping[Cid, bytes]  # both find their models here


def published(world: TrainerWorld, step: int = 1) -> ModelRef:
    """A model that the other peer has trained and announced."""
    weights, _ = world.theirs.train(world.initial, 0, 0, step).result()
    return ModelRef(world.peers[1], step, weights)


def refusal(future: Future[Any]) -> Reason:
    with pytest.raises(PortError) as failure:
        future.result()
    return failure.value.reason


def replaced(world: TrainerWorld, block: bytes) -> ModelRef:
    """An announcement of a block that is no model."""
    world.blocks[cid_of(block)] = block
    return replace(published(world), weights=Weights(cid_of(block), "00" * 16))


class TrainerSuite:
    def test_scoring_changes_nothing(self, world: TrainerWorld) -> None:
        before = dict(world.blocks)
        weights, score = world.mine.score(world.initial, None).result()
        assert weights.cid == world.initial
        assert 0 <= score.correct <= score.total > 0
        assert world.blocks == before

    def test_an_average_is_accepted_only_as_the_mean_of_the_parents_that_it_names(self, world: TrainerWorld) -> None:
        """As far as the blocks of the parents are at hand."""
        mine, _ = world.mine.train(world.initial, 0, 0, 1).result()
        base, _ = world.theirs.train(world.initial, 1, 1, 1).result()
        other, _ = world.theirs.train(world.initial, 2, 5, 2).result()
        weights, _ = world.theirs.average(base.cid, ModelRef(world.peers[0], 1, mine), 3).result()
        average = ModelRef(world.peers[1], 3, weights, Parents((base.cid, mine.cid), (world.peers[1], world.peers[0])))
        assert world.mine.score(weights.cid, average).result()[0] == weights
        assert average.parents
        for false in (
            replace(average.parents, cids=(other.cid, other.cid)),
            replace(average.parents, creators=(world.peers[1], world.peers[1])),
        ):
            assert refusal(world.mine.score(weights.cid, replace(average, parents=false))) is Reason.PARENTS
        unknown = replace(average, parents=replace(average.parents, cids=(cid_of(b"unknown"), mine.cid)))
        assert world.mine.score(weights.cid, unknown).result()[0] == weights

    def test_training_makes_a_block_of_its_own(self, world: TrainerWorld) -> None:
        weights, score = world.mine.train(world.initial, 0, 0, 1).result()
        assert weights.cid == cid_of(world.blocks[weights.cid]) != world.initial
        assert world.mine.score(weights.cid, None).result() == (weights, score)

    def test_the_same_slice_of_the_same_weights_gives_the_same_weights(self, world: TrainerWorld) -> None:
        """So that a slice that was interrupted by a crash can be trained again."""
        once = world.mine.train(world.initial, 0, 0, 1).result()
        assert world.mine.train(world.initial, 0, 0, 1).result() == once

    def test_equal_weights_of_another_creator_are_another_block(self, world: TrainerWorld) -> None:
        mine, _ = world.mine.train(world.initial, 0, 0, 1).result()
        theirs, _ = world.theirs.train(world.initial, 0, 0, 1).result()
        assert mine.cid != theirs.cid

    def test_an_average_is_a_block_of_its_own_and_always_the_same(self, world: TrainerWorld) -> None:
        base, _ = world.mine.train(world.initial, 0, 0, 1).result()
        remote = published(world)
        weights, score = world.mine.average(base.cid, remote, 2).result()
        assert weights.cid not in (base.cid, remote.weights.cid)
        assert weights.cid == cid_of(world.blocks[weights.cid])
        assert world.mine.average(base.cid, remote, 2).result() == (weights, score)

    def test_jobs_handed_in_together_have_the_results_they_have_alone(self, world: TrainerWorld) -> None:
        alone = [world.mine.train(world.initial, 0, 0, 1).result(), world.theirs.train(world.initial, 0, 0, 1).result()]
        jobs = [world.mine.train(world.initial, 0, 0, 1), world.theirs.train(world.initial, 0, 0, 1)]
        assert [job.result()[1].total for job in jobs] == [score.total for _, score in alone]
        assert [job.result() for job in jobs] == [job.result() for job in jobs]

    def test_an_announced_model_is_scored_as_it_is(self, world: TrainerWorld) -> None:
        remote = published(world)
        weights, _ = world.mine.score(remote.weights.cid, remote).result()
        assert weights == remote.weights

    def test_a_block_that_names_another_creator_is_rejected(self, world: TrainerWorld) -> None:
        remote = replace(published(world), creator=world.peers[0])
        assert refusal(world.mine.average(world.initial, remote, 1)) is Reason.CREATOR
        assert refusal(world.mine.score(remote.weights.cid, remote)) is Reason.CREATOR

    def test_a_block_of_another_step_is_rejected(self, world: TrainerWorld) -> None:
        remote = replace(published(world), step=9)
        assert refusal(world.mine.average(world.initial, remote, 1)) is Reason.CREATOR

    def test_a_block_with_other_tensors_than_announced_is_rejected(self, world: TrainerWorld) -> None:
        model = published(world)
        remote = replace(model, weights=replace(model.weights, digest="00" * 16))
        assert refusal(world.mine.average(world.initial, remote, 1)) is Reason.DIGEST

    @pytest.mark.parametrize("block", [b"", b"garbage", b"\x80\x04]q\x00.", b"x" * 1000])
    def test_a_block_that_is_no_model_is_rejected(self, world: TrainerWorld, block: bytes) -> None:
        assert refusal(world.mine.average(world.initial, replaced(world, block), 1)) is Reason.MALFORMED

    def test_a_block_that_is_too_large_is_rejected(self, world: TrainerWorld) -> None:
        remote = replaced(world, bytes(MAX_BLOCK + 1))
        assert refusal(world.mine.average(world.initial, remote, 1)) in (Reason.OVERSIZE, Reason.MALFORMED)

    def test_a_block_that_is_not_at_hand_is_not_found(self, world: TrainerWorld) -> None:
        remote = published(world)
        del world.blocks[remote.weights.cid]
        assert refusal(world.mine.average(world.initial, remote, 1)) is Reason.NOT_FOUND

    def test_a_copy_has_the_tensors_of_its_source_and_another_creator(self, world: TrainerWorld) -> None:
        source = published(world)
        copy = world.mine.forge(Forgery.COPY, source, 1).result()
        assert copy.digest == source.weights.digest
        assert copy.cid != source.weights.cid

    def test_a_perturbed_copy_has_tensors_of_its_own(self, world: TrainerWorld) -> None:
        source = published(world)
        assert world.mine.forge(Forgery.PERTURBED, source, 1).result().digest != source.weights.digest

    @pytest.mark.parametrize("forgery", [forgery for forgery in Forgery if forgery.of_two])
    def test_a_forgery_of_two_models_has_tensors_of_its_own(self, world: TrainerWorld, forgery: Forgery) -> None:
        source = published(world)
        made = world.mine.forge(forgery, source, 1, world.initial).result()
        assert made.digest != source.weights.digest
        assert refusal(world.mine.forge(forgery, source, 1, Cid("missing"))) is Reason.NOT_FOUND

    def test_poison_can_be_averaged_by_others(self, world: TrainerWorld) -> None:
        poison = world.mine.forge(Forgery.RANDOM, None, 1).result()
        model = ModelRef(world.peers[0], 1, poison)
        _, score = world.theirs.average(world.initial, model, 1).result()
        assert score.total > 0
