"""A model that predicts nearly the same as an earlier one is refused, whatever its weights are."""

from dataclasses import replace
from decimal import Decimal

import pytest
from tests.learn.small import CID, SESSION, Swarm, name, network, ref

from learnae.errors import PortError, Reason
from learnae.learn.cache import BlockMetadata
from learnae.learn.serialization import decode_block, encode_block, weights_digest
from learnae.learn.similarity import Similarity
from learnae.learn.weight_store import WeightStore
from learnae.messages.wire import cid_of
from learnae.ports import TooSimilar
from learnae.protocol.defence_types import Likeness
from learnae.protocol.policies import Forgery
from learnae.protocol.types import Cid, ModelRef, Parents, Score, Weights
from learnae.session.settings import Session


def careful(similar: str | None = "0.99") -> Session:
    return replace(SESSION, defence=replace(SESSION.defence, similar=None if similar is None else Decimal(similar)))


def perturbed(swarm: Swarm, source: ModelRef) -> ModelRef:
    """A copy with a little noise, by the second peer."""
    return ref(1, swarm.trainers[1].forge(Forgery.PERTURBED, source, 2).result(), 2)


def with_hidden_units_reversed(swarm: Swarm, source: ModelRef) -> ModelRef:
    """Another order of the hidden units: all weights differ, and the function is the same."""
    flat = decode_block(network(), swarm.blocks[source.weights.cid]).weights.clone()
    tensors = network().tensors(flat)
    for part, dimension in (("0.bias", 0), ("0.weight", 0), ("2.weight", 1)):
        tensors[part].copy_(tensors[part].flip(dimension).clone())
    block = encode_block(network(), flat, BlockMetadata(CID, name(1), 2))
    swarm.blocks[cid_of(block)] = block
    return ref(1, Weights(cid_of(block), weights_digest(flat)), 2)


@pytest.mark.parametrize("forged", [perturbed, with_hidden_units_reversed])
def test_a_copy_is_refused_if_its_original_is_known(forged: object) -> None:
    swarm = Swarm(careful())
    original = swarm.published(0)
    copy = forged(swarm, original)  # type: ignore[operator]
    own, known = swarm.published(2).weights.cid, (original.weights.cid,)
    for refused in (
        swarm.trainers[2].average(own, copy, 2, known),
        swarm.trainers[2].score(copy.weights.cid, copy, known),
    ):
        with pytest.raises(PortError) as failure:
            refused.result()
        assert failure.value.reason is Reason.SIMILAR
        assert isinstance(failure.value, TooSimilar) and failure.value.similar.cid == original.weights.cid
    assert swarm.trainers[2].average(own, copy, 2, ()).result()
    assert swarm.trainers[2].average(own, copy, 2, (Cid("not at hand"),)).result()


def test_an_average_is_not_compared_with_anything_if_its_parents_are_at_hand() -> None:
    swarm = Swarm(careful("0.0001"))
    own, remote = swarm.published(0), swarm.published(1)
    made, _ = swarm.trainers[0].average(own.weights.cid, remote, 2).result()
    average = ModelRef(name(0), 2, made, Parents((own.weights.cid, remote.weights.cid), (own.creator, remote.creator)))
    earlier = (remote.weights.cid,)
    assert swarm.trainers[2].score(made.cid, average, earlier).result()
    del swarm.blocks[own.weights.cid]
    with pytest.raises(PortError):
        swarm.trainers[2].score(made.cid, average, earlier).result()


def test_by_default_a_perturbed_copy_is_accepted() -> None:
    swarm = Swarm(careful(None))
    original = swarm.published(0)
    assert swarm.trainers[2].score(*_named(perturbed(swarm, original)), (original.weights.cid,)).result()


def test_a_model_that_was_trained_on_other_rows_is_no_copy() -> None:
    swarm = Swarm(careful("0.999"))
    original, other = swarm.published(0), swarm.published(1)
    assert swarm.trainers[2].score(*_named(other), (original.weights.cid,)).result()


def test_the_nearest_of_several_counts_and_predictions_outlive_blocks() -> None:
    swarm = Swarm()
    first, second = swarm.published(0).weights.cid, swarm.published(1).weights.cid
    store = WeightStore(network(), swarm.blocks, swarm.pool.models)
    similarity = Similarity(network(), store, swarm.blocks, swarm.table, swarm.split.peers[2].validation)
    assert similarity.nearest(first, ()) is None
    apart = similarity.nearest(first, (second,))
    assert apart and apart.cid == second and apart.equal.correct < apart.equal.total == 40
    assert similarity.nearest(first, (second, first)) == Likeness(first, Score(40, 40))
    del swarm.blocks[second]
    assert similarity.nearest(first, (second,)) == apart


def _named(model: ModelRef) -> tuple[Cid, ModelRef]:
    return model.weights.cid, model
