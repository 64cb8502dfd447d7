"""Averages by the session's rule: the best of the mixes is kept, and a peer with both parents can compute it again."""

from dataclasses import replace

import pytest
import torch
from tests.helpers.peers import own_plugin
from tests.learn.small import CID, SESSION, Swarm, name, network, weights

from learnae.errors import PortError, Reason
from learnae.learn.averaging import average
from learnae.learn.cache import BlockMetadata
from learnae.learn.serialization import decode_block, encode_block
from learnae.messages.wire import cid_of
from learnae.ports import ScoredDespite
from learnae.protocol.averaging import HALF, ONE
from learnae.protocol.types import ModelRef, Parents, Weights
from learnae.session.settings import AveragingSettings

NET = network()


def swarm(rule: str) -> Swarm:
    return Swarm(replace(SESSION, averaging=AveragingSettings(rule)))


def averaged(world: Swarm) -> tuple[ModelRef, ModelRef, ModelRef]:
    """Models of two peers, and the first one's average of both as it would be announced."""
    own, remote = world.published(0), world.published(1)
    made, _ = world.trainers[0].average(own.weights.cid, remote, 2).result()
    return own, remote, ModelRef(name(0), 2, made, parents_of(own, remote))


def parents_of(own: ModelRef, remote: ModelRef) -> Parents:
    return Parents((own.weights.cid, remote.weights.cid), (own.creator, remote.creator))


def metadata(world: Swarm, model: ModelRef) -> BlockMetadata:
    return decode_block(NET, world.blocks[model.weights.cid]).metadata


def restamped(world: Swarm, model: ModelRef, **changes: object) -> ModelRef:
    """The same tensors in a block with other metadata."""
    decoded = decode_block(NET, world.blocks[model.weights.cid])
    block = encode_block(NET, decoded.weights, replace(decoded.metadata, **changes))  # type: ignore[arg-type]
    world.blocks[cid_of(block)] = block
    return replace(model, weights=Weights(cid_of(block), decoded.digest))


def test_each_tensor_has_its_share() -> None:
    one, other = weights(NET, 1), weights(NET, 2)
    mixed = NET.tensors(average(one, other, (0, ONE, HALF, HALF, 0, ONE), NET))
    for index, (tensor, own, remote) in enumerate(
        zip(mixed.values(), NET.tensors(one).values(), NET.tensors(other).values(), strict=True)
    ):
        assert torch.equal(tensor, (own, remote, (own + remote) / 2)[(0, 1, 2, 2, 0, 1)[index]])


@pytest.mark.parametrize("rule", ["by-score", "by-rows", "line-search", "layerwise"])
def test_an_average_can_be_computed_again_from_its_parents_and_its_shares(rule: str) -> None:
    world = swarm(rule)
    own, remote, made = averaged(world)
    assert world.trainers[2].score(made.weights.cid, made).result()[0] == made.weights
    found = metadata(world, made)
    assert found.mix and found.rows == 120 == metadata(world, remote).rows
    for wrong, reason in (
        ((), Reason.PARENTS),
        ((found.mix[0] + 1,), Reason.PARENTS),
        ((0,), Reason.MALFORMED),
        ((ONE + 1,), Reason.MALFORMED),
        ((1, 2), Reason.MALFORMED),
    ):
        with pytest.raises(PortError) as caught:
            world.trainers[2].score((false := restamped(world, made, mix=wrong)).weights.cid, false).result()
        assert caught.value.reason is reason


def test_a_model_without_parents_has_no_shares() -> None:
    world = swarm("by-rows")
    trained = restamped(world, world.published(1), mix=(HALF,))
    with pytest.raises(PortError) as caught:
        world.trainers[0].score(trained.weights.cid, trained).result()
    assert caught.value.reason is Reason.MALFORMED


def test_the_best_mix_is_kept() -> None:
    world = swarm(own_plugin("def rule(view):\n    return [1, 65535]", "rule"))
    own = world.published(0)
    random = encode_block(NET, weights(NET, 5) * 30, BlockMetadata(CID, name(1), 1, 120))
    world.blocks[cid_of(random)] = random
    bad = ModelRef(name(1), 1, Weights(cid_of(random), decode_block(NET, random).digest))
    made, score = world.trainers[0].average(own.weights.cid, bad, 2).result()
    assert metadata(world, ModelRef(name(0), 2, made)).mix == (1,)
    assert score == world.trainers[0].score(own.weights.cid, own).result()[1]


def test_a_rule_that_raises_counts_as_the_mean() -> None:
    world = swarm(own_plugin("def rule(view):\n    raise KeyError(1)", "rule"))
    own, remote = world.published(0), world.published(1)
    with pytest.raises(ScoredDespite) as caught:
        world.trainers[0].average(own.weights.cid, remote, 2).result()
    mean = Swarm()
    expected, score = mean.trainers[0].average(mean.published(0).weights.cid, mean.published(1), 2).result()
    assert (caught.value.weights.digest, caught.value.score) == (expected.digest, score)
    assert (caught.value.failure.line, caught.value.failure.error) == (2, "KeyError: 1")


def test_the_papers_rule_leaves_blocks_as_they_are_and_refuses_other_facts_in_them() -> None:
    world = Swarm()
    _, remote, made = averaged(world)
    assert metadata(world, made) == BlockMetadata(CID, name(0), 2)
    for changes in ({"rows": 7}, {"mix": (HALF,)}):
        other = restamped(world, remote, **changes)
        with pytest.raises(PortError) as caught:
            world.trainers[0].score(other.weights.cid, other).result()
        assert caught.value.reason is Reason.MALFORMED
