"""Downloads a large file over HTTP; resumes after interruptions and renames the file once its checksum is correct."""

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

Progress = Callable[[int, int | None], None]  # bytes so far, bytes in total


def download(url: str, path: Path, size: int, sha256: str, progress: Progress) -> None:
    """Download ``size`` bytes to ``path``; an incomplete file is kept as ``.part``.  Raises InputError.

    A dropped connection is renewed as long as each attempt receives something.
    """
    part = path.with_name(path.name + ".part")
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        while not _attempt(url, part, size, progress):
            pass
        _verify(part, sha256)
        part.rename(path)
    except OSError as error:
        raise InputError(
            f"{path} cannot be written ({error.strerror or error}): free some space, or set LEARNAE_DATA to "
            "another folder"
        ) from None


def _attempt(url: str, part: Path, size: int, progress: Progress) -> bool:
    """True if the file is complete; False if the connection dropped after some data."""
    have = part.stat().st_size if part.exists() else 0
    try:
        answer = _open(url, have)
    except HTTPError as error:
        if error.code == 416 and have:  # there are no more bytes
            if _total_size(error.headers.get("Content-Range")) == have:
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
        now, dropped = _receive(answer, part, begin, size, total, progress)
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
    answer: HTTPResponse, part: Path, begin: int, size: int, total: int | None, progress: Progress
) -> tuple[int, BaseException | None]:
    """The bytes on disk, and the error that interrupted the transfer."""
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
            now += len(chunk)
            if now > size:
                raise InputError(f"{part.stem} has more than {size:,} bytes there: name another address with --from")
            file.write(chunk)
            progress(now, total)


def _continues(answer: HTTPResponse, have: int) -> bool:
    """Whether the server resumes; some send the whole file again."""
    return answer.status == 206 and (answer.headers.get("Content-Range") or "").startswith(f"bytes {have}-")


def _total_size(content_range: str | None) -> int | None:
    match = re.fullmatch(r"bytes \*/(\d+)", content_range or "")
    return int(match[1]) if match else None


def _unreachable(url: str, error: object, have: int) -> str:
    reason = getattr(error, "reason", error)
    kept = f"; the {have:,} bytes received are kept, so the same command resumes there" if have else ""
    return (
        f"{urlsplit(url).hostname or url} cannot be reached ({reason}): check the network, name another address with "
        f"--from, or download {url} by other means{kept}"
    )


def _verify(part: Path, sha256: str) -> None:
    with part.open("rb") as file:
        actual = hashlib.file_digest(file, "sha256").hexdigest()
    if actual != sha256:
        part.unlink()
        raise InputError(
            f"{part.stem} has SHA-256 {actual[:12]}... instead of {sha256[:12]}... and was removed: download it "
            "again, or name another address with --from"
        )
