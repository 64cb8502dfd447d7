"""Reads the journals of a session in one process: a heading, one event with its digest per line, and a signature."""

from collections.abc import Collection
from pathlib import Path
from typing import Any

from learnae.adapters.sqlite_journal import JournalContents
from learnae.backends.live_run import JOURNALS
from learnae.errors import InputError
from learnae.messages.codec import decode
from learnae.messages.foreign_json import from_json
from learnae.protocol.events import Event
from learnae.protocol.peer import VERSION
from learnae.protocol.settings import PeerConfig


def exported_journals(run: Path, names: Collection[str]) -> dict[str, JournalContents]:
    """The journals that exist, by peer.  Raises InputError."""
    files = sorted((run / JOURNALS).glob("*.jsonl"))
    return {path.stem: _read(path) for path in files if path.stem in names}


def _read(path: Path) -> JournalContents:
    try:
        heading, *lines = path.read_text(encoding="utf-8").splitlines()
        match from_json(heading):
            case {"core": int(version), "config": dict(config)} if version == VERSION:
                peer: PeerConfig = decode(PeerConfig, config)
            case _:
                raise ValueError(f"no heading of version {VERSION}")
        last = from_json(lines[-1]) if lines else {}
        signature = str(last["signature"]) if list(last) == ["signature"] else None
        entries = lines if signature is None else lines[:-1]
        return JournalContents(peer, [_entry(from_json(line)) for line in entries], [], signature)
    except (ValueError, TypeError, KeyError) as error:
        raise InputError(f"{path} is damaged, or another version of LEARNAE wrote it ({error})") from None


def _entry(line: dict[str, Any]) -> tuple[Event, str]:
    digest: str = line.pop("digest")
    return decode(Event, line), digest
