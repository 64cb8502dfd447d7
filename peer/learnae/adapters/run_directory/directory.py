"""A run directory: the complete, reproducible record of one session on disk."""

import hashlib
import itertools
import json
import os
import platform
import subprocess
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from datetime import UTC, datetime
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import IO, Any

from learnae.adapters.run_directory.seal import (
    NO_PART,
    RUNNING,
    read_seal,
    refuse_unsigned_change,
    reseal_derived,
    seal_run,
)
from learnae.adapters.run_directory.signing_key import load_key
from learnae.analysis.checks import verdict
from learnae.checkout import REPOSITORY, in_checkout
from learnae.collector import collector_paused
from learnae.errors import InputError
from learnae.file_lock import try_lock
from learnae.input_file import input_lines, read_input, sha256_of
from learnae.messages.codec import to_json
from learnae.messages.foreign_json import from_json
from learnae.messages.journal_lines import journal_lines
from learnae.messages.json_text import Texts
from learnae.protocol.events import Event
from learnae.protocol.settings import PeerConfig
from learnae.records.chain_export import ChainRecord, chain_line
from learnae.records.history import Fact, History, Record
from learnae.records.seal import shown
from learnae.session.environment import signing_key
from learnae.untrusted_file import refuse_links

# the peer's configuration; its events with their digests; its signature, if it signed them
Journal = tuple[PeerConfig, Sequence[tuple[Event, str]], str | None]
PACKAGE = Path(__file__).parents[2]
MAX_RECORDS = 1 << 30  # bytes of a history or a chain; 10,000 peers make about half of it
MAX_WALL = 1e9  # s that a session may have taken
ARM_CODES = ("CPU implementer", "CPU variant", "CPU part")  # in /proc/cpuinfo, which names no model there
PACKAGES = ("torch", "numpy", "safetensors", "pydantic")
HISTORY, CHAIN, VERDICT = "history.jsonl", "chain.jsonl", "verdict.json"
ENVIRONMENT = "environment.json"
CONTAINS_A_RUN = "{} already contains a run: choose another --out or remove it"


def require_directory(run: Path) -> None:
    """Raises InputError."""
    if not run.is_dir():
        raise InputError(f"there is no directory {run}: give that of a run, such as one below runs/")


class RunDirectory:
    def __init__(self, path: Path) -> None:
        self.path = path
        self._history: IO[str] | None = None
        self._lock: int | None = None

    @staticmethod
    def create(parent: Path, name: str, out: Path | None = None) -> "RunDirectory":
        """Create ``out``, or ``parent/<time>-<name>``, and mark it as running until ``release``.

        Raises InputError if anything is in it, or if the key that is to sign the run is missing.
        """
        if key := signing_key():
            load_key(key)
        path = out or parent
        try:
            path.mkdir(parents=True, exist_ok=True)
            if out is None:
                path = _create_new(parent, name)
        except OSError as error:
            raise InputError(f"{path}: {error.strerror}: choose another --out") from None
        refuse_links(path)
        if (path / HISTORY).exists():
            raise InputError(CONTAINS_A_RUN.format(path))
        if others := sorted({file.name for file in path.iterdir()} - NO_PART):
            raise InputError(
                f"{path} contains {shown(others[0])}, and a run needs a folder of its own: choose another --out"
            )
        run = RunDirectory(path)
        run._lock = os.open(path / RUNNING, os.O_RDONLY | os.O_CREAT | os.O_NOFOLLOW, 0o600)
        try_lock(run._lock)
        return run

    def release(self) -> None:
        """The run is over: nothing will be written any more."""
        if self._lock is not None:
            (self.path / RUNNING).unlink(missing_ok=True)
            os.close(self._lock)
            self._lock = None

    def begin(self, session_toml: str, facts: Mapping[str, Any]) -> None:
        """``facts``: the part of the environment that the session decides.

        Raises InputError if another process began a run here.
        """
        try:
            self._history = (self.path / HISTORY).open("x", buffering=1 << 16, encoding="utf-8")
        except FileExistsError:
            raise InputError(CONTAINS_A_RUN.format(self.path)) from None
        (self.path / "session.toml").write_text(session_toml, encoding="utf-8")
        self.write_json(ENVIRONMENT, {**environment_facts(), **facts})

    def observe(self, now: float, peer: str, item: Any) -> None:
        """An observer that writes facts to the history and ignores everything else."""
        if self._history and isinstance(item, Fact):
            self._history.write(Record(now, peer, item).line() + "\n")

    def end(self, chain: Iterable[ChainRecord], journals: Mapping[str, Journal]) -> None:
        """Write the chain and the journals by peer, except empty ones."""
        if self._history:
            self._history.close()
        self._write_lines(CHAIN, map(chain_line, chain))
        texts: Texts = {}
        for name, (config, entries, signature) in journals.items():
            if entries:
                signed = [] if signature is None else [to_json({"signature": signature})]
                lines = itertools.chain(journal_lines(config, entries, texts), signed)
                self._write_lines(f"journals/{name}.jsonl", lines)

    def write_json(self, name: str, value: object) -> None:
        with self.deriving(name):
            (self.path / name).write_text(json.dumps(value, indent=2) + "\n", encoding="utf-8")

    @contextmanager
    def deriving(self, *names: str) -> Iterator[None]:
        """If the run is sealed, these files are derived ones that the body writes: the seal lists them afterwards.

        Raises InputError if the run is signed and the key is not at hand.
        """
        seal = read_seal(self.path)
        if seal:
            refuse_unsigned_change(self.path, seal)
        yield
        if seal:
            reseal_derived(self.path, seal, names)

    def read(self) -> History:
        """Read the history.  Raises InputError if this is not a run directory, or if there are links in it."""
        refuse_links(self.path)
        history, chain = self.path / HISTORY, self.path / CHAIN
        if not history.is_file():
            raise InputError(f"{self.path} contains no {HISTORY}: give the directory of a run, such as one below runs/")
        with collector_paused():
            return History.parse(
                input_lines(history, MAX_RECORDS), input_lines(chain, MAX_RECORDS) if chain.is_file() else ()
            )

    def read_session(self) -> History:
        """Read the history of a run whose session began.  Raises InputError, also if it holds none."""
        history = self.read()
        if history.began is None:
            raise InputError(
                f"{self.path / HISTORY} records no session: it was emptied, or the run ended before its session began; "
                "run the session again"
            )
        return history

    def read_json(self, name: str) -> dict[str, Any]:
        """Read a JSON file of the run; empty if it does not exist."""
        path = self.path / name
        try:
            content = from_json(read_input(path)) if path.is_file() else {}
            if not isinstance(content, dict):
                raise ValueError
        except ValueError:
            raise InputError(f"{path} is not a JSON object: remove it and check the run again") from None
        return content

    def verdict(self) -> dict[str, Any]:
        """Read the verdict; empty if the run was interrupted."""
        return self.read_json(VERDICT)

    def judge(self, history: History, wall_seconds: float | None, seal: bool = True) -> dict[str, Any]:
        """Seal the run, whose records are complete, and write the verdict on its history, with the root."""
        root = seal_run(self.path).root if seal else None
        result = _verdict(history, None if wall_seconds is None else round(wall_seconds, 2), root)
        self.write_json(VERDICT, result)
        return result

    def judge_again(self, history: History) -> dict[str, Any]:
        """The verdict on the history, with the wall time of the earlier one.  Nothing is written."""
        seal = read_seal(self.path)
        root = seal.root if seal else None
        return _verdict(history, self.wall_seconds(), root)

    def wall_seconds(self) -> float | None:
        """The wall time of the run by the verdict that it keeps."""
        match self.verdict():
            case {"summary": {"wall_seconds": float() | int() as seconds}} if 0 <= seconds < MAX_WALL:
                return seconds
        return None

    def _write_lines(self, name: str, lines: Iterable[str]) -> None:
        path = self.path / name
        path.parent.mkdir(exist_ok=True)
        with path.open("w", encoding="utf-8") as file:
            file.writelines(line + "\n" for line in lines)


def _verdict(history: History, wall_seconds: float | None, root: str | None) -> dict[str, Any]:
    result = verdict(history)
    result["summary"]["wall_seconds"] = wall_seconds
    return {"root": root, **result}


def _create_new(parent: Path, name: str) -> Path:
    """Create ``parent/<time>-<name>``, or one with a number if another process took that.  Raises OSError."""
    stem = f"{datetime.now(UTC):%Y%m%d-%H%M%S}-{name}".replace("/", "-").replace("\0", "-")
    for path in (parent / (stem + (f"-{number}" if number else "")) for number in itertools.count()):
        try:
            path.mkdir()
        except FileExistsError:
            continue
        return path
    raise AssertionError


def environment_facts() -> dict[str, Any]:
    """When a run was made, and what besides session and seed may change a result: program, versions, processor."""
    return {
        "date": f"{datetime.now(UTC):%Y-%m-%d %H:%M} UTC",
        "code_sha256": _code_sha256(),
        "commit": _git("rev-parse", "HEAD"),
        "dirty": bool(_git("status", "--porcelain")),
        "python": platform.python_version(),
        "packages": {name: _version(name) for name in PACKAGES},
        "platform": platform.platform(),
        "processor": processor(),
        "cores": os.cpu_count(),
    }


def processor(cpuinfo: Path = Path("/proc/cpuinfo")) -> str | None:
    """Its model, or the codes of its cores; None if nothing tells it from others of its architecture."""
    try:
        lines = [line.partition(":") for line in cpuinfo.read_text(encoding="utf-8").splitlines()]
    except OSError:
        return None
    facts = [(name.strip(), value.strip()) for name, _, value in lines]
    codes = dict.fromkeys(f"{name} {value}" for name, value in facts if name in ARM_CODES)
    return next((value for name, value in facts if name == "model name"), ", ".join(codes)) or None


def _code_sha256() -> str:
    """Of all modules of this package, whatever is committed."""
    digest = hashlib.sha256()
    for path in sorted(PACKAGE.rglob("*.py")):
        digest.update(f"{path.relative_to(PACKAGE).as_posix()} {sha256_of(path)}\n".encode())
    return digest.hexdigest()


def _version(package: str) -> str | None:
    try:
        return version(package)
    except PackageNotFoundError:
        return None


def _git(*command: str) -> str | None:
    if not in_checkout():  # the package may be installed inside another repository
        return None
    try:
        done = subprocess.run(
            ["git", "-C", str(REPOSITORY), *command], capture_output=True, encoding="utf-8", timeout=10
        )
    except (OSError, subprocess.TimeoutExpired):
        return None
    return done.stdout.strip() if done.returncode == 0 else None
