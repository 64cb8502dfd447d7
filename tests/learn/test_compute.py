"""Jobs run on any device: nothing of a batch stays on the host, and on the processor the bits are what they were."""

from collections.abc import Callable, Iterator
from typing import Any

import pytest
import torch
from tests.learn.small import TABLE, Swarm, score_job, train_job
from torch import Tensor

from learnae.errors import InputError
from learnae.learn import compute
from learnae.learn.batched_optimizers import OptimizerSettings
from learnae.learn.batching import Job, JobResult, Pool
from learnae.learn.compute import Compute, compute_of, device_name
from learnae.session.settings import ComputeSettings

TO_HOST = ("numpy", "tolist", "item", "cpu", "__array__", "__bool__", "__int__", "__float__", "__index__")


class OnDevice(Tensor):
    """A tensor in the memory of another device: it meets no tensor of the host, and only ``fetch`` reads it.

    CUDA raises in the same cases.  It is stricter with scalars, which CUDA takes from the host.
    """

    @classmethod
    def __torch_function__(
        cls, function: Callable[..., Any], types: Any, args: Any = (), kwargs: dict[str, Any] | None = None
    ) -> Any:
        name = getattr(function, "__name__", "")
        if name in TO_HOST:
            raise RuntimeError(f"{name} copies from the device to the host")
        if any(type(tensor) is Tensor for tensor in tensors([args, kwargs or {}])):
            raise RuntimeError(f"{name} was given tensors of the host and of the device")
        call: Any = super().__torch_function__
        return call(function, types, args, kwargs or {})


def tensors(value: Any) -> Iterator[Tensor]:
    if isinstance(value, Tensor):
        yield value
    elif isinstance(value, list | tuple | dict):
        for part in value.values() if isinstance(value, dict) else value:
            yield from tensors(part)


class FakeDevice(Compute):
    def send(self, tensor: Tensor) -> Tensor:
        assert type(tensor) is Tensor
        return tensor.as_subclass(OnDevice)

    def fetch(self, tensor: Tensor) -> Tensor:
        assert type(tensor) is OnDevice, "this was computed on the host"
        return tensor.as_subclass(Tensor)


def run(pool: Pool, jobs: list[Job]) -> list[JobResult]:
    return [future.result() for future in [pool.submit(job) for job in jobs]]


def jobs(optimizer: str = "sgd") -> list[Job]:
    how = OptimizerSettings("adam" if optimizer == "adam" else "sgd", 0.05, 0.9, batch=16, epochs=2)
    trained: list[Job] = [train_job(seed, how=how) for seed in range(3)]
    return [*trained, *(score_job(seed) for seed in range(3))]


@pytest.mark.parametrize("optimizer", ["sgd", "adam"])
def test_a_batch_stays_on_the_device_and_gives_the_same_bits(optimizer: str) -> None:
    elsewhere = run(Pool(1, compute=FakeDevice()), jobs(optimizer))
    for here, there in zip(run(Pool(1), jobs(optimizer)), elsewhere, strict=True):
        assert type(there.weights) is Tensor
        assert torch.equal(here.weights, there.weights) and here.score == there.score


def test_a_tensor_of_the_host_among_those_of_the_device_is_noticed() -> None:
    there = FakeDevice().send(torch.ones(3))
    for mistake in (lambda: there + torch.ones(3), lambda: torch.stack([there, torch.ones(3)]), there.tolist):
        with pytest.raises(RuntimeError, match="host"):
            mistake()
    assert torch.equal(FakeDevice().fetch(there + there), torch.full((3,), 2.0))


def test_the_rows_are_sent_to_the_device_once(monkeypatch: pytest.MonkeyPatch) -> None:
    sent: list[Tensor] = []

    class Counting(FakeDevice):
        def send(self, tensor: Tensor) -> Tensor:
            sent.append(tensor)
            return super().send(tensor)

    pool = Pool(1, compute=Counting())
    for _ in range(3):
        run(pool, jobs())
    assert sum(tensor is TABLE.features for tensor in sent) == 1


def test_a_trainer_on_a_device_makes_the_same_blocks() -> None:
    here, there = Swarm(), Swarm(pool=Pool(1, compute=FakeDevice()))
    assert here.published(0) == there.published(0)
    remote = here.published(1), there.published(1)
    averaged = [
        swarm.trainers[0].average(model.weights.cid, model, 2).result()
        for swarm, model in zip((here, there), remote, strict=True)
    ]
    assert averaged[0] == averaged[1]


def test_shorter_products_change_little_and_weights_stay_float32() -> None:
    job = train_job()
    exact, shorter = (run(Pool(1, compute=Compute(dtype=kind)), [job])[0] for kind in (torch.float32, torch.bfloat16))
    assert shorter.weights.dtype is torch.float32
    assert 0 < (exact.weights - shorter.weights).norm() < 0.3 * (exact.weights - job.weights).norm()


def test_a_device_that_is_not_here_is_one_sentence(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(compute, "available_devices", lambda: ["mps", "cpu"])
    with pytest.raises(InputError, match='^compute.device = "cuda": PyTorch finds no such device here: use one of mps'):
        compute_of(ComputeSettings("cuda"))
    assert device_name(ComputeSettings("cuda")) is None


def test_auto_takes_the_fastest_device_that_is_here(monkeypatch: pytest.MonkeyPatch) -> None:
    assert compute_of(ComputeSettings()) == Compute("cpu", torch.float32)
    for here in (["cpu"], ["mps", "cpu"], ["cuda", "mps", "cpu"]):
        monkeypatch.setattr(compute, "available_devices", lambda here=here: here)
        assert compute_of(ComputeSettings("auto", "bfloat16")) == Compute(here[0], torch.bfloat16)
    monkeypatch.setattr(torch.cuda, "get_device_name", lambda: "H200")
    assert device_name(ComputeSettings("cuda")) == "cuda H200" and device_name(ComputeSettings("mps")) == "mps"
