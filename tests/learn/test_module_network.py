"""Modules as networks: stacked peers compute what each would alone, and what is no parameter follows a rule."""

from collections.abc import Callable
from dataclasses import replace

import pytest
import torch
from tests.learn.small import close, compute, settings
from torch import Tensor, nn
from torch.nn import functional

from learnae import plugins
from learnae.errors import InputError, PortError, Reason
from learnae.learn import models
from learnae.learn.batched_optimizers import Optimizer, OptimizerSettings
from learnae.learn.batching import Pool, ScoreJob, TrainJob
from learnae.learn.cache import BlockMetadata
from learnae.learn.datasets.dataset import Dataset
from learnae.learn.datasets.labels import Classes
from learnae.learn.model import create_network
from learnae.learn.module_network import ModuleNetwork
from learnae.learn.network import ModelView
from learnae.learn.serialization import decode_block, encode_block
from learnae.plugins import PluginError
from learnae.session.settings import ModelSettings

VIEW = ModelView(features=6, classes=3, shape=(6,), hidden=(8, 8))
IMAGE = replace(VIEW, features=64, shape=(8, 8))
Factory = Callable[[ModelView], object]


def network(factory: Factory, view: ModelView = VIEW) -> ModuleNetwork:
    return ModuleNetwork("mine.py:net", view, factory)


def table(view: ModelView, rows: int = 60) -> Dataset:
    dice = torch.Generator().manual_seed(0)
    features = torch.randn(rows, view.features, generator=dice)
    return Dataset(features, torch.randint(0, view.classes, (rows,), generator=dice), label=Classes(view.classes))


def initial(net: ModuleNetwork, seed: int = 0) -> Tensor:
    return net.random_weights(torch.Generator().manual_seed(seed))


def job(
    net: ModuleNetwork, seed: int = 0, rows: int = 40, how: OptimizerSettings | None = None, data: Dataset | None = None
) -> TrainJob:
    data = data or table(net.view)
    return TrainJob(net, initial(net, seed), data, torch.arange(50), torch.arange(rows), how or settings(), seed)


def jobs(net: ModuleNetwork, count: int = 3) -> list[TrainJob]:
    data = table(net.view)
    return [job(net, seed, data=data) for seed in range(count)]


def normalised(view: ModelView) -> nn.Module:
    return nn.Sequential(nn.Linear(6, 8), nn.BatchNorm1d(8), nn.ReLU(), nn.Linear(8, 3))


def dropping(view: ModelView) -> nn.Module:
    return nn.Sequential(nn.Linear(6, 8), nn.Dropout(0.5), nn.Linear(8, 3))


class Restless(nn.Module):
    """``F.dropout`` drops out whenever it is called, unless it is told otherwise."""

    def __init__(self) -> None:
        super().__init__()
        self.last = nn.Linear(6, 3)

    def forward(self, x: Tensor) -> Tensor:
        logits: Tensor = self.last(nn.functional.dropout(x, 0.5))
        return logits


class Branching(nn.Module):
    """What it computes depends on the rows, for which ``vmap`` has no rule."""

    def __init__(self, view: ModelView) -> None:
        super().__init__()
        self.layer = nn.Linear(6, 3)

    def forward(self, x: Tensor) -> Tensor:
        out: Tensor = self.layer(x if x.sum() > 0 else -x)
        return out


SHIPPED = [
    (models.logistic, VIEW),
    (models.cnn, IMAGE),
    (models.transformer, replace(VIEW, shape=(3, 2))),
    (normalised, VIEW),
]


@pytest.mark.parametrize(("factory", "view"), SHIPPED)
def test_stacked_peers_compute_what_each_would_alone(factory: Factory, view: ModelView) -> None:
    net = network(factory, view)
    assert net.batched and net.max_jobs > 1 and net.notice.endswith("peers compute together.")
    together, alone = jobs(net), [compute([one])[0] for one in jobs(net)]
    for one, other in zip(compute(together), alone, strict=True):
        assert close(one.weights, other.weights, 1e-3) and abs(one.score.correct - other.score.correct) <= 1


@pytest.mark.parametrize(("factory", "view"), [*SHIPPED, (Branching, VIEW)])
def test_a_peer_trains_as_with_pytorchs_own_loop(factory: Factory, view: ModelView) -> None:
    net, how = network(factory, view), settings(epochs=1, batch=16)
    one = job(net, how=how)
    module = net._make()
    module.load_state_dict(net.tensors(one.weights), strict=False)
    parameters = list(module.parameters())
    optimizer = Optimizer(list(parameters), how)  # which equals PyTorch's
    order = torch.randperm(40, generator=torch.Generator().manual_seed(one.seed))
    for rows in torch.split(order, 16):
        x, y = one.dataset.features[rows].reshape(-1, *view.shape), one.dataset.labels[rows]
        gradients = torch.autograd.grad(functional.cross_entropy(module.train()(x), y), parameters)
        with torch.no_grad():
            optimizer.step(gradients)
    trained = net.tensors(compute([one])[0].weights)
    state = module.state_dict()
    assert all(close(trained[name], state[name], 1e-3) for name in net.shapes)


@pytest.mark.parametrize("factory", [dropping, Branching])
def test_what_cannot_be_batched_is_computed_one_by_one(factory: Factory) -> None:
    net, pool = network(factory), Pool(threads=2)
    assert not net.batched and net.max_jobs == 1 and "one by one" in net.notice
    futures = [pool.submit(one) for one in jobs(net)]
    results = [future.result() for future in futures]
    assert pool.batch_sizes == [1, 1, 1]
    for result, one in zip(results, reversed(jobs(net)), strict=True):
        again = compute([job(net, 2 - one.seed, data=one.dataset)])[0]
        assert torch.equal(result.weights, again.weights)


def test_random_numbers_of_a_module_follow_from_the_seed_and_leave_no_trace() -> None:
    net = network(dropping)
    before = torch.get_rng_state()
    first, other = (compute([replace(job(net), seed=seed)])[0].weights for seed in (0, 1))
    assert torch.equal(first, compute([job(net)])[0].weights) and not torch.equal(first, other)
    assert torch.equal(initial(net), initial(net)) and not torch.equal(initial(net), initial(net, 1))
    assert torch.equal(torch.get_rng_state(), before)


def test_running_statistics_are_part_of_the_model_and_counters_are_not() -> None:
    net = network(normalised)
    assert {"1.running_mean", "1.running_var"} <= net.shapes.keys() and "1.num_batches_tracked" not in net.shapes
    assert "1.running_mean" not in net.trained
    one = job(net)
    trained = compute([one])[0].weights
    assert not torch.equal(net.tensors(trained)["1.running_mean"], net.tensors(one.weights)["1.running_mean"])
    assert torch.equal(compute([one])[0].weights, trained)  # a job leaves nothing behind for the next


def test_scoring_changes_no_running_statistics() -> None:
    net = network(normalised)
    score = ScoreJob(net, initial(net), table(VIEW), torch.arange(50))
    assert compute([score])[0].score.correct == compute([score, score])[1].score.correct
    assert torch.equal(compute([score])[0].weights, initial(net))


def test_a_step_of_a_single_row_is_left_out() -> None:
    net, how = network(normalised), settings(batch=16, epochs=1)
    assert torch.isfinite(compute([job(net, rows=33, how=how)])[0].weights).all()
    alone = job(net, rows=1)
    assert torch.equal(compute([alone])[0].weights, alone.weights)


def test_frozen_and_unused_parameters_stay_and_tied_ones_are_one() -> None:
    class Odd(nn.Module):
        def __init__(self, view: ModelView) -> None:
            super().__init__()
            self.frozen, self.unused = nn.Linear(6, 6), nn.Parameter(torch.ones(2))
            self.frozen.requires_grad_(False)
            self.one = nn.Linear(6, 3)
            self.same, self.tied = self.one, nn.Linear(6, 3)
            self.tied.weight = self.one.weight
            self.register_buffer("scale", torch.tensor(2.0), persistent=False)

        def forward(self, x: Tensor) -> Tensor:
            out: Tensor = self.one(self.frozen(x)) + self.same(x) * self.scale + self.tied(x)
            return out

    net = network(Odd)
    assert sorted(net.shapes) == ["frozen.bias", "frozen.weight", "one.bias", "one.weight", "tied.bias", "unused"]
    assert net.batched
    before, after = net.tensors(initial(net)), net.tensors(compute([job(net)])[0].weights)
    changed = {name for name in net.shapes if not torch.equal(before[name], after[name])}
    assert changed == {"one.bias", "one.weight", "tied.bias"}


@pytest.mark.parametrize(
    ("factory", "sentence"),
    [
        (lambda view: {}, "plug-in mine.py:net returned a dict: it must return a torch.nn.Module"),
        (lambda view: 1 // 0, "plug-in mine.py:net: ZeroDivisionError: integer division or modulo by zero"),
        (lambda view: nn.ReLU(), "plug-in mine.py:net: it has no parameters that could be trained"),
        (lambda view: nn.Linear(6, 3).double(), "weight is torch.float64: use torch.float32"),
        (lambda view: nn.Linear(6, 5), r"returns a tensor of shape \(2, 5\) for 2 rows and 3 classes"),
        (lambda view: Restless(), "draws random numbers when it is evaluated, so that no score could be repeated"),
        (
            lambda view: nn.Linear(7, 3),
            "plug-in mine.py:net: RuntimeError: .*mat1 and mat2 shapes cannot be multiplied",
        ),
    ],
)
def test_a_factory_that_cannot_be_used_is_one_sentence(factory: Factory, sentence: str) -> None:
    with pytest.raises(InputError, match=sentence):
        network(factory)


def test_a_module_that_raises_fails_only_its_own_job() -> None:
    code = (
        "from torch import nn\nclass Net(nn.Linear):\n    def __init__(self, view): super().__init__(6, 3)\n"
        "    def forward(self, x):\n        if x.max() > 50: raise KeyError(x)\n        return super().forward(x)\n"
    )
    source = plugins.Source("net.py", code.encode())
    plugins.add([source])
    net = create_network(ModelSettings(kind=f"net.py:Net@{source.digest}"), 6, 3)
    assert isinstance(net, ModuleNetwork)
    data, pool = table(VIEW), Pool(threads=1)
    data.features[55] = 100.0
    good, bad = (
        pool.submit(ScoreJob(net, initial(net), data, rows)) for rows in (torch.arange(50), torch.arange(10, 60))
    )
    with pytest.raises(PluginError, match=r"plug-in net.py:Net, line 5: KeyError"):
        bad.result()
    assert good.result().score.correct <= 50


def test_blocks_of_another_model_are_refused() -> None:
    one, other = network(models.logistic), network(normalised)
    block = encode_block(one, initial(one), BlockMetadata("s", "c", 1))
    assert torch.equal(decode_block(one, block).weights, initial(one))
    with pytest.raises(PortError) as refused:
        decode_block(other, block)
    assert refused.value.reason is Reason.SHAPE


@pytest.mark.parametrize("shape", [(8, 8), (8, 8, 3), (3, 8, 8), (1, 20), (5, 9, 1), (1, 1)])
@pytest.mark.parametrize("hidden", [(), (4,), (4, 6, 8, 10)])
def test_the_cnn_takes_images_of_any_size(shape: tuple[int, ...], hidden: tuple[int, ...]) -> None:
    net = network(models.cnn, ModelView(torch.Size(shape).numel(), 3, shape, hidden))
    assert net.widths == (net.view.features, 3)


@pytest.mark.parametrize(
    ("kind", "shape", "hidden", "sentence"),
    [
        ("cnn", (), (8,), 'model.kind = "cnn" needs images, but each row has the shape'),
        ("transformer", (), (8, 4), "a transformer needs equal widths that 4 divides"),
        ("transformer", (), (), "a transformer needs equal widths that 4 divides"),
        ("logistic", (), (8,), 'model.kind = "logistic" makes models of .* over 64 MiB: use fewer units'),
    ],
)
def test_a_shipped_model_that_does_not_fit_is_refused(
    kind: str, shape: tuple[int, ...], hidden: tuple[int, ...], sentence: str
) -> None:
    with pytest.raises(InputError, match=sentence):
        create_network(ModelSettings(kind=kind, hidden=hidden), 6_000_000 if kind == "logistic" else 6, 3, shape)
