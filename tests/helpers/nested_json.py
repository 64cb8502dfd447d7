"""Give deeply nested JSON to one parser:  python -m tests.helpers.nested_json NAME

Prints "refused" for each text that raises the parser's own error.  Anything else, and a crash, is a failure.
"""

import asyncio
import sqlite3
import sys
import tempfile
from collections.abc import Callable
from pathlib import Path

from learnae.errors import BadMessage, InputError, PortError

OBJECTS = 40_000
TEXTS = (
    b"[" * 100_000,
    b"[" * 50_000 + b"]" * 50_000,
    b'{"a":' * OBJECTS + b"1" + b"}" * OBJECTS,
    b'{"kind":"Roster","jsonrpc":"2.0","id":0,"v":' + b"[" * 100_000 + b"]" * 100_000 + b"}",
)
Parser = Callable[[bytes, Path], object]


async def _answered(text: bytes, call: Callable[[int], "asyncio.Future[object]"]) -> object:
    """The result of a call to a server that answers every request with the text."""

    async def answer(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readuntil(b"\r\n\r\n")
        head = f"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: {len(text)}\r\n\r\n"
        writer.write(head.encode() + text)
        await writer.drain()
        writer.close()

    async with await asyncio.start_server(answer, "127.0.0.1") as server:
        return await call(server.sockets[0].getsockname()[1])


def ethereum_node(text: bytes, folder: Path) -> None:
    from learnae.adapters.evm.rpc import http_node

    async def call(port: int) -> None:
        node = http_node(f"http://127.0.0.1:{port}", 1)
        try:
            await node.newest_block()
        finally:
            await node.close()

    asyncio.run(_answered(text, call))  # type: ignore[arg-type]


def kubo_node(text: bytes, folder: Path) -> None:
    from learnae.adapters.kubo import Kubo

    async def call(port: int) -> None:
        await Kubo.connect("127.0.0.1", port)

    asyncio.run(_answered(text, call))  # type: ignore[arg-type]


def gossip_envelope(text: bytes, folder: Path) -> None:
    from learnae.adapters.kubo.gossip import parse_envelope

    parse_envelope(text)


def gossip_message(text: bytes, folder: Path) -> None:
    from learnae.messages import wire

    wire.MAX_MESSAGE = len(text)
    wire.decode(text)


def history(text: bytes, folder: Path) -> None:
    from learnae.records.history import History

    History.parse([text.decode(), text.decode()])


def chain_file(text: bytes, folder: Path) -> None:
    from learnae.records.history import History

    History.parse([], [text.decode(), text.decode()])


def verdict(text: bytes, folder: Path) -> None:
    from learnae.adapters.run_directory import VERDICT, RunDirectory

    (folder / VERDICT).write_bytes(text)
    RunDirectory(folder).verdict()


def journal(text: bytes, folder: Path) -> None:
    from tests.adapters.sqlite_journals import written

    from learnae.adapters.sqlite_journal.reader import read_journal

    path = written(folder)
    with sqlite3.connect(path) as connection:
        connection.execute("UPDATE events SET event = ?", (text.decode(),))
    connection.close()
    read_journal(path)


def journal_heading(text: bytes, folder: Path) -> None:
    from tests.adapters.sqlite_journals import written

    from learnae.adapters.sqlite_journal.reader import read_journal

    path = written(folder)
    with sqlite3.connect(path) as connection:
        connection.execute("UPDATE heading SET config = ?", (text.decode(),))
    connection.close()
    read_journal(path)


def join_file(text: bytes, folder: Path) -> None:
    from learnae.backends.remote_peers.join_file import JoinFile

    JoinFile.read(_file(folder, text))


def roster_file(text: bytes, folder: Path) -> None:
    from learnae.runtime.roster_file import Roster

    Roster.read(_file(folder, text))


def model_header(text: bytes, folder: Path) -> None:
    from learnae.learn import serialization

    serialization.MAX_HEADER = len(text)
    serialization._parse_header(len(text).to_bytes(8, "little") + text)


def link_agent(text: bytes, folder: Path) -> None:
    from learnae.bounded_http import InvalidRequest
    from learnae.link_agent.request_schema import parse_request

    try:
        parse_request(text, lambda _: False)
    except InvalidRequest as error:
        raise InputError(str(error)) from None


def api_request(text: bytes, folder: Path) -> None:
    import httpx

    from learnae.web.api.app import create_app
    from learnae.web.api.guard import Guard
    from learnae.web.api.prediction_views import PredictionRequest

    app = create_app("peer", Guard())

    @app.post("/v1/predict")
    async def predict(request: PredictionRequest) -> None: ...

    async def post() -> None:
        transport = httpx.ASGITransport(app)
        async with httpx.AsyncClient(transport=transport, base_url="http://127.0.0.1") as client:
            headers = {"Content-Type": "application/json"}
            answer = await client.post("/v1/predict", content=text, headers=headers)
        if answer.status_code == 422 and "nested" in answer.json()["detail"]:
            raise InputError("refused")

    asyncio.run(post())


def _file(folder: Path, text: bytes) -> Path:
    path = folder / "file.json"
    path.write_bytes(text)
    path.chmod(0o600)
    return path


PARSERS: dict[str, Parser] = {
    parser.__name__: parser
    for parser in (
        ethereum_node, kubo_node, gossip_envelope, gossip_message, history, chain_file, verdict, journal,
        journal_heading, join_file, roster_file, model_header, link_agent, api_request,
    )
}  # fmt: skip


def main() -> None:
    parser = PARSERS[sys.argv[1]]
    sys.setrecursionlimit(100_000)
    for text in TEXTS:
        with tempfile.TemporaryDirectory() as folder:
            try:
                parser(text, Path(folder))
            except (BadMessage, InputError, PortError):
                print("refused")


if __name__ == "__main__":
    main()
