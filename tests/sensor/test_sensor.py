"""`learnae sensor`: one process that publishes the rows of a CSV, keeps what is not confirmed, and stays small."""

import asyncio
import signal
import sys
from asyncio.subprocess import PIPE, Process
from collections.abc import AsyncIterator, Sequence
from pathlib import Path
from typing import Any

import pytest
from tests.helpers.ports import free_port

from learnae.adapters.mqtt import MqttFeed
from learnae.adapters.mqtt.broker import mqtt_broker
from learnae.ed25519 import SensorKey, verify
from learnae.errors import BadMessage, InputError, Reason
from learnae.messages.readings import Reading, ReadingLog, SensorOutbox
from learnae.messages.wire import cid_of
from learnae.records.history import History, ReadingPublished
from learnae.runtime.feeds import mqtt_feed
from learnae.runtime.roster_file import Roster
from learnae.runtime.sensor_file import SensorFile
from learnae.sensor import __main__ as program
from learnae.sensor.device import RowReader, SensorState

SESSION, SECRET = cid_of(b"session"), bytes(range(32))
KEY = SensorKey.from_secret(SECRET)
MAX_MEMORY = 60 << 10  # KiB
PATIENCE = 60  # s


def sensor_file(port: int = 1883, **changes: Any) -> SensorFile:
    values: dict[str, Any] = {
        "name": "p05",
        "session": SESSION,
        "secret": SECRET.hex(),
        "feed": f"mqtt://127.0.0.1:{port}",
        "columns": ("x", "y"),
        "mean": (1.0, 0.0),
        "std": (2.0, 1.0),
        "label": "class",
        "classes": ("no", "yes"),
    }
    return SensorFile(**values | changes)


def table(count: int) -> str:
    return "class,y,x\n" + "".join(f"{('no', 'yes')[row % 2]},{row},3\n" for row in range(count))


async def started(folder: Path, *options: str, program: Sequence[str] = ("learnae", "sensor")) -> Process:
    command = (sys.executable, "-m", *program, str(folder / "p05.json"), *options)
    return await asyncio.create_subprocess_exec(*command, stdin=PIPE, stdout=PIPE, stderr=PIPE)


def about(process: Process, what: str) -> str:
    return Path(f"/proc/{process.pid}/{what}").read_text()


async def readings(messages: AsyncIterator[bytes], count: int, log: ReadingLog) -> list[Reading]:
    """The next new readings."""
    arrived: list[Reading] = []
    async with asyncio.timeout(PATIENCE):
        while len(arrived) < count:
            try:
                arrived.append(log.accept(await anext(messages)))
            except BadMessage as error:
                assert error.reason is Reason.REPEAT
    return arrived


def log() -> ReadingLog:
    return ReadingLog(SESSION, [KEY.peer], 2, 2, verify)


@pytest.mark.slow
def test_a_sensor_publishes_what_it_reads_from_standard_input_without_torch_and_in_little_memory(
    tmp_path: Path,
) -> None:
    async def story() -> None:
        async with mqtt_broker() as port:
            sensor_file(port).write(tmp_path / "p05.json")
            feed = MqttFeed("127.0.0.1", port, f"learnae/1/{SESSION}/readings", "a peer")
            messages, reader = await feed.follow(), log()
            process = await started(tmp_path, "--rows", "100", "--every", "0")
            assert process.stdin
            process.stdin.write(table(2000).encode())
            arrived = await readings(messages, 20, reader)
            assert "torch" not in about(process, "maps")
            (peak,) = (int(line.split()[1]) for line in about(process, "status").splitlines() if "VmHWM" in line)
            assert peak <= MAX_MEMORY
            process.stdin.write(b"yes,7,5\nbroken\n")
            process.stdin.close()
            (last,) = await readings(messages, 1, reader)
            _, errors = await process.communicate()
            await feed.close()
        assert process.returncode == 0 and b"1 lines that are no rows were left out" in errors
        assert [reading.number for reading in (*arrived, last)] == list(range(1, 22))
        reader_of_rows = RowReader(sensor_file(), "class,y,x\n", "rows")
        assert last.rows == reader_of_rows.rows(["yes,7,5"])

    asyncio.run(story())


@pytest.mark.slow
def test_a_sensor_that_was_stopped_sends_again_what_was_not_confirmed_and_reads_on_where_it_was(tmp_path: Path) -> None:
    port = free_port()

    async def story() -> None:
        sensor_file(port).write(tmp_path / "p05.json")
        (tmp_path / "rows.csv").write_text(table(10))
        options = (str(tmp_path / "rows.csv"), "--rows", "2", "--every", "0", "--state", str(tmp_path / "state"))
        process = await started(tmp_path, *options)  # no broker
        async with asyncio.timeout(PATIENCE):
            while kept(tmp_path / "state") < 5:
                await asyncio.wait([asyncio.ensure_future(process.wait())], timeout=0.05)
        process.send_signal(signal.SIGTERM)
        await process.communicate()
        assert process.returncode == 130
        async with mqtt_broker(port):
            feed = mqtt_feed(f"mqtt://127.0.0.1:{port}", SESSION, "a peer")
            messages = await feed.follow()
            (tmp_path / "rows.csv").write_text(table(12))
            again = await started(tmp_path, *options)
            arrived = await readings(messages, 6, log())
            await again.communicate()
            await feed.close()
        assert again.returncode == 0
        assert [reading.number for reading in arrived] == [1, 2, 3, 4, 5, 6]
        assert len({reading.rows.features for reading in arrived}) == 6
        assert kept(tmp_path / "state") == 0

    asyncio.run(story())


@pytest.mark.slow
def test_a_sensor_records_what_the_feed_has_confirmed_for_the_host_that_started_it(tmp_path: Path) -> None:
    Roster.of([]).write(tmp_path / "roster.json")
    (tmp_path / "rows.csv").write_text(table(4))
    record = ("--roster", str(tmp_path / "roster.json"), "--records", str(tmp_path / "records"))

    async def story() -> list[Reading]:
        async with mqtt_broker() as port:
            sensor_file(port).write(tmp_path / "p05.json")
            feed = mqtt_feed(f"mqtt://127.0.0.1:{port}", SESSION, "a peer")
            messages = await feed.follow()
            options = (str(tmp_path / "rows.csv"), "--rows", "2", "--every", "0", *record)
            process = await started(tmp_path, *options, program=("learnae.sensor",))
            arrived = await readings(messages, 2, log())
            await process.communicate()
            await feed.close()
        assert process.returncode == 0
        return arrived

    published = [ReadingPublished(reading.number, reading.announcement.rows.cid) for reading in asyncio.run(story())]
    records = History.parse((tmp_path / "records").read_text().splitlines()).records
    assert [record.fact for record in records] == published and {record.peer for record in records} == {"p05"}
    assert all(0 <= record.t < PATIENCE for record in records)


def kept(path: Path) -> int:
    outbox = SensorOutbox(SESSION, KEY.peer, KEY.sign)
    SensorState(path).restore(outbox)
    return len(outbox.unconfirmed)


def test_rows_are_standardised_and_bad_lines_are_left_out() -> None:
    reader = RowReader(sensor_file(), "x,y,class", "rows.csv")
    bad = ["", "1,2", "a,2,no", "1,nan,no", "1,1e999,no", "1,1e39,no", "1,2,maybe"]
    rows = reader.rows(["3,5,yes", *bad, "1,0,no"])
    assert rows and rows.labels == b"\1\0" and reader.bad == 7
    assert rows.features.hex() == "0000803f0000a040" + "00000000" * 2
    assert reader.rows(bad) is None


def test_a_table_without_a_column_is_refused() -> None:
    with pytest.raises(InputError, match="rows.csv has no column 'class': its first line must name the columns"):
        RowReader(sensor_file(), "x,y,other", "rows.csv")


@pytest.mark.parametrize(
    "change",
    [
        {"secret": "00"},
        {"std": (0.0, 1.0)},
        {"mean": (0.0,)},
        {"columns": (), "mean": (), "std": ()},
        {"classes": ("a",)},
    ],
)
def test_a_file_that_is_not_the_file_of_a_sensor_is_refused(tmp_path: Path, change: dict[str, Any]) -> None:
    path = tmp_path / "sensor.json"
    sensor_file(**change).write(path)
    with pytest.raises(InputError, match="is not the file of a sensor"):
        SensorFile.read(path)


def test_a_file_that_others_can_read_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "sensor.json"
    sensor_file().write(path)
    assert SensorFile.read(path) == sensor_file()
    path.chmod(0o644)
    with pytest.raises(InputError, match="can be read by others"):
        SensorFile.read(path)


@pytest.mark.parametrize("text", ["", "{}", "[]", '{"lines": 1, "number": 1, "previous": "x", "unconfirmed": {}}'])
def test_a_damaged_state_is_refused(tmp_path: Path, text: str) -> None:
    (tmp_path / "state").write_text(text)
    with pytest.raises(InputError, match="is not the state of a sensor"):
        kept(tmp_path / "state")


def test_lines_that_no_csv_file_has_are_left_out() -> None:
    reader = RowReader(sensor_file(), "x,y,class", "rows.csv")
    bad = ['"1,2,no\n', "1,2\r3,no\n", "1,2,no" + "9" * 200_000]
    rows = reader.rows(["3,5,yes", *bad, "1,0,no"])
    assert rows and rows.labels == b"\1\0" and reader.bad == 3
    with pytest.raises(InputError, match="has no column 'x'"):
        RowReader(sensor_file(), "x\ry", "rows.csv")


def test_a_line_without_end_is_one_bad_line(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(program, "MAX_LINE", 8)
    sent = b"1,2,no\n" + b"x" * 50 + b"\n\n3,4,yes\n" + b"y" * 9 + b"\n5,6"
    (tmp_path / "rows.csv").write_bytes(sent)

    async def story() -> None:
        for size in (1, 7, 100):
            stream = asyncio.StreamReader(8)
            piped = asyncio.ensure_future(collected(program.lines_of_pipe(stream)))
            for at in range(0, len(sent), size):
                stream.feed_data(sent[at : at + size])
                await asyncio.sleep(0)
            stream.feed_eof()
            assert await piped == ["1,2,no\n", "", "\n", "3,4,yes\n", "", "5,6"]
        lines = await collected(program.lines_of(str(tmp_path / "rows.csv")))
        assert lines == ["1,2,no\n", "", "\n", "3,4,yes\n", "", "5,6"]

    asyncio.run(story())


async def collected(lines: AsyncIterator[str]) -> list[str]:
    return [line async for line in lines]


def test_the_state_of_another_session_or_sensor_is_refused(tmp_path: Path) -> None:
    other = SensorKey.from_secret(bytes(32))
    for outbox in (SensorOutbox(cid_of(b"other"), KEY.peer, KEY.sign), SensorOutbox(SESSION, other.peer, other.sign)):
        SensorState(tmp_path / "state").save(outbox)
        with pytest.raises(InputError, match="is the state of another session or sensor"):
            kept(tmp_path / "state")


def test_a_state_that_cannot_be_read_or_written_is_one_sentence(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="cannot be read .* name another file by --state"):
        kept(tmp_path)
    (tmp_path / "state").write_bytes(b"\xff")
    with pytest.raises(InputError, match="is not the state of a sensor"):
        kept(tmp_path / "state")
    with pytest.raises(InputError, match="cannot be written .* name another file by --state"):
        SensorState(tmp_path / "none" / "state").save(SensorOutbox(SESSION, KEY.peer, KEY.sign))
