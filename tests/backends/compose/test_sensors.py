"""What sensors in containers publish is recorded once, and nothing else that they write."""

import asyncio
import threading
from pathlib import Path

import pytest

from learnae.adapters.run_directory import RunDirectory
from learnae.backends.base import Run
from learnae.backends.compose import sensors
from learnae.backends.compose.containers import Containers
from learnae.backends.compose.sensors import SensorContainers
from learnae.backends.live_run import READINGS, observed
from learnae.backends.pods.plan import JOURNALS
from learnae.backends.pods.sensor_files import CSV
from learnae.messages.wire import cid_of
from learnae.protocol.decisions import WorkBegan, WorkChanged, WorkState
from learnae.protocol.types import Address, Cid, PeerId
from learnae.records.history import Fact, History, ReadingPublished, ReadingsDamaged, Record
from learnae.session.roster import roster
from learnae.session.session_file import parse

SESSION = parse(
    {
        "peers": 4,
        "privacy": False,
        "data": {"rows": 200},
        "feed": {"rows": 100},
        "groups": [
            {"count": 2, "bridge": True},
            {"count": 2, "sensor": True, "computes": False, "wants_payment": False},
        ],
    }
)
DAMAGED = Record(10.0, "p02", ReadingsDamaged())
MEMBERS = roster(SESSION.groups, 4, lambda name: (PeerId(name), Address(name)), privacy=False)


class Started(Containers):
    """Containers that are only remembered.  ``both`` have been started."""

    services: list[str]
    both: asyncio.Event

    async def up(self, *services: str) -> None:
        self.services.extend(services)
        if len(self.services) == 2:
            self.both.set()


class Stage:
    """Two peers that follow the feed, and two sensors, p02 and p03."""

    def __init__(self, folder: Path) -> None:
        self.folder, self.said, self.at_work = folder, list[str](), list[str]()
        self.run = Run(RunDirectory(folder / "run"))
        self.run.directory.path.mkdir()
        self.containers = Started("test", folder)
        object.__setattr__(self.containers, "services", [])
        object.__setattr__(self.containers, "both", asyncio.Event())
        for name in ("p02", "p03"):
            (folder / JOURNALS / name).mkdir(parents=True)
            (folder / "pods" / name / "sensor").mkdir(parents=True)
            (folder / "pods" / name / "sensor" / CSV).write_text("x,label\n" + 150 * "1,0\n")
        self.sensors = SensorContainers(
            SESSION, MEMBERS, folder, self.containers, lambda: 10.0, self.run, self.said.append, self.started
        )

    def started(self, now: float, name: str) -> None:
        assert now == 10.0 and f"sensor-{name}" in self.containers.services
        self.at_work.append(name)

    def write(self, name: str, *lines: str) -> None:
        with (self.folder / JOURNALS / name / "readings.jsonl").open("a") as file:
            file.writelines(f"{line}\n" for line in lines)

    def recorded(self) -> list[Record]:
        self.sensors.read()
        assert list(observed(self.run.directory.path, READINGS)) == self.run.events.records
        return self.run.events.records


@pytest.fixture
def stage(tmp_path: Path) -> Stage:
    return Stage(tmp_path)


def cid(name: str, number: int) -> Cid:
    return cid_of(f"{name} {number}".encode())


def reading(name: str, number: int, at: float = 2.0) -> Record:
    return Record(at, name, ReadingPublished(number, cid(name, number), of=2))


def test_each_reading_is_recorded_once_although_a_sensor_was_killed_before_it_knew(stage: Stage) -> None:
    assert stage.recorded() == []
    stage.write("p02", reading("p02", 1).line())
    assert stage.recorded() == [reading("p02", 1)]
    stage.write("p02", reading("p02", 1, 3.0).line(), reading("p02", 2, 3.0).line())
    stage.write("p03", reading("p03", 1, 4.0).line())
    assert stage.recorded() == [reading("p02", 1), reading("p02", 2, 3.0), reading("p03", 1, 4.0)]


def test_the_session_ends_only_after_the_last_reading_and_once_its_followers_have_all(stage: Stage) -> None:
    feed = stage.sensors.followed
    assert feed.followers == ["p00", "p01"] and feed.published() is None
    for name in ("p02", "p03"):
        stage.write(name, reading(name, 1).line(), reading(name, 2).line())
    stage.recorded()
    published = feed.published()
    assert published and published.rows_announced == {cid(name, n) for name in ("p02", "p03") for n in (1, 2)}


@pytest.mark.parametrize(
    "line",
    [
        reading("p03", 1).line(),
        reading("p02", 0).line(),
        reading("p02", 3).line(),
        Record(1.0, "p02", WorkBegan(1, False)).line(),
        reading("p02", 1, -5.0).line(),
        reading("p02", 1, 15.5).line(),
        "[" * 100_000,
        '{"t": 1}',
    ],
    ids=["another's", "number 0", "more than it has", "another fact", "before", "to come", "nested", "no record"],
)
def test_a_sensor_that_records_anything_else_is_left_out_and_the_others_are_not(stage: Stage, line: str) -> None:
    stage.write("p02", line, reading("p02", 1).line())
    stage.write("p03", reading("p03", 1).line())
    assert stage.recorded() == [DAMAGED, reading("p03", 1)]
    assert len(stage.said) == 1 and "No more readings of p02 are recorded: its file is damaged" in stage.said[0]


def test_a_clock_of_containers_that_is_a_little_ahead_does_no_harm(stage: Stage) -> None:
    stage.write("p02", reading("p02", 1, 12.0).line())
    assert stage.recorded() == [reading("p02", 1, 10.0)]


def test_a_file_is_read_once_and_line_by_line_however_long_it_gets(stage: Stage) -> None:
    first = reading("p02", 1).line()
    for _ in range(20):
        stage.write("p02", *[first + " " * 60_000] * 15)
    assert stage.recorded() == [reading("p02", 1)]
    file = stage.folder / JOURNALS / "p02" / "readings.jsonl"
    with file.open("r+") as damaged:
        damaged.write("?" * len(first))  # nobody looks there again
    second = reading("p02", 2).line()
    with file.open("a") as growing:
        growing.write(second[:20])
    assert file.stat().st_size > 16 << 20 and stage.recorded() == [reading("p02", 1)]
    with file.open("a") as growing:
        growing.write(second[20:] + "\n")
    assert stage.recorded() == [reading("p02", 1), reading("p02", 2)] and not stage.said


@pytest.mark.parametrize("text", ["x" * 70_000, "{\n"], ids=["a line without end", "no JSON"])
def test_a_sensor_whose_last_line_can_never_be_a_record_is_left_out(stage: Stage, text: str) -> None:
    (stage.folder / JOURNALS / "p02" / "readings.jsonl").write_text(text)
    assert stage.recorded() == [DAMAGED]
    assert len(stage.said) == 1 and "its file is damaged" in stage.said[0]


def test_files_are_read_in_a_thread_while_the_session_runs(stage: Stage, monkeypatch: pytest.MonkeyPatch) -> None:
    threads, parse_history = set[int](), History.parse

    def parsed(lines: list[str]) -> History:
        threads.add(threading.get_ident())
        return parse_history(lines)

    monkeypatch.setattr(History, "parse", parsed)
    stage.write("p02", reading("p02", 1).line())

    async def story() -> None:
        following = asyncio.create_task(stage.sensors.follow())
        async with asyncio.timeout(60):
            async for _, record in stage.run.events.follow():
                assert record == reading("p02", 1)
                break
        following.cancel()
        await asyncio.wait([following])

    asyncio.run(story())
    assert threads and threading.get_ident() not in threads


@pytest.mark.parametrize("last", [WorkBegan(2, False), WorkChanged(WorkState.TRAINING)])
def test_sensors_start_when_all_peers_that_follow_the_feed_are_at_work_and_all_trainers_train(
    stage: Stage, last: Fact
) -> None:
    async def story() -> None:
        following = asyncio.create_task(stage.sensors.follow())
        begun: list[Fact] = [WorkChanged(WorkState.IDLE), WorkBegan(2, False), WorkChanged(WorkState.TRAINING)]
        for record in [Record(1.0, name, fact) for fact in begun for name in ("p00", "p01")]:
            if record != Record(1.0, "p01", last):
                stage.run.add(record)
        for _ in range(100):
            await asyncio.sleep(0)
        assert stage.containers.services == []
        stage.run.add(Record(1.0, "p01", last))
        async with asyncio.timeout(60):
            await stage.containers.both.wait()
        following.cancel()
        await asyncio.wait([following])

    asyncio.run(story())
    assert stage.said == []
    assert sorted(stage.containers.services) == ["sensor-p02", "sensor-p03"]
    assert sorted(stage.at_work) == ["p02", "p03"], "faults wait for them"


def test_a_trainer_that_never_trains_does_not_hold_up_sensors_for_ever(
    stage: Stage, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sensors, "PATIENCE", 0.0)

    async def story() -> None:
        following = asyncio.create_task(stage.sensors.follow())
        stage.run.add(Record(1.0, "p00", WorkBegan(2, False)))
        stage.run.add(Record(1.0, "p00", WorkChanged(WorkState.TRAINING)))
        for _ in range(100):
            await asyncio.sleep(0)
        assert stage.containers.services == stage.said == [], "a broker keeps nothing for a peer that is not at work"
        stage.run.add(Record(1.0, "p01", WorkBegan(2, False)))
        async with asyncio.timeout(60):
            await stage.containers.both.wait()
        following.cancel()
        await asyncio.wait([following])

    asyncio.run(story())
    assert stage.said == ["The sensors start although trainers have not trained for 0 s: p01."]
