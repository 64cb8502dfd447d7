"""A file, message or answer of deeply nested JSON: it must not end the process that parses it."""

import subprocess
import sys
from pathlib import Path

import pytest
from tests.helpers.nested_json import PARSERS

ROOT = Path(__file__).parents[2]


@pytest.mark.parametrize("parser", PARSERS)
def test_a_text_that_would_end_the_process_is_an_error_of_its_parser(parser: str) -> None:
    """In a process of its own, with the recursion limit that a dependency sets."""
    run = subprocess.run(
        [sys.executable, "-m", "tests.helpers.nested_json", parser],
        cwd=ROOT,
        env={"PYTHONPATH": str(ROOT / "peer"), "PATH": ""},
        capture_output=True,
        text=True,
        timeout=60,
    )
    assert (run.returncode, run.stdout) == (0, "refused\n" * 4), run.stderr[-2000:]
