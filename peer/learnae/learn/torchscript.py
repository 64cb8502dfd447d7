"""Functions of tensors that run without Python's global lock.

PyTorch releases this lock for each operation and takes it again, for which two threads that train small matrices wait a
fifth of their time.  A function that TorchScript has compiled takes it once.  PyTorch calls TorchScript deprecated and
has nothing else that does this, so a function that is compiled here is also correct as plain Python.
"""

import threading
import warnings
from collections.abc import Callable
from functools import wraps
from typing import ParamSpec, TypeVar

import torch

Parameters = ParamSpec("Parameters")
Result = TypeVar("Result")
_compiling = threading.Lock()  # the filter of warnings belongs to the process


def compiled(function: Callable[Parameters, Result]) -> Callable[Parameters, Result]:
    """The same operations in the same order, so the same bits."""
    with _compiling, warnings.catch_warnings():
        warnings.simplefilter("ignore", FutureWarning)
        script = torch.jit.script(function)

    @wraps(function)
    def run(*args: Parameters.args, **kwargs: Parameters.kwargs) -> Result:
        with torch.jit.optimized_execution(False):  # type: ignore[attr-defined]  # applies to this thread
            found: Result = script(*args, **kwargs)
            return found

    return run
