"""``learnae audit --replay`` holds more blocks than a peer did, and expects no test that the peer could not make."""

from dataclasses import replace

import pytest
from tests.learn.small import SESSION, Swarm, name

from learnae.errors import PortError, Reason
from learnae.protocol import actions as do
from learnae.protocol import events as on
from learnae.protocol.policies import ForgeModel, Forgery
from learnae.protocol.types import ModelRef, Parents, Score
from learnae.runs.replay import Job
from learnae.runtime.dispatch import finish, submit
from learnae.session.settings import AveragingSettings


def requests(own: ModelRef, model: ModelRef) -> list[do.TrainerAction]:
    """What a peer asks of its trainer about a model of another."""
    return [
        do.ScoreModel(1, model.weights.cid, model),
        do.AverageModels(2, own.weights.cid, model, 2),
        ForgeModel(3, Forgery.COPY, model, 2),
    ]


@pytest.mark.parametrize("rule", ["mean", "by-rows"])
def test_a_model_with_false_parents_that_its_peer_did_not_hold_is_worked_with_again(rule: str) -> None:
    world = Swarm(replace(SESSION, averaging=AveragingSettings(rule)))
    own, remote, mine = world.published(0), world.published(1), world.published(2)
    average, _ = world.trainers[0].average(own.weights.cid, remote, 2).result()
    false = Parents((own.weights.cid, remote.weights.cid), (name(0), name(0)))  # both are said to be of p00
    answer = on.ModelScored(0.0, 1, average, Score(0, 1))
    for request in requests(mine, ModelRef(name(0), 2, average, false)):
        with pytest.raises(PortError) as refused:
            submit(request, world.trainers[2]).result()
        assert refused.value.reason is Reason.PARENTS, "with both parents it is refused"
        block = world.blocks.pop(remote.weights.cid)
        made = finish(request, submit(request, world.trainers[2]), 0.0)
        world.blocks[remote.weights.cid] = block
        again = finish(request, submit(Job("p02", 1, request, answer).repeated, world.trainers[2]), 0.0)
        assert again == made and not isinstance(made, on.RequestFailed)
