"""What training minimises: the built-in losses, and a plug-in's."""

from dataclasses import replace

import pytest
import torch
from tests.helpers.peers import own_plugin
from tests.learn.small import compute, settings, train_job

from learnae.learn.losses import cross_entropy, loss, mse
from learnae.plugins import PluginError

OUTPUTS = torch.randn(3, 5, 2, generator=torch.Generator().manual_seed(1), requires_grad=True)
CLASSES = torch.tensor([[0, 1, 0, 1, 1]] * 3)
IGNORES = "__import__('torch').ones((), requires_grad=True)"
OWN = "from torch.nn import functional\ndef own(outputs, labels):\n    return functional.cross_entropy(outputs, labels)"


def test_a_loss_of_stacked_peers_is_the_sum_of_their_mean_losses() -> None:
    for function, outputs, labels in ((cross_entropy, OUTPUTS, CLASSES), (mse, OUTPUTS[..., :1], CLASSES.float())):
        alone = [function(*each) for each in zip(outputs, labels, strict=True)]
        assert function(outputs, labels).item() == pytest.approx(sum(each.item() for each in alone))
    assert mse(torch.tensor([[1.0], [5.0]]), torch.tensor([0.0, 2.0])) == 5


def test_a_plug_in_trains_as_the_built_in_loss_that_it_computes() -> None:
    jobs = [train_job(seed) for seed in range(2)]
    own = settings(loss=own_plugin(OWN, "own"))
    plain, computed = compute(jobs), compute([replace(job, settings=own) for job in jobs])
    for one, other in zip(plain, computed, strict=True):
        assert torch.allclose(one.weights, other.weights, atol=1e-5) and not torch.equal(one.weights, jobs[0].weights)


@pytest.mark.parametrize("answer", ["None", "outputs", "0.5", "labels.float().mean()", "outputs.mean(0)", IGNORES])
def test_a_plug_in_that_returns_no_loss_is_named(answer: str) -> None:
    reference = own_plugin(f"def own(outputs, labels):\n    return {answer}", "own")
    with pytest.raises(
        PluginError, match=r"mine\.py:own, line 1: returned .*: return a tensor with one number that depends on outputs"
    ):
        loss(reference, OUTPUTS, CLASSES)


def test_a_plug_in_that_raises_is_named_with_its_line() -> None:
    with pytest.raises(PluginError, match=r"mine\.py:own, line 2: KeyError: 1"):
        loss(own_plugin("def own(outputs, labels):\n    raise KeyError(1)", "own"), OUTPUTS, CLASSES)
