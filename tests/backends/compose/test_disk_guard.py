"""A pod that fills the disk of the host is stopped, and no other."""

import asyncio
import os
import sys
import time
from collections.abc import Iterable
from itertools import count
from pathlib import Path

import pytest

from learnae.backends.compose.capacity import MIB, REST_DISK
from learnae.backends.compose.containers import Containers
from learnae.backends.compose.disk_guard import EVERY, MAX_MEASURING, SHRUNK, DiskGuard, Space, exceeds
from learnae.backends.pods import files
from learnae.errors import InputError

FREE = Space(4000 * MIB, 400)
SHARE = Space(1000 * MIB, 100)


class Killed(Containers):
    """Containers that are only remembered."""

    services: list[str]

    def kill(self, services: Iterable[str]) -> None:
        self.services.extend(services)


class Stage:
    """Two pods.  A test moves the clock and says how much is free."""

    def __init__(self, folder: Path) -> None:
        self.folder, self.free, self.now, self.said = folder, FREE, 0.0, list[str]()
        self.containers = Killed("test", folder)
        object.__setattr__(self.containers, "services", [])
        for name in ("p00", "p01"):
            for part in ("journals", "repositories"):
                (folder / part / name).mkdir(parents=True)
        self.guard = DiskGuard(
            self.containers, folder, ["p00", "p01"], self.said.append, lambda _: self.free, lambda: self.now
        )

    def look(self) -> list[str]:
        """The containers that are killed."""
        self.containers.services.clear()
        asyncio.run(self.guard.look())
        return list(self.containers.services)


@pytest.fixture
def stage(tmp_path: Path) -> Stage:
    return Stage(tmp_path)


def fill(folder: Path, count: int) -> None:
    for number in range(count):
        (folder / str(number)).touch()


def test_a_pod_with_more_than_its_share_is_stopped_and_no_other(stage: Stage) -> None:
    assert stage.guard.limit == SHARE
    fill(stage.folder / "journals" / "p01", 60)
    fill(stage.folder / "repositories" / "p01", 41)  # 101 together
    fill(stage.folder / "journals" / "p00", 99)
    assert stage.look() == []  # nothing has shrunk yet
    stage.now = EVERY + 1
    assert stage.look() == ["peer-p01", "ipfs-p01"]
    assert stage.said == [
        "p01 is stopped: its journal and its IPFS repository take more than its share (1000 MiB or 100 files)."
    ]


def test_free_space_that_shrinks_is_looked_into_at_once_and_a_restarted_pod_is_stopped_again(stage: Stage) -> None:
    fill(stage.folder / "journals" / "p00", 101)
    stage.free = Space(FREE.bytes - SHRUNK - 1, FREE.files)
    assert stage.look() == ["peer-p00", "ipfs-p00"]
    assert stage.look() == []
    stage.now = EVERY + 1
    assert stage.look() == ["peer-p00", "ipfs-p00"] and len(stage.said) == 1


def test_a_disk_that_is_nearly_full_ends_the_session_whoever_filled_it(stage: Stage) -> None:
    stage.free = Space(REST_DISK - 1, FREE.files)
    with pytest.raises(InputError, match="less than 500 MiB of disk is free"):
        stage.look()


def test_large_files_count_by_what_they_take_and_links_by_themselves(tmp_path: Path) -> None:
    folder = tmp_path / "pod"
    folder.mkdir()
    (folder / "link").symlink_to("/")
    os.truncate(os.open(folder / "sparse", os.O_CREAT | os.O_WRONLY), 1 << 40)
    assert not exceeds([folder], Space(MIB, 10))
    (folder / "deep").mkdir()
    (folder / "deep" / "large").write_bytes(bytes(2 * MIB))
    assert exceeds([folder], Space(MIB, 10)) and not exceeds([folder], Space(3 * MIB, 10))
    assert not exceeds([tmp_path / "gone"], Space(0, 0))


def test_a_busy_host_makes_no_pod_too_large_and_one_that_takes_the_processor_too_long_is(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    fill(tmp_path, 10)
    hours, moments = count(0.0, 3600.0), count(0.0, MAX_MEASURING / 5)
    monkeypatch.setattr(time, "monotonic", lambda: next(hours))
    assert not exceeds([tmp_path], FREE)
    monkeypatch.setattr(time, "thread_time", lambda: next(moments))
    assert exceeds([tmp_path], FREE)


def test_folders_nested_too_deeply_count_as_too_much_and_the_next_session_says_what_to_do(
    tmp_path: Path, request: pytest.FixtureRequest
) -> None:
    folder = tmp_path / "swarm"
    folder.mkdir()
    at = os.open(folder, os.O_RDONLY)
    for _ in range(900):
        os.mkdir("deep", dir_fd=at)
        inner = os.open("deep", os.O_RDONLY, dir_fd=at)
        os.close(at)
        at = inner
    os.close(at)
    assert exceeds([folder], FREE)
    limit = sys.getrecursionlimit()
    request.addfinalizer(lambda: sys.setrecursionlimit(limit))
    sys.setrecursionlimit(500)  # some libraries raise it
    with pytest.raises(InputError, match="rm -rf"):
        files.remove(folder)
