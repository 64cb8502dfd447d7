"""The gradients that are written out are those of autograd, bit for bit."""

import pytest
import torch
from tests.learn.small import settings, weights
from torch import Tensor

from learnae.learn.batched_optimizers import OptimizerSettings
from learnae.learn.compute import ByAutograd, Compute
from learnae.learn.losses import loss, loss_gradient
from learnae.learn.mlp import Mlp, MlpInTraining
from learnae.learn.network import Network, WeightsInTraining

DICE = torch.Generator().manual_seed(0)
LAYERS = [(28, 64, 64, 2), (28, 2), (5, 3, 40, 7, 3), (7, 20, 16), (28, 12, 3), (100, 31, 17, 10)]


@torch.no_grad()
def trained(model: WeightsInTraining, network: Network, how: OptimizerSettings, peers: int) -> Tensor:
    """Weights after steps on rows that depend on nothing but the arguments; the last step is short."""
    dice = torch.Generator().manual_seed(1)
    for rows in (2 * how.batch, how.batch, how.batch + 3):
        x = torch.randn(peers, rows, network.widths[0], generator=dice)
        y = torch.randint(0, network.widths[-1], (peers, rows), generator=dice)
        model.train(x, y.float() if how.loss == "mse" else y)
    return model.flat()


@pytest.mark.parametrize("peers", [1, 2, 10])
@pytest.mark.parametrize("layers", LAYERS)
@pytest.mark.parametrize(
    "how",
    [
        settings(),
        settings(momentum=0.0),
        settings(optimizer="adam", learning_rate=0.01),
        settings(loss="mse", learning_rate=0.01),
    ],
)
def test_training_gives_the_bits_of_autograd(how: OptimizerSettings, layers: tuple[int, ...], peers: int) -> None:
    network = Mlp(layers)
    flat = torch.stack([weights(network, seed) for seed in range(peers)])
    models = [MlpInTraining(network, flat, how, compiled) for compiled in (False, True)]
    plain, compiled, expected = (
        trained(model, network, how, peers) for model in (*models, ByAutograd(Compute(), network, flat, how))
    )
    assert torch.equal(plain, expected) and torch.equal(compiled, expected)
    assert not torch.equal(expected, flat)


def test_a_perceptron_needs_no_autograd_unless_products_are_shorter() -> None:
    network = Mlp((28, 64, 2))
    flat = weights(network).unsqueeze(0)
    assert isinstance(Compute().in_training(network, flat, settings()), MlpInTraining)
    assert isinstance(Compute(dtype=torch.bfloat16).in_training(network, flat, settings()), ByAutograd)


@pytest.mark.parametrize("layers", LAYERS)
def test_the_padding_of_narrow_layers_stays_0(layers: tuple[int, ...]) -> None:
    network = Mlp(layers)
    flat = torch.stack([weights(network, seed) for seed in range(3)])
    model = MlpInTraining(network, flat, settings(optimizer="adam"), compiled=False)
    trained(model, network, settings(optimizer="adam"), 3)
    numbers = int(model.padded.count_nonzero())
    assert numbers == int(model.flat().count_nonzero()) > 0


@pytest.mark.parametrize("rows", [*range(1, 40), 100, 128, 999])
@pytest.mark.parametrize(("reference", "classes"), [("cross-entropy", 2), ("cross-entropy", 10), ("mse", 1)])
def test_the_gradients_of_the_built_in_losses_have_the_bits_of_autograd(
    reference: str, classes: int, rows: int
) -> None:
    outputs = 3 * torch.randn(3, rows, classes, generator=DICE)
    outputs[0, 0] *= 100
    labels = torch.randint(0, classes, (3, rows), generator=DICE)
    labels = labels.float() if reference == "mse" else labels
    own = loss_gradient(reference)(outputs, labels)
    outputs.requires_grad_()
    assert torch.equal(own, torch.autograd.grad(loss(reference, outputs, labels), outputs)[0])
