"""Seals run directories, and finds what was changed in them since."""

import hashlib
import os
from collections.abc import Iterable, Iterator
from dataclasses import replace
from pathlib import Path

from learnae.adapters.run_directory.signing_key import has_signed, load_key, public_hex
from learnae.errors import InputError
from learnae.file_lock import try_lock, wait_for_lock
from learnae.records.seal import SEAL, Seal, SealedFile, shown
from learnae.session.environment import SIGNING_KEY, signing_key
from learnae.untrusted_file import CHUNK, open_untrusted

RUNNING = ".running"  # locked by the process that writes the run, until everything of it is over
TOKEN, WALLETS = "token", "wallets"  # secrets that exist while a run is in progress
SEEDS = "calibration"  # a folder of simulated runs, which have seals of their own
NO_PART = {RUNNING, ".DS_Store"}  # files that say nothing about a run
NOT_SEALED = NO_PART | {SEAL, TOKEN, WALLETS, SEEDS}
MAX_SEAL = 16 << 20  # bytes


def seal_run(folder: Path) -> Seal:
    """Seal what is in the folder now, signed if the environment names a key.  Raises InputError."""
    files, problems = _scan(folder)
    if problems:
        raise InputError(f"{folder} is not sealed: {problems[0]}")
    return _write(folder, Seal.of(files), signing_key())


def reseal_derived(folder: Path, seal: Seal, names: Iterable[str]) -> None:
    """Enter derived files that were written again into the seal; its root stays the same."""
    newer = seal.with_derived(_digest(folder, name) for name in names if (folder / name).is_file())
    _write(folder, newer, signing_key() if seal.signer else None)


def read_seal(folder: Path) -> Seal | None:
    """The seal of a run; None if it has none.  Raises InputError."""
    try:
        with open_untrusted(folder, SEAL, linked=True) as file:
            text = file.read(MAX_SEAL + 1)
        if len(text) > MAX_SEAL:
            raise ValueError("it is too long")
        return Seal.parse(text.decode())
    except FileNotFoundError:
        return None
    except (ValueError, TypeError) as error:
        raise InputError(f"{folder / SEAL} is not a seal of this version ({error})") from None


def refuse_unsigned_change(folder: Path, seal: Seal) -> None:
    """Raises InputError if the run is signed and the key to sign a change is not at hand."""
    path = signing_key()
    if seal.signer and not has_signed(seal):
        raise InputError(f"{folder / SEAL} has a wrong signature: learnae check {folder}")
    if seal.signer and (path is None or public_hex(load_key(path)) != seal.signer):
        raise InputError(
            f"{folder} is signed by {seal.signer}: set {SIGNING_KEY} to that key, or work on a copy without {SEAL}"
        )


def deviations(folder: Path, root: str | None = None, signer: str | None = None) -> list[str]:
    """A sentence about each thing that is not as the run left it.

    ``root`` and ``signer``: what the seal must have, as far as it is known from elsewhere.
    """
    try:
        seal = read_seal(folder)
    except InputError as error:
        return [str(error)]
    if seal is None:
        return [f"{folder} is not sealed: nothing shows that its files are those that the run wrote"]
    files, problems = _scan(folder)
    problems += seal.deviations({file.path: file for file in files})
    if not is_running(folder):
        problems += [f"{TOKEN} was left behind: it is secret, remove it"] * os.path.lexists(folder / TOKEN)
    if root is not None and seal.root != root.lower():
        problems.append(f"the root is {shown(seal.root)}, not {root}: somebody sealed other records")
    if seal.signer is not None and not has_signed(seal):
        problems.append(f"{SEAL} has a wrong signature: somebody else changed it")
    if signer is not None and seal.signer != signer:
        by = f"by {shown(seal.signer)}" if seal.signer else "by nobody"
        problems.append(f"the run is signed {by}, not by {signer}")
    return problems


def is_sealed(folder: Path, name: str) -> bool:
    """Whether the seal lists this file as it is now.  Raises InputError."""
    seal = read_seal(folder)
    return seal is not None and _digest(folder, name) in (*seal.files, *seal.derived)


def is_running(folder: Path) -> bool:
    """Whether the process that writes the run still works on it."""
    try:
        with open(os.open(folder / RUNNING, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK), encoding="utf-8") as file:
            return not try_lock(file)
    except OSError:
        return False


def wait_until_over(folder: Path) -> None:
    """Wait until no process works on the run."""
    try:
        with open(os.open(folder / RUNNING, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK), encoding="utf-8") as file:
            wait_for_lock(file)
    except OSError:  # it is over
        pass


def _write(folder: Path, seal: Seal, key_file: Path | None) -> Seal:
    if key_file is not None:
        key = load_key(key_file)
        signer = public_hex(key)
        seal = replace(seal, signer=signer, signature=key.sign(seal.statement(signer)).hex())
    new = folder / (SEAL + ".new")
    new.write_text(seal.text(), encoding="utf-8")
    new.replace(folder / SEAL)
    return seal


def _scan(folder: Path) -> tuple[list[SealedFile], list[str]]:
    """The digests of all files, and a sentence about each thing that is no file of a run."""
    files, problems = list[SealedFile](), list[str]()
    for name in _names(folder):
        try:
            files.append(_digest(folder, name))
        except (InputError, OSError) as error:
            problems.append(shown(str(error)))
    return files, problems


def _names(folder: Path) -> Iterator[str]:
    """Of everything in the folder and one level below, where a run has all its files."""
    for entry in sorted(os.scandir(folder), key=lambda entry: entry.name):
        if entry.name in NOT_SEALED:
            continue
        if entry.is_dir(follow_symlinks=False):
            yield from (f"{entry.name}/{name}" for name in sorted(os.listdir(entry.path)) if not _is_index(name))
        else:
            yield entry.name


def _is_index(name: str) -> bool:
    """Whether SQLite made this file when it read a journal beside its write-ahead log."""
    return name == ".DS_Store" or name.endswith(".sqlite-shm")


def _digest(folder: Path, name: str) -> SealedFile:
    size, digest = 0, hashlib.sha256()
    with open_untrusted(folder, *name.split("/"), linked=True) as file:
        while part := file.read(CHUNK):
            size += len(part)
            digest.update(part)
    return SealedFile(name, size, digest.hexdigest())
