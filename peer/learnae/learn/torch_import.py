"""Imports torch in a process that trains one peer, in less time and memory than ``import torch``."""

import ctypes
import os
import sys
from importlib.metadata import PackageNotFoundError, version
from importlib.util import find_spec
from pathlib import Path
from threading import Lock
from types import ModuleType

META = "torch._meta_registrations"  # kernels in Python for tensors that have a shape but no data
LIGHT = "2.6."  # the versions that work without them, which the image of a pod has; 2.15 draws no order of rows
_one_thread = Lock()


def import_torch(whole: bool) -> None:
    """Import torch, unless that was done.  ``whole``: with the kernels that only compilers and ``vmap`` need.

    Without them the import takes two thirds of the time, and 19 MB less.  Tensors with data never use these kernels.
    """
    with _one_thread:
        if "torch" in sys.modules:
            return
        load_torch()
        light = not whole and _version().startswith(LIGHT)
        if light:
            sys.modules[META] = ModuleType(META)
        import torch  # noqa: F401

        if light:
            del sys.modules[META]  # a later import finds the real one


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
