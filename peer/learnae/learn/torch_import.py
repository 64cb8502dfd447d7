"""Imports torch in a process that trains one peer, in less time and memory than ``import torch``."""

import ctypes
import os
import sys
from collections.abc import Callable, Sequence
from importlib import import_module
from importlib.abc import Loader
from importlib.machinery import ModuleSpec, PathFinder
from importlib.metadata import PackageNotFoundError, version
from importlib.util import find_spec
from pathlib import Path
from threading import Lock, RLock
from types import ModuleType
from typing import Any

DEFERRING = "2.6."  # versions of torch whose modules are deferred: that of a pod, the only one that was tested
# Modules that torch imports and the training of an ``mlp`` does not use, with the functions that torch takes from them.
# An ``mlp`` calls no autograd: ``torch.autograd.grad`` imports torch.nested, which executes all of them.
DEFERRED: dict[str, tuple[str, ...]] = {
    "torch._higher_order_ops": ("cond", "while_loop"),
    "torch._meta_registrations": (),
    "torch.ao": (),
    "torch.distributions": (),
    "torch.export": (),
    "torch.fft": (),
    "torch.func": ("vmap",),
    "torch.fx": (),
    "torch.fx.experimental.sym_node": (),
    "torch.linalg": (),
    "torch.masked": (),
    "torch.multiprocessing": (),
    "torch.nested": (),
    "torch.nn.intrinsic": (),
    "torch.nn.qat": (),
    "torch.nn.quantizable": (),
    "torch.nn.quantized": (),
    "torch.optim": (),
    "torch.package": ("PackageExporter", "PackageImporter"),
    "torch.profiler": (),
    "torch.quantization": (),
    "torch.quasirandom": (),
    "torch.signal.windows": (),
    "torch.special": (),
    "torch.testing": (),
    "torch.utils.data": (),
    "torchgen": (),
    "torchgen.model": (),
    "unittest": (),
    "unittest.mock": (),
}
_one_thread = Lock()


def import_torch(whole: bool) -> None:
    """Import torch, if it is not imported yet.  ``whole``: execute all of its modules, as ``import torch`` does.

    Otherwise the modules in ``DEFERRED``, and those that only they import, are executed when the first of them is used.
    """
    with _one_thread:
        if "torch" in sys.modules:
            return
        load_torch()
        deferral = None if whole or not _version().startswith(DEFERRING) else _Deferral()
        try:
            import torch  # noqa: F401
        finally:
            if deferral:
                deferral.importing = False


class _Deferral:
    """Finds the modules in ``DEFERRED``, and executes none of them while torch is imported.

    All are executed when an attribute of one is read or another module of torch is imported, in the order in which
    torch imports them: in another order, their circular imports fail.  Other threads wait until all are complete.
    ``importlib.util.LazyLoader`` does not suffice: it executes modules one by one, and some already while torch is
    imported, because their ``__path__`` is read.
    """

    def __init__(self) -> None:
        self.importing = True  # torch
        self._waiting: dict[ModuleType, Loader] = {}
        self._one_executes = RLock()  # a module that is executed may use another
        sys.meta_path.insert(0, self)

    def find_spec(self, name: str, path: Sequence[str] | None, target: ModuleType | None = None) -> ModuleSpec | None:
        if not self.importing and name.startswith("torch."):
            self.execute(None)
        spec = PathFinder.find_spec(name, path, target) if self.importing and name in DEFERRED else None
        if spec and spec.loader:
            spec.loader = _DeferringLoader(self, spec.loader)
        return spec

    def defer(self, module: ModuleType, loader: Loader) -> None:
        self._waiting[module] = loader

    def execute(self, wanted: ModuleType | None) -> None:
        with self._one_executes:
            modules = [wanted]
            if not self.importing and self in sys.meta_path:
                sys.meta_path.remove(self)
                modules = [*self._waiting, wanted]
            for module in filter(None, modules):
                loader = self._waiting.pop(module, None)
                if loader:
                    loader.exec_module(module)
                    module.__class__ = ModuleType


class _DeferringLoader(Loader):
    def __init__(self, deferral: _Deferral, real: Loader) -> None:
        self._deferral, self._real = deferral, real

    def exec_module(self, module: ModuleType) -> None:
        assert module.__spec__
        module.__loader__ = module.__spec__.loader = self._real
        module.__spec__.loader_state = self._deferral
        module.__class__ = _DeferredModule
        self._deferral.defer(module, self._real)


class _DeferredModule(ModuleType):
    def __getattr__(self, name: str) -> Any:
        """An attribute that only the code of the module can give it."""
        if name == "__path__":  # each import of a name from it asks whether it is a package
            raise AttributeError(name)
        assert self.__spec__
        deferral: _Deferral = self.__spec__.loader_state
        if deferral.importing and name in DEFERRED[self.__name__]:
            return _function_of(self.__name__, name)
        deferral.execute(self)
        return ModuleType.__getattribute__(self, name)


def _function_of(module: str, name: str) -> Callable[..., Any]:
    """The function of this name, whose module is executed at the first call."""

    def function(*positional: Any, **named: Any) -> Any:
        return getattr(import_module(module), name)(*positional, **named)

    return function


def _version() -> str:
    try:
        return version("torch")
    except PackageNotFoundError:
        return ""


def load_torch() -> None:
    """Load torch's libraries, so that importing torch finds them loaded.  If this fails, the import loads them.

    An import holds the interpreter's lock while it loads a library.  That takes seconds when twenty peers start at
    once, and meanwhile a peer answers no requests.  A call of a C function does not hold the lock.
    """
    package = find_spec("torch")
    for folder in package.submodule_search_locations or () if package else ():
        for extension in Path(folder).glob("_C.*.so"):
            ctypes.CDLL(None).dlopen(os.fsencode(extension), ctypes.c_int(os.RTLD_NOW))
