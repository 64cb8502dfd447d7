"""The HTTP server of the sidecar: HTTP/1.1, one request per connection.

GET  /v1/state            whether the pod has begun: then it has its files, and takes no more
PUT  /v1/files/PATH       write a file anew
POST /v1/files/PATH       append to it, since a body is limited
GET  /v1/files/PATH       read a regular file
POST /v1/gates/NAME       open a gate: containers that wait for it start
"""

import asyncio
import re
from collections.abc import Mapping
from http import HTTPStatus
from pathlib import Path

from learnae.bounded_http import BoundedServer, InvalidRequest, Request, head, response
from learnae.errors import InputError
from learnae.untrusted_file import CHUNK, open_untrusted

MAX_PART = 1 << 19  # bytes of one request
MAX_CONNECTIONS = 8
TIMEOUT = 60.0  # s; the host may be far away
BEGUN = ".begun"
PATH = re.compile(r"/v1/(files|gates)/((?:[A-Za-z0-9_-][A-Za-z0-9._-]*/){0,3}[A-Za-z0-9_-][A-Za-z0-9._-]*)")


class FilesServer(BoundedServer):
    """``last``: the gate after which no more files are taken."""

    max_body = MAX_PART

    def __init__(self, volume: Path, gates: Path, last: str, timeout: float = TIMEOUT) -> None:
        super().__init__(MAX_CONNECTIONS, MAX_CONNECTIONS, timeout)
        self._volume, self._gates, self._last = volume, gates, last

    def protected(self, address: str, port: int) -> bool:
        return False

    def check(self, method: str, path: str, headers: Mapping[str, str]) -> None:
        if (method, path) == ("GET", "/v1/state"):
            return
        match = PATH.fullmatch(path)
        if match is None:
            raise InvalidRequest(HTTPStatus.NOT_FOUND, "the paths are /v1/state, /v1/files/PATH and /v1/gates/NAME")
        if method not in (("GET", "PUT", "POST") if match[1] == "files" else ("POST",)):
            raise InvalidRequest(HTTPStatus.METHOD_NOT_ALLOWED, "gates are opened with POST")
        if match[1] == "files" and method != "GET" and self._begun:
            raise InvalidRequest(HTTPStatus.CONFLICT, "this pod has begun with its files and takes no more")

    async def answer(self, request: Request, writer: asyncio.StreamWriter) -> None:
        match = PATH.fullmatch(request.path)
        if match is None:
            writer.write(response(HTTPStatus.OK, {"begun": self._begun}))
        elif match[1] == "gates":
            self._open(match[2])
            writer.write(response(HTTPStatus.OK, {"open": match[2]}))
        elif request.method == "GET":
            await self._send(match[2].split("/"), writer)
        else:
            self._write(self._volume / match[2], request)
            writer.write(response(HTTPStatus.OK, {"bytes": len(request.body)}))

    # private

    @property
    def _begun(self) -> bool:
        return (self._volume / BEGUN).exists()

    def _open(self, gate: str) -> None:
        if gate == self._last:
            (self._volume / BEGUN).touch()
        (self._gates / gate).touch()

    def _write(self, path: Path, request: Request) -> None:
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
            with path.open("wb" if request.method == "PUT" else "ab") as file:
                file.write(request.body)
        except OSError as error:
            raise InvalidRequest(HTTPStatus.INSUFFICIENT_STORAGE, f"it cannot be written: {error.strerror}") from None

    async def _send(self, names: list[str], writer: asyncio.StreamWriter) -> None:
        try:
            with open_untrusted(self._volume, *names) as file:
                length = file.seek(0, 2)
                file.seek(0)
                writer.write(head(HTTPStatus.OK, "application/octet-stream", length))
                while length and (part := file.read(min(CHUNK, length))):
                    length -= len(part)
                    writer.write(part)
                    await self.flush(writer)
        except FileNotFoundError:
            raise InvalidRequest(HTTPStatus.NOT_FOUND, "there is no such file") from None
        except InputError as error:
            raise InvalidRequest(HTTPStatus.FORBIDDEN, str(error)) from None
