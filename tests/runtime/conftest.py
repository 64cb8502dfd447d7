"""What tests of drivers share."""

from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path

import pytest
from tests.helpers.stages import Stage


@pytest.fixture
def staged(tmp_path: Path) -> Iterator[Callable[..., Stage]]:
    """Stages whose journals are closed in the end."""
    with ExitStack() as journals:
        yield lambda **settings: Stage(tmp_path, settings, journals)
