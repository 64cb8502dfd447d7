"""`learnae data fetch` against a server that breaks off, ignores ranges, has something else, or is not there."""

import signal
import subprocess
import sys
import threading
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass, field
from functools import partial
from hashlib import sha256
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from tests.helpers.command_line import here, refused

from learnae.adapters.download import download
from learnae.errors import InputError

CONTENT = np.random.default_rng(0).bytes(300_000)


@dataclass
class Archive:
    """A server that can break off, ignore ranges, or not have it."""

    content: bytes = CONTENT
    breaks_after: list[int] = field(default_factory=list)  # bytes sent in each of the first answers
    ranges: bool = True
    asked: list[str | None] = field(default_factory=list)  # the range of each request
    hold: threading.Event | None = None  # set: half is sent; then it waits
    url: str = ""


class Handler(BaseHTTPRequestHandler):
    def __init__(self, archive: Archive, *arguments: Any) -> None:
        self.archive = archive
        super().__init__(*arguments)

    def log_message(self, format: str, *arguments: Any) -> None:
        pass

    def do_GET(self) -> None:
        archive, asked = self.archive, self.headers.get("Range")
        archive.asked.append(asked)
        if not self.path.endswith("/all_test.csv.gz"):
            self.send_error(404)
            return
        begin = int(asked.removeprefix("bytes=").removesuffix("-")) if asked and archive.ranges else 0
        whole = len(archive.content)
        if begin >= whole:
            self.send_response(416)
            self.send_header("Content-Range", f"bytes */{whole}")
            self.send_header("Content-Length", "0")
            self.end_headers()
            return
        self.send_response(206 if begin else 200)
        if begin:
            self.send_header("Content-Range", f"bytes {begin}-{whole - 1}/{whole}")
        self.send_header("Content-Length", str(whole - begin))
        self.end_headers()
        end = begin + archive.breaks_after.pop(0) if archive.breaks_after else whole
        self.wfile.write(archive.content[begin:end])
        if archive.hold:
            self.wfile.flush()
            archive.hold.wait(30)


@pytest.fixture
def archive() -> Iterator[Archive]:
    found = Archive()
    with ThreadingHTTPServer(("127.0.0.1", 0), partial(Handler, found)) as server:
        found.url = f"http://127.0.0.1:{server.server_port}/00347"
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
        thread.start()
        yield found
        server.shutdown()
        thread.join()


def get(archive: Archive, path: Path, content: bytes = CONTENT) -> list[int]:
    """Bytes that were there at each tick."""
    ticks: list[int] = []
    url, size, digest = f"{archive.url}/all_test.csv.gz", len(content), sha256(content).hexdigest()
    download(url, path, size, digest, lambda now, total: ticks.append(now))
    return ticks


def test_a_file_comes_whole_with_progress(archive: Archive, tmp_path: Path) -> None:
    ticks = get(archive, tmp_path / "new" / "all_test.csv.gz")
    assert ticks[-1] == len(CONTENT)
    assert (tmp_path / "new" / "all_test.csv.gz").read_bytes() == CONTENT
    assert [path.name for path in (tmp_path / "new").iterdir()] == ["all_test.csv.gz"]


def test_of_an_endless_file_no_more_is_kept_than_the_data_set_has(archive: Archive, tmp_path: Path) -> None:
    archive.content = bytes(3_000_000)
    with pytest.raises(InputError, match="has more than 300,000 bytes there: name another address"):
        get(archive, tmp_path / "file")
    assert (tmp_path / "file.part").stat().st_size <= len(CONTENT)


def test_a_connection_that_drops_is_made_again_where_it_broke_off(archive: Archive, tmp_path: Path) -> None:
    archive.breaks_after = [100_000, 50_000]
    get(archive, tmp_path / "file")
    assert archive.asked == [None, "bytes=100000-", "bytes=150000-"]
    assert (tmp_path / "file").read_bytes() == CONTENT


def test_what_came_before_an_end_is_not_fetched_again(archive: Archive, tmp_path: Path) -> None:
    archive.breaks_after = [100_000, 0]
    with pytest.raises(InputError, match="the 100,000 bytes received are kept, so the same command resumes"):
        get(archive, tmp_path / "file")
    get(archive, tmp_path / "file")
    assert archive.asked[-1] == "bytes=100000-"
    assert (tmp_path / "file").read_bytes() == CONTENT


def test_a_server_without_ranges_sends_everything_again(archive: Archive, tmp_path: Path) -> None:
    archive.ranges, archive.breaks_after = False, [100_000]
    get(archive, tmp_path / "file")
    assert (tmp_path / "file").read_bytes() == CONTENT


def test_a_part_that_is_whole_already_needs_nothing_more_and_one_too_long_begins_anew(
    archive: Archive, tmp_path: Path
) -> None:
    (tmp_path / "file.part").write_bytes(CONTENT)
    get(archive, tmp_path / "file")
    assert archive.asked == [f"bytes={len(CONTENT)}-"]
    (tmp_path / "again.part").write_bytes(CONTENT + b"more")
    get(archive, tmp_path / "again")
    assert (tmp_path / "again").read_bytes() == CONTENT


def test_a_wrong_checksum_removes_what_came(archive: Archive, tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"file has SHA-256 .* instead of .* and was removed: download it again"):
        get(archive, tmp_path / "file", bytes(len(CONTENT)))
    assert not list(tmp_path.iterdir())


def test_fetching_the_wrong_file_is_told_and_nothing_stays(archive: Archive, tmp_path: Path) -> None:
    done = here(tmp_path, "data", "fetch", "hepmass", "--file", "all_test.csv.gz", "--from", archive.url)
    refused(done, "all_test.csv.gz has SHA-256")
    assert "Downloading http://127.0.0.1" in done.stdout
    assert not list((tmp_path / "downloads").iterdir())


def test_an_address_without_the_file_and_one_without_a_server_are_told_apart(archive: Archive, tmp_path: Path) -> None:
    missing = here(tmp_path, "data", "fetch", "hepmass", "--from", archive.url)
    refused(missing, "all_train.csv.gz answers 404", "--from")
    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as closed:
        port = closed.server_port
    nobody = here(tmp_path, "data", "fetch", "hepmass", "--from", f"http://127.0.0.1:{port}")
    refused(nobody, "127.0.0.1 cannot be reached", "refused", "check the network")
    refused(here(tmp_path, "data", "fetch", "hepmass", "--from", "file:/etc"), "not an http address")
    refused(here(tmp_path, "data", "fetch", "hepmass", "--file", "x.gz"), "choose one of all_train.csv.gz, all_test")


def interrupted(process: subprocess.Popen[str]) -> str:
    """Its errors after Ctrl-C, pressed again as a user would: Python loses one that comes while it ends an import."""
    for _ in range(5):
        process.send_signal(signal.SIGINT)
        with suppress(subprocess.TimeoutExpired):
            return process.communicate(timeout=10)[1]
    raise AssertionError("it does not end")


def test_ctrl_c_keeps_what_came(archive: Archive, tmp_path: Path) -> None:
    archive.breaks_after, archive.hold = [100_000], threading.Event()
    command = ["env", f"LEARNAE_DATA={tmp_path}", sys.executable, "-m", "learnae", "data", "fetch", "hepmass"]
    options = ["--file", "all_test.csv.gz", "--from", archive.url]
    part = tmp_path / "downloads" / "all_test.csv.gz.part"
    with subprocess.Popen([*command, *options], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True) as process:
        while not (part.exists() and part.stat().st_size == 100_000):
            assert process.poll() is None
        errors = interrupted(process)
    archive.hold.set()
    assert process.returncode == 130
    assert "interrupted" in errors
    assert part.stat().st_size == 100_000


def test_a_file_that_is_here_is_not_fetched_again(tmp_path: Path) -> None:
    downloads = tmp_path / "downloads"
    downloads.mkdir()
    for name in ("all_train.csv.gz", "all_test.csv.gz"):
        (downloads / name).write_bytes(b"")
    done = here(tmp_path, "data", "fetch", "hepmass", "--from", "http://127.0.0.1:9")
    assert done.returncode == 0, done.stderr
    assert "is here already" in done.stdout
    assert "Next: learnae data hepmass " in done.stdout
