"""The program of one sensor; see ``learnae sensor``, which starts it."""

import argparse
import asyncio
import itertools
import os
import stat
import sys
from collections.abc import AsyncIterator, Callable
from pathlib import Path
from typing import IO

from learnae.bounded_http import stop_signal
from learnae.ed25519 import SensorKey
from learnae.errors import InputError
from learnae.messages.readings import SensorOutbox, SensorRows, decode_reading, max_rows
from learnae.runtime.feed import publish_rows
from learnae.runtime.feeds import feed_at
from learnae.runtime.sensor_file import SensorFile
from learnae.sensor.device import RowReader, SensorState

MAX_LINE = 1 << 20  # bytes
STANDARD_INPUT = "-"


async def lines_of(path: str) -> AsyncIterator[str]:
    """The lines of a file, or of standard input as they come.  Raises InputError."""
    if path == STANDARD_INPUT and not stat.S_ISREG(os.fstat(sys.stdin.fileno()).st_mode):
        stream = asyncio.StreamReader(MAX_LINE)
        await asyncio.get_running_loop().connect_read_pipe(lambda: asyncio.StreamReaderProtocol(stream), sys.stdin)
        async for line in lines_of_pipe(stream):
            yield line
        return
    with opened(path) as file:
        too_long = False
        while text := file.readline(MAX_LINE):
            if len(text) == MAX_LINE and not text.endswith("\n"):
                too_long = True
                continue
            yield "" if too_long else text
            too_long = False


async def lines_of_pipe(stream: asyncio.StreamReader) -> AsyncIterator[str]:
    """One that exceeds the stream's limit is an empty line, which is no row."""
    too_long, line = False, b"\n"
    while line.endswith(b"\n"):
        try:
            line = await stream.readuntil()
        except asyncio.LimitOverrunError as error:
            await stream.readexactly(error.consumed)
            too_long = True
            continue
        except asyncio.IncompleteReadError as error:
            line = error.partial
        if line or too_long:
            yield "" if too_long else line.decode("utf-8", "replace")
        too_long = False


def opened(path: str) -> IO[str]:
    try:
        return sys.stdin if path == STANDARD_INPUT else open(path, encoding="utf-8", errors="replace")
    except OSError as error:
        raise InputError(f"{path}: {error.strerror}; give a CSV file, or - for standard input") from None


async def readings(
    file: SensorFile, path: str, size: int, every: float, state: SensorState, outbox: SensorOutbox
) -> AsyncIterator[SensorRows]:
    """``size`` rows ``every`` so many seconds.  Of a file, lines that were read before a restart are left out."""
    lines = lines_of(path)
    header = await anext(lines, "")
    reader, waiting, read = RowReader(file, header, path), list[str](), 0
    async for line in lines:
        read += 1
        if path != STANDARD_INPUT and read <= state.lines:
            continue
        waiting.append(line)
        if len(waiting) == size:
            await asyncio.sleep(every)
            state.lines = read  # saved together with the reading that is made of them
            if rows := reader.rows(waiting):
                yield rows
            waiting = []
            state.save(outbox)
    if waiting and (rows := reader.rows(waiting)):
        state.lines = read
        yield rows
        state.save(outbox)
    if reader.bad:
        print(f"learnae sensor: {reader.bad} lines that are no rows were left out", file=sys.stderr)


def recorder(name: str, roster: Path, path: Path) -> Callable[[int, bytes], None]:
    """Adds a record of each confirmed reading to a file, for the host of the session.  Raises InputError."""
    from learnae.records.history import ReadingPublished, Record
    from learnae.runtime.clocks import SessionClock
    from learnae.runtime.roster_file import Roster

    clock = SessionClock(Roster.read(roster).zero)

    def record(number: int, message: bytes) -> None:
        published = ReadingPublished(number, decode_reading(message).announcement.rows.cid)
        with path.open("a", encoding="utf-8") as file:
            file.write(Record(clock(), name, published).line() + "\n")

    return record


async def run(arguments: argparse.Namespace) -> int:
    file = SensorFile.read(arguments.sensor)
    size, most = arguments.rows, max_rows(len(file.columns))
    if not 1 <= size <= most:
        raise InputError(f"--rows {size}: a reading holds 1 to {most} rows of {len(file.columns)} columns")
    key, state = SensorKey.from_secret(bytes.fromhex(file.secret)), SensorState(arguments.state)
    outbox = SensorOutbox(file.session, key.peer, key.sign)
    state.restore(outbox)
    feed = feed_at(arguments.feed or file.feed, file.session, file.name)
    count = itertools.count(1)
    record = recorder(file.name, arguments.roster, arguments.records) if arguments.records else None

    def confirmed(number: int, message: bytes) -> None:
        if record:
            record(number, message)
        state.save(outbox)
        print(f"reading {number} confirmed, {next(count)} in all, {len(outbox.unconfirmed)} waiting", flush=True)

    source = readings(file, arguments.csv, size, arguments.every, state, outbox)
    work = asyncio.ensure_future(publish_rows(outbox, source, feed, confirmed))
    stopped = asyncio.ensure_future(stop_signal().wait())
    try:
        await asyncio.wait([work, stopped], return_when=asyncio.FIRST_COMPLETED)
        if not work.done():
            return 130
        await work
        return 0
    except BaseExceptionGroup as group:
        raise group.exceptions[0] from None
    finally:
        for task in (work, stopped):
            task.cancel()
        await asyncio.gather(work, stopped, return_exceptions=True)
        await feed.close()
        state.save(outbox)


def main() -> int:
    parser = argparse.ArgumentParser(prog="learnae sensor")
    parser.add_argument("sensor", type=Path)
    parser.add_argument("csv", nargs="?", default=STANDARD_INPUT)
    parser.add_argument("--feed")
    parser.add_argument("--rows", type=int, default=100)
    parser.add_argument("--every", type=float, default=1.0)
    parser.add_argument("--state", type=Path)
    parser.add_argument("--roster", type=Path)  # these two: from a host that starts sensors itself
    parser.add_argument("--records", type=Path)
    try:
        return asyncio.run(run(parser.parse_args()))
    except InputError as error:
        print("learnae:", error, file=sys.stderr)
        return 2


if __name__ == "__main__":
    sys.exit(main())
