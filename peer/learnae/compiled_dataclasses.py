"""Compiled code of dataclasses, kept in a file like Python's bytecode.

Python writes the methods of a dataclass as text, and compiles it whenever the class is made: 80 of the 500 ms in which
a peer imports its modules.  ``python -m learnae.compiled_dataclasses`` imports the same modules and keeps the compiled
code by its text, so the file is never out of date.  The image of a peer has this file; without it, nothing changes.
"""

import dataclasses
import marshal
import sys
from collections.abc import Callable, Iterable
from hashlib import blake2b
from importlib import import_module
from pathlib import Path
from types import CodeType
from typing import Any

FILE = Path(__file__).parent / "__pycache__" / f"dataclasses.{sys.implementation.cache_tag}"
MODULES = (  # that a peer in a pod imports, with all that they import
    "learnae.cli.app",
    "learnae.cli.peer",
    "learnae.runtime.live_process",
    "learnae.runtime.shard_learning",
    "learnae.web.api.peer_api",
    "learnae.web.api.server",
    "learnae.learn.batching",
    "learnae.learn.datasets.shard_file",
    "learnae.learn.trainer",
)


def use_compiled(file: Path = FILE) -> None:
    """Take code from the file, if it exists.  What it does not have is compiled."""
    try:
        compiled: dict[bytes, CodeType] = marshal.loads(file.read_bytes())
    except FileNotFoundError:
        return
    _execute(lambda text: compiled.get(_key(text), text))


def write_compiled(file: Path = FILE, modules: Iterable[str] = MODULES) -> None:
    """Import modules, in a new process, and write the code of all their dataclasses."""
    compiled: dict[bytes, CodeType] = {}

    def compiled_now(text: str) -> CodeType:
        code = compiled[_key(text)] = compile(text, "<string>", "exec")
        return code

    _execute(compiled_now)
    for module in modules:
        if module.startswith("learnae.learn."):
            import_module("learnae.learn.torch_import").import_torch(whole=False)
        import_module(module)
    file.write_bytes(marshal.dumps(compiled))


def _execute(code_of: Callable[[str], CodeType | str]) -> None:
    """Let ``dataclasses`` execute this code instead of its text."""

    def execute(text: str, variables: dict[str, Any], names: dict[str, Any]) -> None:
        exec(code_of(text), variables, names)

    dataclasses.exec = execute  # type: ignore[attr-defined]  # hides the built-in function


def _key(text: str) -> bytes:
    return blake2b(text.encode(), digest_size=16).digest()


if __name__ == "__main__":
    write_compiled()
