"""The sensors of a session in containers: starts them, and reads what each has recorded of its readings.

A sensor starts once all peers that follow the feed are at work, since a broker keeps nothing for those that never
subscribed, and all trainers train: on a busy host they may need a minute, in which it would publish all that it has.
A trainer that failed before it trained would hold up all of them for ever, so that they wait for some minutes only.
"""

import asyncio
import os
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from pathlib import Path

from learnae.backends.base import Run, Say
from learnae.backends.compose.containers import Containers
from learnae.backends.live_run import READINGS
from learnae.backends.pods import plan as pods
from learnae.backends.pods.ending import FollowedFeed
from learnae.backends.pods.sensor_files import count_readings
from learnae.errors import InputError
from learnae.protocol.decisions import WorkBegan, WorkChanged, WorkState
from learnae.protocol.policies import Policy, Role
from learnae.protocol.rest import Rest
from learnae.protocol.types import Cid
from learnae.records.history import History, ReadingPublished, ReadingsDamaged, Record
from learnae.session.roster import Member
from learnae.session.settings import Session
from learnae.untrusted_file import CHUNK, open_untrusted

PATIENCE = 300.0  # s that sensors wait for trainers once the peers that follow the feed are at work
LOOK = 0.5  # s between two looks at what sensors have recorded
MAX_LINE = 1 << 16  # bytes
AHEAD = 5.0  # s that the clock of containers may be ahead of the one here, as in the virtual machine of Docker Desktop

New = tuple[list[Record], int] | Exception


@dataclass
class SensorContainers:
    """``published``: numbers and CIDs of the readings of each sensor that the feed has confirmed, by name."""

    session: Session
    members: tuple[Member, ...]
    folder: Path  # build/swarm
    containers: Containers
    clock: Callable[[], float]  # session seconds
    run: Run
    say: Say
    started: Callable[[float, str], None] = lambda now, name: None  # called with session seconds and a sensor's name
    published: dict[str, dict[int, Cid]] = field(default_factory=dict)

    def __post_init__(self) -> None:
        self.published = {member.name: {} for member in self.sensors}
        self._read = dict.fromkeys(self.published, 0)  # bytes of each one's file
        files, rows = self.folder / "pods", self.session.feed.rows
        self._planned = {name: count_readings(files / name / "sensor", rows) for name in self.published}

    @property
    def sensors(self) -> list[Member]:
        return [member for member in self.members if member.group.sensor]

    @property
    def followed(self) -> FollowedFeed:
        return FollowedFeed([member.name for member in self.members if member.group.bridge], self._all_published)

    async def follow(self) -> None:
        """Start the sensors, and record what they publish, until cancelled."""
        async with asyncio.TaskGroup() as group:
            ready = group.create_task(self._others_at_work())
            for member in self.sensors:
                group.create_task(self._start(member, ready))
            while True:
                await asyncio.sleep(LOOK)
                for name in list(self.published):
                    self._take(name, await asyncio.to_thread(self._new, name, self._read[name]))

    def read(self) -> None:
        """Record what is new in the sensors' files.  A sensor that writes anything else is left out from then on."""
        for name in list(self.published):
            self._take(name, self._new(name, self._read[name]))

    # private

    def _new(self, name: str, start: int) -> New:
        """The records in whole lines of a sensor's file after ``start``, and where they end; or what is wrong there."""
        try:
            records, end = list[Record](), start
            with open_untrusted(self.folder, pods.JOURNALS, name, pods.READINGS) as file:
                size = os.fstat(file.fileno()).st_size  # it may grow meanwhile
                while end < size:
                    file.seek(end)
                    part = file.read(CHUNK)
                    lines = part[: part.rfind(b"\n") + 1]
                    if not lines:
                        if len(part) > MAX_LINE:
                            raise InputError(f"a line of more than {MAX_LINE} bytes")
                        break
                    parsed = History.parse(lines.decode().split("\n"))
                    if parsed.truncated:
                        raise InputError("its last line is not JSON")
                    records += parsed.records
                    end += len(lines)
            return records, end
        except FileNotFoundError:
            return [], start
        except (InputError, ValueError, RecursionError) as error:
            return error

    def _take(self, name: str, new: New) -> None:
        try:
            if isinstance(new, Exception):
                raise new
            records, self._read[name] = new
            for record in records:
                self._add(name, record)
        except (InputError, ValueError, RecursionError) as error:
            del self.published[name]
            self._write(Record(self.clock(), name, ReadingsDamaged()))
            self.say(f"No more readings of {name} are recorded: its file is damaged ({error}).")

    def _add(self, name: str, record: Record) -> None:
        """Raises InputError."""
        reading, known = record.fact, self.published[name]
        planned = self._planned[name]
        if record.peer != name or not isinstance(reading, ReadingPublished) or not 1 <= reading.number <= planned:
            raise InputError("a record that is not of one of its readings")
        if not 0 <= record.t <= self.clock() + AHEAD:
            raise InputError(f"a reading at {record.t:g} s, which is not a time of the session so far")
        if reading.number in known:  # it was killed before it had saved that the feed has it
            return
        known[reading.number] = reading.cid
        self._write(Record(min(record.t, self.clock()), name, replace(reading, of=planned)))

    def _write(self, record: Record) -> None:
        self.run.add(record)
        with (self.run.directory.path / READINGS).open("a", encoding="utf-8") as file:
            file.write(record.line() + "\n")

    def _all_published(self) -> Rest | None:
        if any(len(known) < self._planned[name] for name, known in self.published.items()):
            return None
        cids = frozenset(cid for known in self.published.values() for cid in known.values())
        return Rest(frozenset(), frozenset(), cids)

    async def _start(self, member: Member, ready: asyncio.Task[None]) -> None:
        await ready
        await asyncio.sleep(member.group.joins_at - self.clock())
        await self.containers.up(f"sensor-{member.name}")
        self.started(self.clock(), member.name)

    async def _others_at_work(self) -> None:
        early = [other for other in self.members if not other.group.joins_at]
        await self._seen(WorkBegan, {other.name for other in early if other.group.bridge})
        honest = (other for other in early if other.group.policy is Policy.HONEST)
        idle = {other.name for other in honest if other.group.role is Role.TRAINER}
        try:
            async with asyncio.timeout(PATIENCE):
                await self._seen(WorkChanged, idle)
        except TimeoutError:
            names = ", ".join(sorted(idle))
            self.say(f"The sensors start although trainers have not trained for {PATIENCE:g} s: {names}.")

    async def _seen(self, kind: type[WorkBegan | WorkChanged], waiting: set[str]) -> None:
        """Remove from ``waiting`` each peer that records such a fact, until none is left."""
        async for _, record in self.run.events.follow():
            fact = record.fact
            has_none = isinstance(fact, WorkChanged) and fact.work in (WorkState.EMPTY, WorkState.IDLE)
            if isinstance(fact, kind) and not has_none:
                waiting.discard(record.peer)
            if not waiting:
                break
