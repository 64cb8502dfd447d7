"""Compiled code of dataclasses: what a peer would compile is taken from a file."""

import subprocess
import sys
from pathlib import Path

import pytest

from learnae.compiled_dataclasses import use_compiled, write_compiled

MODULES = ("learnae.cli.peer", "learnae.runtime.live_process", "learnae.web.api.peer_api")
WRITE = "from learnae.compiled_dataclasses import *; write_compiled(Path(sys.argv[1]), sys.argv[2:])"
COUNT = """import builtins, sys; from importlib import import_module; from pathlib import Path
compiled = []
def counting(code, *rest):
    compiled.extend([code] if isinstance(code, str) else [])
    execute(code, *rest)
execute, builtins.exec = exec, counting
from learnae.compiled_dataclasses import use_compiled
use_compiled(Path(sys.argv[1]))
for module in sys.argv[2:]: import_module(module)
print(sum("__create_fn__" in text for text in compiled))"""
EXAMPLE = """from dataclasses import dataclass
@dataclass(frozen=True, slots=True)
class Point:
    x: int
    y: int = 0
"""


@pytest.fixture(autouse=True)
def restored(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("dataclasses.exec", exec, raising=False)


def run(code: str, file: Path) -> str:
    done = subprocess.run([sys.executable, "-c", code, file, *MODULES], check=True, capture_output=True, text=True)
    return done.stdout


def test_a_peer_compiles_no_dataclass_that_is_in_the_file(tmp_path: Path) -> None:
    run(WRITE, tmp_path / "compiled")
    assert int(run(COUNT, tmp_path / "missing")) > 100
    assert int(run(COUNT, tmp_path / "compiled")) == 0


def test_classes_are_the_same_with_compiled_code(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "example_of_a_dataclass.py").write_text(EXAMPLE)
    monkeypatch.syspath_prepend(tmp_path)
    write_compiled(tmp_path / "compiled", ["example_of_a_dataclass"])
    use_compiled(tmp_path / "compiled")
    names: dict[str, type] = {}
    exec(EXAMPLE, {"__name__": "example"}, names)
    point = names["Point"]
    assert repr(point(1, 2)) == "Point(x=1, y=2)"
    assert point(1) == point(1, 0) != point(2)
    assert hash(point(1)) == hash((1, 0))
    with pytest.raises(AttributeError, match="cannot assign to field 'x'"):
        point(1).x = 2
    with pytest.raises(TypeError, match="missing 1 required positional argument: 'x'"):
        point()
