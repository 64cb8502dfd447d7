"""CONTRIBUTING's table is true: its paths exist, and three of its rows are enough to add what they promise."""

import json
import re
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
PAGE = (ROOT / "CONTRIBUTING.md").read_text(encoding="utf-8")
SESSION = """
name = "extended"
peers = 3
[data]
rows = 200
validation_rows = 100
judging_rows = 10
test_rows = 200
[work]
slices = 2
patience = 3
[reward]
function = "double"
"""

FUNCTION = """
def double(view: RewardView) -> int:
    return 2 * proportional(view)
"""
CHECK = """@check
def something_happened(history: History) -> Iterator[str]:
    if not history.records:
        yield "the history is empty"
"""


def rows() -> dict[str, list[str]]:
    """What can be added, and the paths that its row names."""
    table = re.findall(r"^\| (?!to add|-)([^|]+?) \| (.+) \|$", PAGE, re.MULTILINE)
    return {what: re.findall(r"`([\w./]+(?:/|\.\w+|/\w+))`", touch) for what, touch in table}


def located(path: str) -> Path | None:
    """A path of the table, relative to the repository."""
    candidates = (Path("peer") / "learnae" / path, Path(path))
    return next((candidate for candidate in candidates if (ROOT / candidate).exists()), None)


@pytest.mark.parametrize("what", rows())
def test_every_path_of_the_table_exists(what: str) -> None:
    missing = [path for path in rows()[what] if located(path) is None]
    assert not missing


class Copy:
    """A copy of the repository in which only files that a row names may be changed."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder

    def edit(self, row: str, path: str, old: str, new: str) -> None:
        named = [str(located(each) or each) for each in rows()[row]]
        target = str(located(path))
        assert any(target.startswith(each) for each in named), f"{target} is not in the row of {row}: {named}"
        file = self.folder / target
        text = file.read_text(encoding="utf-8")
        assert text.count(old) == 1, f"{target} holds {old!r} {text.count(old)} times"
        file.write_text(text.replace(old, new), encoding="utf-8")

    def run(self, *command: str) -> subprocess.CompletedProcess[str]:
        path = f"PYTHONPATH={self.folder / 'peer'}:{self.folder}"
        arguments = ["env", path, sys.executable, *command]
        return subprocess.run(arguments, cwd=self.folder, capture_output=True, text=True, check=False)


@pytest.fixture(scope="module")
def copy(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Copy]:
    folder = tmp_path_factory.mktemp("copy")
    listed = subprocess.run(["git", "ls-files", "-z"], cwd=ROOT, check=True, capture_output=True, text=True)
    for name in listed.stdout.strip("\0").split("\0"):
        if (ROOT / name).is_file():
            (folder / name).parent.mkdir(parents=True, exist_ok=True)
            shutil.copy(ROOT / name, folder / name)
    yield Copy(folder)
    shutil.rmtree(folder)


@pytest.fixture(scope="module")
def extended(copy: Copy) -> Copy:
    """The copy with a reward function, a check and a metric more, each added by following its row."""
    reward, check, metric = "a built-in reward function", "a check", "a metric"
    copy.edit(reward, "protocol/reward.py", "\n\ndef scaled_gain", f"\n\n{FUNCTION}\n\ndef scaled_gain")
    flat = '        "flat": "learnae.protocol.reward:flat",\n'
    copy.edit(reward, "plugins.py", flat, f'{flat}        "double": "learnae.protocol.reward:double",\n')
    recomputed = '        case "double":\n            return 2 * floor(view.factor * gain)\n'
    copy.edit(reward, "analysis/checks/amounts.py", '        case "flat":\n', f'{recomputed}        case "flat":\n')

    copy.edit(
        check,
        "analysis/checks/work.py",
        "@check\ndef own_models_not_averaged",
        f"{CHECK}\n\n@check\ndef own_models_not_averaged",
    )
    entry = '    "own_models_not_averaged": work.own_models_not_averaged,\n'
    copy.edit(
        check, "analysis/checks/__init__.py", entry, f'{entry}    "something_happened": work.something_happened,\n'
    )

    row = '    Metric("learnae_slices_total", "counter", "slices", '
    copy.edit(
        metric,
        "adapters/metrics/metric_list.py",
        row,
        f'    Metric("learnae_naps_total", "counter", "naps", "taken"),\n{row}',
    )
    count = '                self._count("learnae_slices_total", peer)\n'
    copy.edit(
        metric,
        "adapters/metrics/observer.py",
        count,
        f'{count}                self._count("learnae_naps_total", peer)\n',
    )
    return copy


def test_a_reward_function_and_a_check_are_added_by_following_their_rows(extended: Copy) -> None:
    (extended.folder / "session.toml").write_text(SESSION, encoding="utf-8")
    done = extended.run("-m", "learnae", "simulate", "session.toml", "--out", "run")
    assert done.returncode == 0, done.stdout + done.stderr
    verdict = json.loads((extended.folder / "run" / "verdict.json").read_text(encoding="utf-8"))
    assert verdict["checks"]["something_happened"]["result"] == "valid"
    assert verdict["checks"]["amounts_follow_reward_function"]["result"] == "valid"
    assert "double" in (extended.folder / "run" / "session.toml").read_text(encoding="utf-8")


def test_a_metric_is_added_by_following_its_row(extended: Copy) -> None:
    script = (
        "from learnae.adapters.metrics import Metrics, Sample\n"
        "from learnae.protocol.decisions import Trained\n"
        "from learnae.protocol.types import Cid, Score\n"
        "metrics = Metrics()\n"
        "metrics.follow('p00', 'trainer', Sample)\n"
        "metrics.observe(0.0, 'p00', Trained(0, 1, Cid('cid'), Score(1, 2)))\n"
        "print(metrics.render().decode())\n"
    )
    done = extended.run("-c", script)
    assert 'learnae_naps_total{peer="p00",role="trainer"} 1.0' in done.stdout, done.stderr
    assert extended.run("-m", "tools.generate", "--check").returncode == 1
    assert extended.run("-m", "tools.generate").returncode == 0
    assert extended.run("-m", "tools.generate", "--check").returncode == 0
