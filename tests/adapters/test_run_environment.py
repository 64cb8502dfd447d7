"""Processors that may compute other bits have other names."""

from pathlib import Path

import pytest

from learnae.adapters.run_directory.directory import processor

ARM = "processor\t: {}\nCPU implementer\t: 0x41\nCPU architecture: 8\nCPU variant\t: 0x3\nCPU part\t: {}\n\n"


@pytest.mark.parametrize(
    ("cpuinfo", "name"),
    [
        ("processor\t: 0\nmodel name\t: Xeon: fast\n\nprocessor\t: 1\nmodel name\t: Xeon: fast\n", "Xeon: fast"),
        (ARM.format(0, "0xd0c") + ARM.format(1, "0xd0c"), "CPU implementer 0x41, CPU variant 0x3, CPU part 0xd0c"),
        (
            ARM.format(0, "0xd05") + ARM.format(1, "0xd0a"),
            "CPU implementer 0x41, CPU variant 0x3, CPU part 0xd05, CPU part 0xd0a",
        ),
        ("processor\t: 0\n", None),
        (None, None),
    ],
)
def test_a_processor_is_known_by_its_model_or_its_codes(cpuinfo: str | None, name: str | None, tmp_path: Path) -> None:
    path = tmp_path / "cpuinfo"
    if cpuinfo is not None:
        path.write_text(cpuinfo, encoding="utf-8")
    assert processor(path) == name
