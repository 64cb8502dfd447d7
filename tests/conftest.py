"""Time limits by tier (.ci/README.md), and the one setting a bare Python must be able to parse."""

from collections.abc import Callable, Generator, Iterator
from contextlib import ExitStack
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from tests.helpers.stages import Stage

SECONDS = dict.fromkeys(("protocol", "messages", "session", "records", "analysis"), 20) | {
    "stack": 300,
    "scenarios": 300,
}
SOAK = 4 * 3600
BARE = find_spec("pytest_timeout") is None


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption("--no-skips", action="store_true", help="skipped is failed: in CI nothing may be missing")
    if BARE:
        parser.addini("timeout", "seconds a test: without pytest-timeout there is no limit")


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(item: pytest.Item) -> Generator[None, pytest.TestReport, pytest.TestReport]:
    report = yield
    if report.skipped and not hasattr(report, "wasxfail") and item.config.getoption("no_skips"):
        report.outcome, report.longrepr = "failed", f"skipped: {report.longrepr}"
    return report


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    for item in items:
        tier = item.path.relative_to(item.config.rootpath / "tests").parts[0]
        limit = SOAK if item.get_closest_marker("soak") else SECONDS.get(tier)
        if limit and not BARE and not item.get_closest_marker("timeout"):
            item.add_marker(pytest.mark.timeout(limit))


@pytest.fixture
def staged(tmp_path: Path) -> Iterator[Callable[..., "Stage"]]:
    """Create stages; the journals of all of them are closed after the test."""
    from tests.helpers.stages import Stage  # not in a bare Python

    with ExitStack() as journals:
        yield lambda **settings: Stage(tmp_path, settings, journals)
