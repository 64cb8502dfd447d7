"""Time limits by tier (see .ci/README.md), and which tests must share a worker when tests run in parallel."""

from collections.abc import Callable, Generator, Iterator
from contextlib import ExitStack
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from tests.helpers.stages import Stage

# Seconds per test; the limit of the fast tier is `timeout` in pyproject.toml.
LIMITS = {"slow": 300, "real": 300, "docker": 300, "soak": 4 * 3600}

# `make test-bare` runs in a Python without pytest-timeout.
HAS_TIMEOUT = find_spec("pytest_timeout") is not None
HAS_XDIST = find_spec("xdist") is not None


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption("--no-skips", action="store_true", help="fail skipped tests: in CI nothing may be missing")
    if not HAS_TIMEOUT:
        parser.addini("timeout", "seconds per test; has no effect without pytest-timeout")


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(item: pytest.Item) -> Generator[None, pytest.TestReport, pytest.TestReport]:
    report = yield
    if report.skipped and not hasattr(report, "wasxfail") and item.config.getoption("no_skips"):
        report.outcome, report.longrepr = "failed", f"skipped: {report.longrepr}"
    return report


@pytest.hookimpl(tryfirst=True)  # before pytest-xdist reads the groups
def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    for item in items:
        limits = [limit for tier, limit in LIMITS.items() if item.get_closest_marker(tier)]
        if limits and HAS_TIMEOUT and not item.get_closest_marker("timeout"):
            item.add_marker(pytest.mark.timeout(max(limits)))
        if HAS_XDIST and (group := _group(item)):
            item.add_marker(pytest.mark.xdist_group(group))


def _group(item: pytest.Item) -> str | None:
    """Tests of one group run one after the other, in the same process."""
    if item.get_closest_marker("docker"):
        return "docker"  # a checkout has one swarm of containers at a time
    fixtures = item._fixtureinfo.name2fixturedefs.values() if isinstance(item, pytest.Function) else ()
    shared = any(each.baseid and each.scope != "function" for each in (defs[-1] for defs in fixtures))
    return item.path.stem if shared else None  # or each worker would set up a module's fixtures again


@pytest.fixture
def staged(tmp_path: Path) -> Iterator[Callable[..., "Stage"]]:
    """Create stages; their journals are closed after the test."""
    from tests.helpers.stages import Stage  # not importable in a bare Python

    with ExitStack() as journals:
        yield lambda **settings: Stage(tmp_path, settings, journals)
