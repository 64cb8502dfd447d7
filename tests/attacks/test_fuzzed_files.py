"""Every command that reads a file, given files that are damaged, absurd or of another kind.

It must end with 0, 1 or 2 within 2 s, and with one sentence instead of a traceback; no error may be unexpected.
"""

import contextlib
import io
import os
import random
import resource
import shutil
import signal
import tempfile
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from types import FrameType

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from tests.backends.remote_peers.test_join_file import join_file
from tests.helpers.fuzzing import damaged, table_of, toml
from tests.helpers.identities import identity_keys
from tests.helpers.left_behind import leave
from tests.helpers.small_heap import small_heap
from tests.helpers.swarms import run, small
from tests.learn.uci_files import sound
from typer.main import get_command

from learnae import resources as shipped
from learnae.adapters import keystore
from learnae.backends.live_run import SESSION
from learnae.cli import many_runs
from learnae.cli.app import build_app
from learnae.cli.boundary import exit_code_of
from learnae.learn.datasets import partition, sources
from learnae.learn.datasets.dataset import Dataset
from learnae.session.session_file import load, schema, to_toml
from learnae.session.settings import DataSettings

SECONDS = 2.0  # of processor time per example
WARM_UP = 600.0  # s, until everything is imported
MEMORY = 1 << 30  # bytes per example
HANG = 60.0  # s of wall time, for what waits
SCHEMA, COMMAND = schema(), get_command(build_app())
NOWHERE = "http://127.0.0.1:9"  # refuses connections


class TooSlow(BaseException):
    """No boundary catches it."""


@dataclass
class Limits:
    seconds: float = WARM_UP  # of processor time
    hang: float = WARM_UP  # of wall time
    memory: int | None = None  # bytes, in addition to what is used


LIMITS = Limits()


@contextlib.contextmanager
def limited() -> Iterator[None]:
    """Interrupt the body when its time is over, and limit its memory: an endless file must not end the machine."""

    def interrupt(number: int, frame: FrameType | None) -> None:
        raise TooSlow

    before = [signal.signal(number, interrupt) for number in (signal.SIGPROF, signal.SIGALRM)]
    pages = int(Path("/proc/self/statm").read_text().split()[0])
    memory = resource.getrlimit(resource.RLIMIT_AS)
    if LIMITS.memory:
        resource.setrlimit(resource.RLIMIT_AS, (pages * resource.getpagesize() + LIMITS.memory, memory[1]))
    signal.setitimer(signal.ITIMER_PROF, LIMITS.seconds)
    signal.setitimer(signal.ITIMER_REAL, LIMITS.hang)
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_AS, memory)
        signal.setitimer(signal.ITIMER_PROF, 0)
        signal.setitimer(signal.ITIMER_REAL, 0)
        for number, handler in zip((signal.SIGPROF, signal.SIGALRM), before, strict=True):
            signal.signal(number, handler)


@dataclass
class Originals:
    """Files that are in order, and a folder for damaged copies."""

    folder: Path

    def __post_init__(self) -> None:
        base = self.folder / "originals"
        base.mkdir()
        swarm = run(small(peers=3, work={"slices": 2, "patience": 2}), journals=True, keys=identity_keys)
        self.live = leave(swarm, base / "live")
        self.run = base / "run"
        self.run.mkdir()
        (self.run / SESSION).write_text(to_toml(swarm.simulation.session))
        (self.run / "history.jsonl").write_text("\n".join(swarm.lines) + "\n")
        (self.run / "chain.jsonl").write_text("\n".join(swarm.chain_lines) + "\n")
        for name in ("verdict.json", "baselines.json", "environment.json"):
            (self.run / name).write_text('{"summary": {"wall_seconds": 1.0}}')
        self.join = join_file(base)
        self.wallet = base / "wallet.json"
        keystore.create_wallet(self.wallet)
        self.hepmass = sound(base, rows=30)
        self.sessions = [*shipped.session_files().values(), *shipped.scenario_files().values()]
        dice = np.random.default_rng(1)
        self.csv = b"a,b,class,text\n" + b"".join(
            b"%f,%d,%s,word\n" % (x, x * 9, b"yes" if x > 0 else b"no") for x in dice.normal(0, 1, 300)
        )
        np.savez(
            base / "rows.npz",
            features=dice.normal(0, 1, (40, 27)).astype(np.float32),
            mass=np.full(40, 500.0),
            label=np.arange(40) % 2,
            mean=np.zeros(27),
            std=np.ones(27),
        )
        self.npz = (base / "rows.npz").read_bytes()
        self.parquet = b""
        with contextlib.suppress(ImportError):
            import pyarrow
            import pyarrow.parquet

            table = pyarrow.table({"a": dice.normal(0, 1, 300), "b": [[1]] * 300, "class": ["yes", "no"] * 150})
            pyarrow.parquet.write_table(table, base / "rows.parquet")
            self.parquet = (base / "rows.parquet").read_bytes()

        for kind in ATTACKS:  # what is imported only now counts for no example
            kind(random.Random(1), self)
        LIMITS.seconds, LIMITS.hang, LIMITS.memory = SECONDS, HANG, MEMORY

    def copy(self, dice: random.Random, original: Path, mode: int = 0o644) -> Path:
        """A damaged copy, or something else of that name."""
        path = self.fresh() / original.name
        self.put(dice, path, original.read_bytes())
        if path.is_file():
            path.chmod(mode)
        return path

    def put(self, dice: random.Random, path: Path, data: bytes) -> None:
        kind = dice.random()
        if kind < 0.005:
            os.mkfifo(path)
        elif kind < 0.01:
            path.symlink_to("/dev/zero")
        elif kind < 0.015:
            path.mkdir()
        elif kind < 0.02:
            path.symlink_to(path)
        else:
            path.write_bytes(damaged(dice, data))

    def tree(self, dice: random.Random, original: Path) -> Path:
        """A copy of a folder in which one file is damaged or missing."""
        copy = self.fresh() / "run"
        shutil.copytree(original, copy)
        chosen = dice.choice([path for path in sorted(copy.rglob("*")) if path.is_file()])
        data = chosen.read_bytes()
        chosen.unlink()
        if dice.random() > 0.02:
            self.put(dice, chosen, data)
        return copy

    def fresh(self) -> Path:
        path = self.folder / "damaged"
        shutil.rmtree(path, ignore_errors=True)
        path.mkdir()
        return path


def sentence_of(folder: Path, arguments: list[object], environment: dict[str, str] | None = None) -> str | None:
    """What is wrong with how the command ends; None if nothing."""
    stdout, stderr, code = io.StringIO(), io.StringIO(), 0
    try:
        with (
            pytest.MonkeyPatch.context() as patch,
            limited(),
            contextlib.redirect_stdout(stdout),
            contextlib.redirect_stderr(stderr),
        ):
            patch.chdir(folder)
            for name, value in {"LEARNAE_DATA": str(folder), **(environment or {})}.items():
                patch.setenv(name, value)
            COMMAND.main([str(argument) for argument in arguments], prog_name="learnae")
    except SystemExit as end:
        code = end.code if isinstance(end.code, int) else -1
    except TooSlow:
        return "still running when its time was over"
    except Exception as error:
        return f"{type(error).__name__}: {error}"
    return wrong_end(code, stderr.getvalue())


def wrong_end(code: int, stderr: str) -> str | None:
    if code not in (0, 1, 2) or any(
        words in stderr for words in ("unexpected error", "Traceback", "too little memory")
    ):
        return f"exit code {code}: {stderr}"
    if code == 2 and len(stderr.strip().splitlines()) != 1 and not stderr.startswith("Usage:"):
        return f"not one sentence: {stderr}"
    return None


def within_boundary(work: Callable[[], object]) -> str | None:
    """The same for what only commands do that take longer."""
    stderr = io.StringIO()

    def command() -> int:
        work()
        return 0

    try:
        with contextlib.redirect_stderr(stderr), limited():
            code = exit_code_of(command)
    except TooSlow:
        return "still running when its time was over"
    return wrong_end(code, stderr.getvalue())


# one example of each kind: what is wrong, or None

Attack = Callable[[random.Random, Originals], str | None]


def session_file(dice: random.Random, files: Originals) -> str | None:
    return sentence_of(files.folder, ["chaos", "plan", files.copy(dice, dice.choice(files.sessions))])


def session_of_schema(dice: random.Random, files: Originals) -> str | None:
    path = files.fresh() / "session.toml"
    path.write_bytes(toml(table_of(dice, SCHEMA, wild=dice.choice((0.0, 0.02, 0.1)))))
    return sentence_of(files.folder, ["chaos", "plan", path])


def assignment(dice: random.Random, files: Originals) -> str | None:
    original = dice.choice((b"work.patience=15,40", b"model.hidden=[32],[64,64]", b"groups.0.count=2,4", b"seed=7,8"))
    words = [damaged(dice, original).decode("utf-8", "replace") for _ in range(dice.choice((1, 1, 2)))]
    options = [word for text in words for word in ("--set", text)]
    return sentence_of(files.folder, ["sweep", dice.choice(files.sessions), *options, "--seeds", 1])


def run_folder(dice: random.Random, files: Originals) -> str | None:
    command = dice.choice((*["check"] * 4, *["compare"] * 3, "report"))  # a report takes 40 times as long as a session
    return sentence_of(files.folder, [command, files.tree(dice, files.run)])


def live_run_folder(dice: random.Random, files: Originals) -> str | None:
    return sentence_of(files.folder, ["audit", files.tree(dice, files.live)])


def journal(dice: random.Random, files: Originals) -> str | None:
    return sentence_of(files.folder, ["history", files.copy(dice, files.live / "journals" / "p00.sqlite")])


def invitation(dice: random.Random, files: Originals) -> str | None:
    return sentence_of(files.folder, ["join", files.copy(dice, files.join, 0o600), "--kubo-binary", "/missing"])


def peer_files(dice: random.Random, files: Originals) -> str | None:
    """One of the files that a peer is given."""
    which = dice.randrange(4)
    roster, wallet, session, token = files.live / "roster.json", files.wallet, files.live / SESSION, files.wallet
    mode = dice.choice((0o600, 0o600, 0o600, 0o644))
    changed = files.copy(dice, (roster, wallet, session, token)[which], mode)
    roster, wallet, session, token = (
        changed if which == number else path for number, path in enumerate((roster, wallet, session, token))
    )
    peer = ["peer", session, "--name", "p00", "--roster", roster, "--kubo", NOWHERE, "--rpc", NOWHERE]
    own = ["--keystore", wallet, "--journal", files.folder / "p00.sqlite", "--listen", "127.0.0.1:0"]
    return sentence_of(files.folder, [*peer, *own, "--token-file", token])


def environment(dice: random.Random, files: Originals) -> str | None:
    names = {"LEARNAE_RPC": b"http://127.0.0.1:9", "LEARNAE_KEY": b"0x" + b"1" * 64, "LEARNAE_CAP": b"0.1"}
    chosen = dice.choice(sorted(names))
    values = names | {chosen: damaged(dice, names[chosen]).replace(b"\0", b"")}
    texts = {name: value.decode("utf-8", "surrogateescape") for name, value in values.items()}
    return sentence_of(files.folder, ["refund", files.live], texts)


def uci_file(dice: random.Random, files: Originals) -> str | None:
    return sentence_of(files.folder, ["data", "hepmass", files.copy(dice, files.hepmass), "--no-checksum"])


def table(dice: random.Random, files: Originals) -> str | None:
    """A CSV or Parquet file with a random [data]."""
    from learnae.learn.datasets.partition import load_partitioned

    name, data = dice.choice((("rows.csv", files.csv), ("rows.csv", files.csv), ("rows.parquet", files.parquet)))
    folder = files.fresh()
    files.put(dice, folder / name, data)
    data_table = {"rows": 10, "validation_rows": 10, "judging_rows": 5, "test_rows": 5, "label": "class"}
    settings = table_of(dice, SCHEMA["$defs"]["DataSettings"] | {"$defs": SCHEMA["$defs"]}, 0.02)
    chosen = {key: value for key, value in settings.items() if dice.random() < 0.2}
    session = folder / "session.toml"
    session.write_bytes(
        toml({"peers": 2, "work": {"slices": 1}, "data": data_table | chosen | {"path": str(folder / name)}})
    )
    return within_boundary(lambda: load_partitioned(load(session)))


def archive(dice: random.Random, files: Originals) -> str | None:
    from learnae.learn.datasets.sources import load_dataset

    path = files.fresh() / "rows.npz"
    files.put(dice, path, files.npz)
    return within_boundary(lambda: load_dataset(DataSettings(source=str(path))))


ATTACKS: dict[Attack, int] = {  # and how many of 100 examples
    session_file: 22,
    session_of_schema: 20,
    assignment: 6,
    run_folder: 10,
    live_run_folder: 2,
    journal: 4,
    invitation: 6,
    peer_files: 6,
    environment: 2,
    uci_file: 3,
    table: 12,
    archive: 7,
}


def shipped_rows_once(load_dataset: Callable[[DataSettings], Dataset]) -> Callable[[DataSettings], Dataset]:
    """Reads the shipped data once: that takes longer than all else, and no example changes them."""
    shipped_rows = DataSettings()
    dataset = load_dataset(shipped_rows)

    def load(data: DataSettings) -> Dataset:
        same = (data.path, data.source, data.column) == (None, shipped_rows.source, shipped_rows.column)
        return dataset if same else load_dataset(data)

    return load


@pytest.fixture(scope="module")
def files(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Originals]:
    """In a file system in memory where there is one: removing a folder elsewhere takes longer than most commands."""
    in_memory = Path("/dev/shm")
    parent = in_memory if in_memory.is_dir() else tmp_path_factory.mktemp("fuzz")
    with pytest.MonkeyPatch.context() as patch, tempfile.TemporaryDirectory(dir=parent) as folder, small_heap():
        patch.setattr(many_runs, "run_cases", lambda *_: [])  # plan a sweep, and run nothing
        patch.setattr(partition, "load_dataset", shipped_rows_once(sources.load_dataset))
        yield Originals(Path(folder))


def attack(kind: Attack, files: Originals, examples: int, seed: int) -> None:
    """``examples``: of all kinds."""
    for number in range(examples * ATTACKS[kind] // 100):
        wrong = kind(random.Random(f"{seed} {kind.__name__} {number}"), files)
        assert wrong is None, f"{kind.__name__}, seed {seed}, example {number}: {wrong}"


@pytest.mark.parametrize(
    ("kind", "seed", "number"),
    [
        (archive, 1001, 492),
        (archive, 1007, 174),
        (table, 1015, 429),
        (session_file, 1015, 1596),
        (table, 1023, 623),
        (run_folder, 1025, 241),
    ],
)
def test_what_the_soak_test_found_stays_mended(files: Originals, kind: Attack, seed: int, number: int) -> None:
    assert kind(random.Random(f"{seed} {kind.__name__} {number}"), files) is None


@pytest.mark.parametrize("kind", ATTACKS)
def test_no_damaged_file_ends_a_command_with_a_traceback(files: Originals, kind: Attack) -> None:
    attack(kind, files, 1_000, seed=1)


@settings(max_examples=100, suppress_health_check=list(HealthCheck))
@given(dice=st.randoms(use_true_random=False))
def test_no_session_near_the_schema_ends_a_command_with_a_traceback(files: Originals, dice: random.Random) -> None:
    assert session_of_schema(dice, files) is None


@pytest.mark.slow
@pytest.mark.parametrize("kind", ATTACKS)
def test_ten_thousand_damaged_files(files: Originals, kind: Attack) -> None:
    attack(kind, files, 10_000, seed=2)


@pytest.mark.soak
@pytest.mark.parametrize("part", range(100))
def test_a_million_damaged_files(files: Originals, part: int) -> None:
    """In parts of ten thousand of all kinds, so that a run that is interrupted says how many have passed."""
    for kind in ATTACKS:
        attack(kind, files, 10_000, seed=1_000 + part)
