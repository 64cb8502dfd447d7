"""Time limits by tier (see .ci/README.md), and which tests must share a worker when tests run in parallel."""

from collections import Counter
from collections.abc import Callable, Generator, Iterator
from contextlib import ExitStack
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
from hypothesis import HealthCheck, settings

if TYPE_CHECKING:
    from tests.helpers.stages import Stage

# Seconds per test; the limit of the fast tier is `timeout` in pyproject.toml.
LIMITS = {"slow": 300, "real": 300, "docker": 300, "soak": 4 * 3600}

# Files with long tests that share no fixtures: their tests may run in different workers.
SEPARATE = {
    "tests/stack/test_api.py",
    "tests/stack/test_chain_outages.py",
    "tests/stack/test_kill_points.py",
    "tests/stack/test_walking_skeleton.py",
}

# Tests that take longer than others.
LONG = ("tests/backends/test_backends.py::TestCompose", "tests/scenarios/", "tests/stack/")

# Hypothesis measures time, which says nothing about a test on a busy machine.
settings.register_profile(
    "without-clock", settings.default, deadline=None, suppress_health_check=[HealthCheck.too_slow]
)
settings.load_profile("without-clock")

HAS_TIMEOUT = find_spec("pytest_timeout") is not None  # a bare Python has none


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


@pytest.hookimpl(trylast=True)  # after the tests of other tiers were left out
def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Long tests come first, then scopes by their size, so that no worker waits long for another at the end."""
    size = Counter(_scope(item.nodeid) for item in items)
    items.sort(key=lambda item: (not item.nodeid.startswith(LONG), -size[_scope(item.nodeid)]))
    for item in items:
        limits = [limit for tier, limit in LIMITS.items() if item.get_closest_marker(tier)]
        if limits and HAS_TIMEOUT and not item.get_closest_marker("timeout"):
            item.add_marker(pytest.mark.timeout(max(limits)))


@pytest.hookimpl(optionalhook=True)  # of pytest-xdist
def pytest_xdist_make_scheduler(config: pytest.Config, log: Any) -> Any:
    from xdist.scheduler import LoadScopeScheduling

    config.option.loadscopereorder = False  # keeps the order of pytest_collection_modifyitems
    scheduler = LoadScopeScheduling(config, log)
    scheduler._split_scope = _scope
    return scheduler


def _scope(nodeid: str) -> str:
    """Tests of one scope run one after the other in one worker, so that a module's fixtures are set up once."""
    file = nodeid.split("::")[0]
    if file.startswith("tests/stack/test_compose") or "::TestCompose::" in nodeid:
        return "compose"  # a checkout has one swarm of containers at a time
    return nodeid if file in SEPARATE else file


@pytest.fixture
def staged(tmp_path: Path) -> Iterator[Callable[..., "Stage"]]:
    """Create stages; their journals are closed after the test."""
    from tests.helpers.stages import Stage  # not importable in a bare Python

    with ExitStack() as journals:
        yield lambda **settings: Stage(tmp_path, settings, journals)
