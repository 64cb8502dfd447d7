"""Baselines that combine models whatever they score: FedAvg, Krum and the coordinate median."""

from dataclasses import replace

import pytest
import torch
from tests.learn.small import SESSION, Swarm

from learnae.learn.aggregation import ROBUST, Aggregation, krum, median, weighted_mean
from learnae.learn.baselines import Baselines

HONEST = torch.tensor([[1.0, 2.0], [1.2, 2.1], [0.9, 1.9], [1.1, 2.0]])
WITH_FAULTY = torch.cat([HONEST, torch.tensor([[1e6, -1e6]])])


def baselines(peers: int, slices: int = 3) -> Baselines:
    world = Swarm(replace(SESSION, peers=peers, work=replace(SESSION.work, slices=slices)))
    block = world.blocks[world.initial]
    return Baselines(
        world.pool, world.table, world.session, world.split.peers, block, lambda peer, visit: 10 * peer + visit
    )


def test_fedavg_weighs_each_model_by_its_rows() -> None:
    assert weighted_mean(torch.tensor([[0.0, 4.0], [4.0, 0.0]]), [3, 1]).tolist() == [1.0, 3.0]


def test_the_median_is_of_each_weight_by_itself() -> None:
    assert median(torch.tensor([[1.0, 9.0], [2.0, 7.0], [8.0, 8.0]])).tolist() == [2.0, 8.0]
    assert median(torch.tensor([[1.0], [2.0], [4.0], [9.0]])).tolist() == [3.0]


def test_krum_chooses_one_of_the_models_that_are_near_each_other() -> None:
    assert krum(HONEST[:1]).tolist() == HONEST[0].tolist()
    assert krum(torch.tensor([[0.0], [1.0], [1.1], [5.0], [9.0]])).tolist() == pytest.approx([1.0])


@pytest.mark.parametrize("rule", ROBUST.values(), ids=ROBUST)
def test_one_arbitrary_model_of_five_does_not_decide(rule: Aggregation) -> None:
    assert (rule(WITH_FAULTY) - HONEST.mean(0)).abs().max() < 0.25


def test_with_a_single_slice_the_models_that_were_trained_alone_are_combined() -> None:
    run = baselines(4, slices=1)
    alone = torch.stack(run.alone())
    assert len(alone) == 4 and not torch.equal(alone[0], alone[1])
    assert [torch.equal(own, weighted_mean(alone, [120] * 4)) for own in run.fedavg()] == [True] * 4
    for name, rule in ROBUST.items():
        assert [torch.equal(own, rule(alone)) for own in run.robust(name, rule)] == [True] * 4, name


def test_the_same_seed_gives_the_same_baseline() -> None:
    again = [baselines(4).robust("krum", krum) for _ in range(2)]
    assert all(map(torch.equal, *again))
