"""Baselines that combine several models: FedAvg, Krum, the coordinate median and Gauntlet-like scoring."""

from dataclasses import replace
from statistics import fmean

import pytest
import torch
from tests.learn.small import SESSION, Swarm
from torch.nn import functional

from learnae.learn.aggregation import JUDGES, ROBUST, Aggregation, by_gain, krum, median, weighted_mean
from learnae.learn.baselines import Baselines
from learnae.learn.model import create_network
from learnae.learn.serialization import decode_block

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


def test_a_model_weighs_what_it_gains_and_one_that_gains_nothing_is_left_out() -> None:
    models = torch.tensor([[0.0, 4.0], [4.0, 0.0], [torch.inf, 1.0], [9.0, 9.0]])
    found = by_gain(models, torch.tensor([0.3, 0.1, torch.nan, -0.1]).double())
    assert found is not None and found.tolist() == pytest.approx([1.0, 3.0])
    assert by_gain(models, torch.tensor([0.0, -1.0, torch.nan, -torch.inf])) is None


def test_a_gain_is_the_loss_before_minus_after_on_the_validation_rows_of_other_peers() -> None:
    run = baselines(4, slices=1)
    network, alone = create_network(run.session.model, *run.dataset.shape), run.alone()

    def loss(weights: torch.Tensor, judge: int) -> float:
        x, labels = run.dataset.select(run.peers[judge].validation.unsqueeze(0))
        logits = network.logits(network.stacked(weights.unsqueeze(0)), x)[0]
        return functional.cross_entropy(logits, labels[0]).item()

    initial = decode_block(network, run.block).weights
    judges = {peer: [judge for judge in range(4) if judge != peer] for peer in range(4)}
    gains = [fmean(loss(initial, judge) - loss(alone[peer], judge) for judge in judges[peer]) for peer in judges]
    expected = by_gain(torch.stack(alone), torch.tensor(gains))
    assert expected is not None and 4 < JUDGES
    assert [torch.allclose(own, expected, atol=1e-6) for own in run.gauntlet()] == [True] * 4


def test_a_round_whose_models_all_raise_the_loss_changes_nothing() -> None:
    run = baselines(4, slices=1)
    run.session = replace(run.session, model=replace(run.session.model, learning_rate=1000.0))
    assert [torch.equal(own, run._initial) for own in run.gauntlet()] == [True] * 4


def test_a_peer_that_trains_alone_has_the_same_baselines_as_others() -> None:
    run = baselines(1, slices=2)
    alone = run.alone()
    assert all(torch.equal(*alone, *found) for found in (run.always_average(), run.fedavg(), run.gauntlet()))


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
