"""A process that trains one peer imports torch without the modules that this does not use, where that works."""

import subprocess
import sys
from pathlib import Path

import pytest

TORCH = {
    "__init__": "from torch import optim, nn\nfrom torch.func import vmap\nfrom torch import _meta_registrations",
    "optim": "print('optim')\nimport torch.func\nsteps = torch.func.vmap(1)",
    "nn/__init__": "import torch.nn.quantized\nfrom torch.nn.plain import layer",
    "nn/plain": "import torch.func\nlayer = 5",
    "nn/quantized/__init__": "print('quantized')\nfrom torch.nn.quantized.inner import scale",
    "nn/quantized/inner": "import torch.nn.quantized\nscale = 3",
    "func": "print('func')\ndef vmap(value): return value + 1",
    "_meta_registrations": "print('meta')\nimport torch.optim\ncomplete = torch.optim.steps",
    "compiler": "print('compiler')",
}
PROGRAM = """
import sys
from learnae.learn.torch_import import import_torch

sys.path.insert(0, sys.argv[1])
import_torch(whole=sys.argv[2] == "whole")
import torch
print(torch.__file__, torch.nn.layer)
finders = len(sys.meta_path)
for line in sys.argv[3].split("; "):
    exec(line)
import_torch(whole=True)  # the second one changes nothing
"""
ALL = ["optim", "func", "quantized", "meta"]


def imported(folder: Path, version: str, asked: str, then: str) -> list[str]:
    """What a program prints that imports a torch of this version and then executes ``then``."""
    for name, text in TORCH.items():
        file = folder / "torch" / f"{name}.py"
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(text)
    metadata = folder / "torch-0.dist-info"
    metadata.mkdir()
    (metadata / "METADATA").write_text(f"Name: torch\nVersion: {version}\n")
    command = [sys.executable, "-c", PROGRAM, str(folder), asked, then]
    done = subprocess.run(command, capture_output=True, text=True)
    assert not done.returncode, done.stderr
    return done.stdout.split()


@pytest.mark.parametrize(("version", "asked"), [("2.6.0", "whole"), ("2.15.0", "light")])
def test_all_of_torch_is_executed_where_that_is_asked_or_needed(tmp_path: Path, version: str, asked: str) -> None:
    printed = imported(tmp_path, version, asked, "print(torch.vmap is torch.func.vmap)")
    assert printed == [*ALL, str(tmp_path / "torch" / "__init__.py"), "5", "True"]


@pytest.mark.parametrize(
    ("then", "prints"),
    [
        ("print(torch.optim.steps)", [*ALL, "2"]),
        ("print(torch.nn.quantized.scale, torch.optim.steps)", [*ALL, "3", "2"]),  # in the order of torch
        ("import torch.compiler", [*ALL, "compiler"]),
        ("import torch.nn.quantized.inner; print(torch.nn.quantized.inner.scale)", [*ALL, "3"]),
        ("from torch.optim import steps; print(steps)", [*ALL, "2"]),
        ("print(torch.vmap(4))", [*ALL, "5"]),
        (
            "import torch.optim; print(hasattr(torch.optim, 'missing'), hasattr(torch.func, 'vmap'))",
            [*ALL, "False", "True"],
        ),
        ("print(torch._meta_registrations.complete); print(type(torch.optim) is type(sys))", [*ALL, "2", "True"]),
        ("torch.optim.steps; print(finders - len(sys.meta_path))", [*ALL, "1"]),
        ("import torch.func; print(torch.nn.layer, torch.optim.__name__)", ["5", "torch.optim"]),
    ],
)
def test_in_the_version_of_pods_what_training_does_not_use_is_executed_at_its_first_use(
    tmp_path: Path, then: str, prints: list[str]
) -> None:
    printed = imported(tmp_path, "2.6.0+debian", "light", then)
    assert printed == [str(tmp_path / "torch" / "__init__.py"), "5", *prints]


def test_threads_that_use_them_at_once_find_them_complete(tmp_path: Path) -> None:
    use = "from concurrent.futures import ThreadPoolExecutor; pool = ThreadPoolExecutor(8); "
    use += "print(set(pool.map(lambda _: (torch.optim.steps, torch.nn.quantized.scale), range(64))))"
    printed = imported(tmp_path, "2.6.0+debian", "light", use)
    assert printed == [str(tmp_path / "torch" / "__init__.py"), "5", *ALL, "{(2,", "3)}"]
