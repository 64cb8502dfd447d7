"""A process that trains one peer imports torch without its kernels for tensors that have no data, where that works."""

import subprocess
import sys
from pathlib import Path

import pytest

PROGRAM = """
import sys
from learnae.learn.torch_import import META, import_torch

sys.path.insert(0, sys.argv[1])
import_torch(whole=sys.argv[2] == "whole")
light = META not in sys.modules
import_torch(whole=True)  # the second one changes nothing
import torch
import torch._meta_registrations
print(torch.__file__, light, torch._meta_registrations.complete)
"""


@pytest.mark.parametrize(
    ("version", "asked", "light"),
    [("2.6.0+debian", "light", True), ("2.6.0", "whole", False), ("2.15.0", "light", False)],
)
def test_kernels_without_data_are_left_out_in_the_version_of_pods_and_can_be_imported_later(
    tmp_path: Path, version: str, asked: str, light: bool
) -> None:
    (tmp_path / "torch").mkdir()
    (tmp_path / "torch" / "__init__.py").write_text("from torch import _meta_registrations\n")
    (tmp_path / "torch" / "_meta_registrations.py").write_text("complete = True\n")
    metadata = tmp_path / "torch-0.dist-info"
    metadata.mkdir()
    (metadata / "METADATA").write_text(f"Name: torch\nVersion: {version}\n")
    command = [sys.executable, "-c", PROGRAM, str(tmp_path), asked]
    told = subprocess.run(command, capture_output=True, text=True)
    assert told.stdout.split() == [str(tmp_path / "torch" / "__init__.py"), str(light), "True"], told.stderr
