"""``seal.json``: what a run directory held when its session had ended.  Pure.

The root is one digest over the records: the session, its environment, journals, chain and history.  Files that are
derived from them, such as the report, are listed as well, but they are not part of the root: they show it, and they
can be written again.  A signature covers both lists.
"""

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, replace
from hashlib import sha256
from typing import Any

from learnae.messages.codec import decode, encode, to_json
from learnae.messages.foreign_json import from_json

VERSION = 1  # of the file
SEAL = "seal.json"
FIGURES = "figures/"
DERIVED = {
    "verdict.json",
    "report.html",
    "baselines.json",
    "chaos.json",
    "calibrated.toml",
    "calibration.json",
    "row.json",
}


@dataclass(frozen=True, slots=True)
class SealedFile:
    """``path`` is relative to the run directory, with slashes."""

    path: str
    size: int
    sha256: str


def is_derived(path: str) -> bool:
    return path in DERIVED or path.startswith(FIGURES)


def shown(path: str) -> str:
    """A file's name as it can be printed: it may have been chosen to confuse a terminal."""
    return path if path.isprintable() else ascii(path)


@dataclass(frozen=True, slots=True)
class Seal:
    """``signer``: the Ed25519 public key that signed, in hex; None: nobody did."""

    version: int
    root: str
    files: tuple[SealedFile, ...]
    derived: tuple[SealedFile, ...]
    signer: str | None = None
    signature: str | None = None

    @staticmethod
    def of(files: Iterable[SealedFile]) -> "Seal":
        """A seal of these files, which nobody has signed."""
        ordered = sorted(files, key=lambda file: file.path)
        records = tuple(file for file in ordered if not is_derived(file.path))
        return Seal(VERSION, _root(records), records, tuple(file for file in ordered if is_derived(file.path)))

    @staticmethod
    def parse(text: str) -> "Seal":
        """Raises ValueError."""
        seal: Seal = decode(Seal, {"kind": "Seal", **from_json(text)})
        if seal.version != VERSION:
            raise ValueError(f"it has version {seal.version} and this program knows {VERSION}")
        return seal

    def text(self) -> str:
        return to_json(_plain(self)) + "\n"

    def statement(self, signer: str) -> bytes:
        """What this signer signs."""
        return b"learnae seal " + replace(self, signer=signer, signature=None).text().encode()

    def with_derived(self, files: Iterable[SealedFile]) -> "Seal":
        """The same records with derived files that were written again.  It is not signed."""
        newer = {file.path: file for file in (*self.derived, *files)}
        derived = tuple(newer[path] for path in sorted(newer))
        return replace(self, derived=derived, signer=None, signature=None)

    def deviations(self, found: Mapping[str, SealedFile]) -> Iterator[str]:
        """A sentence about each file that is not as it was sealed."""
        if self.root != _root(self.files):
            yield f"{SEAL} is damaged: its root does not belong to its list of files"
        sealed = {file.path: file for file in (*self.files, *self.derived)}
        if len(sealed) != len(self.files) + len(self.derived):
            yield f"{SEAL} is damaged: it lists a file twice"
        if any(is_derived(file.path) for file in self.files) or not all(is_derived(each.path) for each in self.derived):
            yield f"{SEAL} is damaged: it lists a misplaced file"
        for path in sorted(sealed.keys() | found.keys()):
            if path not in found:
                yield f"{shown(path)} is missing"
            elif path not in sealed:
                yield f"{shown(path)} is not in the seal: it was added later"
            elif found[path] != sealed[path]:
                yield f"{shown(path)} was changed after the run was sealed"


def _root(files: Iterable[SealedFile]) -> str:
    return sha256(to_json([[file.path, file.size, file.sha256] for file in files]).encode()).hexdigest()


def _plain(seal: Seal) -> dict[str, Any]:
    return {name: value for name, value in encode(seal).items() if name != "kind"}
