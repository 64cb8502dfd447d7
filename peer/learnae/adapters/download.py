"""A large file over HTTP: goes on where it stopped, and is only called by its name once it is whole and right."""

import hashlib
import re
from collections.abc import Callable
from http.client import HTTPException, HTTPResponse
from pathlib import Path
from urllib.error import HTTPError, URLError
from urllib.parse import urlsplit
from urllib.request import Request, urlopen

from learnae.errors import InputError

CHUNK = 1 << 20
TIMEOUT = 30.0  # s without a byte

Tick = Callable[[int, int | None], None]  # bytes here, bytes in all


def download(url: str, path: Path, sha256: str, tick: Tick) -> None:
    """Put the file at ``path``; what has come so far is kept beside it as ``.part``.  InputError: one sentence.

    A connection that drops is made again as long as each brings something.
    """
    part = path.with_name(path.name + ".part")
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        while not _attempt(url, part, tick):
            pass
        _verify(part, sha256)
        part.rename(path)
    except OSError as error:
        raise InputError(
            f"{path} cannot be written ({error.strerror or error}): make room, or set LEARNAE_DATA to a "
            "folder that has it"
        ) from None


def _attempt(url: str, part: Path, tick: Tick) -> bool:
    """Is it whole?  False: the connection dropped after it had brought something."""
    have = part.stat().st_size if part.exists() else 0
    try:
        answer = _open(url, have)
    except HTTPError as error:
        if error.code == 416 and have:  # nothing comes after what is here
            if _after(error.headers.get("Content-Range")) == have:
                return True
            part.unlink()
            return False
        raise InputError(f"{url} answers {error.code} {error.reason}: name another address with --from") from None
    except (URLError, HTTPException, OSError, ValueError) as error:
        raise InputError(_unreachable(url, error, have)) from None
    with answer:
        begin = have if _continues(answer, have) else 0
        length = answer.headers.get("Content-Length")
        total = begin + int(length) if length else None
        now, dropped = _receive(answer, part, begin, total, tick)
    if dropped is None and (total is None or now == total):
        return True
    if now == begin:
        raise InputError(_unreachable(url, dropped or "the connection dropped", now))
    return False


def _open(url: str, have: int) -> HTTPResponse:
    if urlsplit(url).scheme not in ("http", "https"):
        raise ValueError("not an http address")
    request = Request(url, headers={"Range": f"bytes={have}-"} if have else {})
    answer: HTTPResponse = urlopen(request, timeout=TIMEOUT)
    return answer


def _receive(
    answer: HTTPResponse, part: Path, begin: int, total: int | None, tick: Tick
) -> tuple[int, BaseException | None]:
    """Bytes here now, and what broke off."""
    now = begin
    with part.open("r+b" if begin else "wb") as file:
        file.seek(begin)
        while True:
            try:
                chunk = answer.read1(CHUNK)
            except (HTTPException, OSError) as error:
                return now, error
            if not chunk:
                return now, None
            file.write(chunk)
            now += len(chunk)
            tick(now, total)


def _continues(answer: HTTPResponse, have: int) -> bool:
    """Some servers send everything again."""
    return answer.status == 206 and (answer.headers.get("Content-Range") or "").startswith(f"bytes {have}-")


def _after(content_range: str | None) -> int | None:
    found = re.fullmatch(r"bytes \*/(\d+)", content_range or "")
    return int(found[1]) if found else None


def _unreachable(url: str, error: object, have: int) -> str:
    reason = getattr(error, "reason", error)
    kept = f"; the {have:,} bytes that came are kept, so the same command goes on from there" if have else ""
    return (
        f"{urlsplit(url).hostname or url} cannot be reached ({reason}): allow the network, name another address with "
        f"--from, or download {url} by other means{kept}"
    )


def _verify(part: Path, sha256: str) -> None:
    with part.open("rb") as file:
        found = hashlib.file_digest(file, "sha256").hexdigest()
    if found != sha256:
        part.unlink()
        raise InputError(
            f"{part.stem} came with SHA-256 {found[:12]}... instead of {sha256[:12]}..., so it was removed: fetch it "
            "again, or name another address with --from"
        )
