"""Sensors, a feed in memory and the peers that follow it, in virtual time."""

import random
from dataclasses import dataclass, field
from functools import partial

from learnae.adapters.memory import now
from learnae.adapters.memory_feed import MemoryBroker, MemoryFeed
from learnae.errors import BadMessage, PortError
from learnae.messages.readings import Reading, ReadingLog, SensorOutbox, SensorRows, decode_reading
from learnae.ports import Observer
from learnae.records.history import ReadingPublished
from learnae.runtime.feed import reading_log
from learnae.runtime.memory_session import MemorySession
from learnae.runtime.sensor_keys import sensor_keys
from learnae.runtime.simulated_peer import SimulatedPeer
from learnae.runtime.simulator import Simulator
from learnae.session.roster import Member

RETRY = 1.0  # s until what failed is tried again


@dataclass
class SimulatedSensor:
    member: Member
    outbox: SensorOutbox
    rows: list[SensorRows]  # not published yet
    count: int  # readings in all
    up: bool = True  # not killed and not asleep
    lives: int = 1
    sent: set[int] = field(default_factory=set)  # readings whose confirmation is on its way

    @property
    def busy(self) -> bool:
        return bool(self.rows or self.outbox.unconfirmed)


class SimulatedFeed:
    """``broker``: to interrupt the feed.  ``sensors`` by name."""

    def __init__(self, simulator: Simulator, setup: MemorySession, record: Observer) -> None:
        self._simulator, self._session, self._record = simulator, setup.session, record
        self.broker = MemoryBroker()
        self._feed = MemoryFeed(self.broker)
        self._rng = random.Random(f"{setup.session.seed} feed")
        self._arriving = 0  # messages that have not reached a peer
        self.logs: dict[str, ReadingLog] = {}
        for host in simulator.hosts.values():
            if host.config.sensors:
                self.logs[host.name] = reading_log(host.config, setup.learning)
                self.broker.following.append(partial(self._send, host))
        keys = sensor_keys(setup.session)
        self.sensors: dict[str, SimulatedSensor] = {}
        for index, member in enumerate(setup.members):
            if member.group.sensor:
                outbox = SensorOutbox(setup.session_id, member.peer, keys[member.name].sign)
                rows = setup.learning.readings(index)
                self.sensors[member.name] = SimulatedSensor(member, outbox, rows, len(rows))
        for sensor in self.sensors.values():
            simulator.at(sensor.member.group.joins_at + setup.session.feed.every, partial(self._publish, sensor))
        simulator.feeding = self.under_way

    def under_way(self) -> bool:
        return self._arriving > 0 or any(sensor.busy for sensor in self.sensors.values())

    def interrupt(self, name: str, sleeps: bool) -> bool:
        """Send a sensor to sleep, or kill it: what it keeps is its rows and what it has not seen confirmed."""
        sensor = self.sensors[name]
        if self._simulator.clock.now < sensor.member.group.joins_at:
            return False
        sensor.up = False
        if not sleeps:
            sensor.lives += 1
            sensor.sent.clear()
        return True

    def restore(self, name: str) -> None:
        self.sensors[name].up = True

    # private

    def _publish(self, sensor: SimulatedSensor) -> None:
        """Make the next reading; publish all that the feed has not confirmed and is not about to."""
        if sensor.rows and sensor.up:
            sensor.outbox.add(sensor.rows.pop(0))
        for number, message in sensor.outbox.unconfirmed.items() if sensor.up else ():
            if number in sensor.sent:
                continue
            try:
                now(self._feed.publish(message))
            except PortError:
                break
            sensor.sent.add(number)
            confirm = partial(self._confirm, sensor, sensor.lives, number)
            self._simulator.after(self._session.network.latency, confirm)
        if sensor.busy:
            self._simulator.after(self._session.feed.every, partial(self._publish, sensor))

    def _confirm(self, sensor: SimulatedSensor, life: int, number: int) -> None:
        """The feed has a reading.  A sensor that was killed meanwhile does not learn of it, and sends it again."""
        if sensor.lives != life:
            return
        if not sensor.up:
            self._simulator.after(RETRY, partial(self._confirm, sensor, life, number))
            return
        sensor.sent.remove(number)
        cid = decode_reading(sensor.outbox.unconfirmed[number]).announcement.rows.cid
        sensor.outbox.confirm(number)
        self._record(self._simulator.clock.now, sensor.member.name, ReadingPublished(number, cid, sensor.count))

    def _send(self, host: SimulatedPeer, message: bytes) -> None:
        self._arriving += 1
        latency = self._session.network.latency * (0.5 + self._rng.random())
        self._simulator.after(latency, partial(self._arrive, host, message))

    def _arrive(self, host: SimulatedPeer, message: bytes) -> None:
        """A feed keeps what a peer that is down or frozen has not received."""
        if host.peer is None or host.frozen is not None:
            self._simulator.after(RETRY, partial(self._arrive, host, message))
            return
        try:
            self._keep(host, self.logs[host.name].accept(message))
        except BadMessage:
            self._arriving -= 1

    def _keep(self, host: SimulatedPeer, reading: Reading) -> None:
        try:
            now(host.ports.store.put(reading.rows.block))
        except PortError:
            self._simulator.after(RETRY, partial(self._keep, host, reading))
            return
        self._arriving -= 1
        self._simulator.receive(host, reading.sensor, reading.announcement)
