"""What is compiled runs as TorchScript, and nobody is told that PyTorch calls it deprecated."""

import warnings

import pytest
import torch
from tests.helpers.peers import own_plugin
from tests.learn.small import compute, settings, train_job
from torch import Tensor

from learnae.learn.batching import Pool
from learnae.learn.torchscript import compiled

OWN = "def own(outputs, labels):\n    return (outputs[:, 0] * labels).mean()"


def doubled(x: Tensor) -> Tensor:
    return 2 * x if torch.jit.is_scripting() else x  # type: ignore[attr-defined]


def test_a_compiled_function_runs_as_torchscript_without_a_warning() -> None:
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        function = compiled(doubled)
    one = torch.ones(())
    assert (float(function(one)), float(doubled(one))) == (2, 1)


@pytest.mark.parametrize("loss", ["cross-entropy", "a plug-in"])
def test_a_pool_of_two_threads_gives_the_bits_of_one(loss: str) -> None:
    how = settings(loss=own_plugin(OWN, "own") if loss == "a plug-in" else loss)
    jobs = [train_job(seed, how=how) for seed in range(3)]
    pool = Pool(threads=2)
    futures = [pool.submit(job) for job in jobs]
    for future, alone in zip(futures, compute(jobs), strict=True):
        assert torch.equal(future.result().weights, alone.weights)
