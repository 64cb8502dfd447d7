"""Any ``torch.nn.Module`` as the network of a session.

Its weights are its parameters and its persistent float buffers, such as the running statistics of BatchNorm: they are
published, scored and averaged.  Other buffers (integers, and those that ``state_dict`` leaves out) are no part of a
model: each job begins with the values that the factory gave them.

Peers compute together with ``vmap`` if it has a rule for each operation of the module and the module draws no random
numbers.  Otherwise they compute one by one; a module with dropout draws from the seed of its job.

Shapes: P peers, B rows, F features, C classes, T parameters.
"""

import threading
import warnings
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager, nullcontext
from dataclasses import dataclass, field
from functools import cached_property, partial

import torch
from torch import Tensor, func, nn

from learnae import plugins
from learnae.errors import InputError
from learnae.learn.network import ModelView, Network, Tensors
from learnae.plugins import PluginError

FIX = "it must return logits of shape (rows, classes)"
_global_randomness = threading.RLock()


@dataclass(frozen=True)
class ModuleNetwork(Network):
    """``reference``: of the plug-in whose ``factory`` makes the module."""

    reference: str
    view: ModelView
    factory: Callable[[ModelView], object] = field(compare=False)
    _free: list[nn.Module] = field(default_factory=list, init=False, compare=False)  # not in use by a thread
    min_rows = 2  # BatchNorm cannot train on one

    def __post_init__(self) -> None:
        """Try it.  Raises InputError: it cannot be used."""
        if not self.shapes:
            raise InputError(f"plug-in {self._name}: it has no parameters that could be trained")
        for name, tensor in self._model.items():
            if tensor.dtype != torch.float32:
                raise InputError(f"plug-in {self._name}: {name} is {tensor.dtype}: use torch.float32")
        flat = torch.cat([self._model[name].detach().flatten() for name in self.shapes]).unsqueeze(0)
        for training in (True, False):
            try:
                logits = self._try(flat, training, batched=False)
            except PluginError as error:
                raise InputError(str(error)) from None
            if logits.shape != (1, self.min_rows, self.view.classes):
                raise InputError(
                    f"plug-in {self._name} returns a tensor of shape {tuple(logits.shape[1:])} for {self.min_rows} "
                    f"rows and {self.view.classes} classes: {FIX}"
                )
        if self._draws(training=False):
            raise InputError(
                f"plug-in {self._name} draws random numbers when it is evaluated, so that no score could be repeated: "
                "use torch.nn.Dropout, or pass training=self.training to its function"
            )

    @property
    def widths(self) -> tuple[int, ...]:
        return self.view.features, self.view.classes

    @cached_property
    def shapes(self) -> dict[str, tuple[int, ...]]:
        return {name: tuple(self._model[name].shape) for name in sorted(self._model)}

    @cached_property
    def trained(self) -> tuple[str, ...]:
        return tuple(name for name in self.shapes if self._model[name].requires_grad)

    @property
    def max_jobs(self) -> int:
        return super().max_jobs if self.batched else 1

    @property
    def notice(self) -> str:  # type: ignore[override]
        how = "together" if self.batched else "one by one, because it cannot be batched over them"
        return f"The model {self._name} has {self.size:,} parameters; peers compute {how}."

    def random_weights(self, generator: torch.Generator) -> Tensor:
        """As the factory initialises them."""
        with _seeded(generator.initial_seed()):
            state = _model_of(self._make())
        return torch.cat([state[name].detach().flatten() for name in self.shapes])

    def stacked(self, flat: Tensor) -> Tensors:
        parts = zip(self.shapes.items(), torch.split(flat, self.sizes, dim=1), strict=True)
        model = {name: part.reshape(-1, *shape).clone() for (name, shape), part in parts}
        local = {name: value.to(flat.device) for name, value in self._local.items()}
        return model | {name: value.expand(len(flat), *value.shape).clone() for name, value in local.items()}

    def flat(self, tensors: Tensors) -> Tensor:
        return torch.cat([tensors[name].flatten(1) for name in self.shapes], dim=1)

    def logits(self, tensors: Tensors, x: Tensor, training: bool = False) -> Tensor:
        """Raises PluginError."""
        return self._logits(tensors, x, training, self.batched)

    def randomness(self, seed: int) -> AbstractContextManager[None]:
        return _seeded(seed) if self._random else nullcontext()

    @cached_property
    def batched(self) -> bool:
        """Whether ``vmap`` can compute peers together; where it only could with a loop of its own, it cannot."""
        flat = torch.zeros(2, self.size)
        try:
            with warnings.catch_warnings():
                warnings.filterwarnings("error", message=".*performance drop")
                for training in (True, False):
                    self._try(flat, training, batched=True)
        except PluginError:
            return False
        return not self._random

    # private

    @property
    def _name(self) -> str:
        return plugins.shown(self.reference)

    def _make(self) -> nn.Module:
        """Raises InputError."""
        try:
            module = plugins.call(self.reference, self.factory, self.view)
        except PluginError as error:
            if isinstance(error.__context__, InputError):
                raise error.__context__ from None
            raise InputError(str(error)) from None
        if not isinstance(module, nn.Module):
            raise InputError(
                f"plug-in {self._name} returned {plugins.described(module)}: it must return a torch.nn.Module"
            )
        return module

    @contextmanager
    def _module(self) -> Iterator[nn.Module]:
        """A module that no other thread uses meanwhile, because ``functional_call`` exchanges its tensors."""
        try:
            module = self._free.pop()
        except IndexError:
            with _seeded(0):
                module = self._make()
        try:
            yield module
        finally:
            self._free.append(module)

    @cached_property
    def _model(self) -> Tensors:
        """What a block holds, by name."""
        with self._module() as module:
            return _model_of(module)

    @cached_property
    def _local(self) -> Tensors:
        with self._module() as module:
            return {name: value.clone() for name, value in module.named_buffers() if name not in self._model}

    @cached_property
    def _tied(self) -> dict[str, str]:
        """Further names of parameters that several modules share, with the first.  ``functional_call`` would tie them,
        but leaves its tensors in modules that occur twice."""
        first = dict[int, str]()
        with self._module() as module:
            names = [
                (name, first.setdefault(id(parameter), name))
                for prefix, part in module.named_modules()
                for name, parameter in part.named_parameters(prefix, recurse=False, remove_duplicate=False)
            ]
        return {name: earlier for name, earlier in names if name != earlier}

    @cached_property
    def _random(self) -> bool:
        """Whether it draws random numbers while it trains."""
        return self._draws(training=True)

    def _draws(self, training: bool) -> bool:
        with _seeded(0):
            before = torch.get_rng_state()
            self._try(torch.zeros(1, self.size), training, batched=False)
            return not torch.equal(before, torch.get_rng_state())

    def _try(self, flat: Tensor, training: bool, batched: bool) -> Tensor:
        rows = torch.rand(len(flat), self.min_rows, self.view.features, generator=torch.Generator().manual_seed(0))
        with torch.no_grad():
            return self._logits(self.stacked(flat), rows, training, batched)

    def _logits(self, tensors: Tensors, x: Tensor, training: bool, batched: bool) -> Tensor:
        rows = x.reshape(*x.shape[:2], *self.view.shape)
        with self._module() as module:
            module.to(x.device).train(training)
            every = tensors | {name: tensors[first] for name, first in self._tied.items()}
            logits: Tensor = plugins.call(self.reference, _vmapped if batched else _alone, module, every, rows)
            return logits


def _vmapped(module: nn.Module, tensors: Tensors, rows: Tensor) -> Tensor:
    logits: Tensor = func.vmap(partial(func.functional_call, module, tie_weights=False))(tensors, rows)
    return logits


def _alone(module: nn.Module, tensors: Tensors, rows: Tensor) -> Tensor:
    """Of one peer, P = 1.  In-place changes of its buffers reach ``tensors``, because these are views of them."""
    own = {name: tensor[0] for name, tensor in tensors.items()}
    logits: Tensor = func.functional_call(module, own, (rows[0],), tie_weights=False)
    return logits.unsqueeze(0)


def _model_of(module: nn.Module) -> Tensors:
    persistent = module.state_dict().keys()
    buffers = {name: value for name, value in module.named_buffers() if name in persistent}
    floating = {name: value for name, value in buffers.items() if value.dtype.is_floating_point}
    return dict(module.named_parameters()) | floating


@contextmanager
def _seeded(seed: int) -> Iterator[None]:
    """Seed PyTorch's global random state, which initialisers and dropout use, for one thread, and restore it."""
    with _global_randomness, torch.random.fork_rng(devices=()):
        torch.manual_seed(seed)  # noqa: TID251 - modules know no other source of randomness
        yield
