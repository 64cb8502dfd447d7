"""Ways to break the feed, its sensors and their faults, and the checks that must notice (see ``protocol_mutants``)."""

from collections.abc import Callable
from typing import Any

from tests.helpers.protocol_mutants import BASE, Mutant, Patch

from learnae.adapters.memory_feed import MemoryBroker, MemoryFeed
from learnae.errors import PortError, Reason
from learnae.runtime.simulated_feed import SimulatedFeed
from learnae.runtime.simulated_peer import SimulatedPeer

Table = dict[str, Any]
FED: Table = BASE | {
    "privacy": False,
    "groups": [
        {"count": 2, "bridge": True},
        {"count": 1, "has_rows": False},
        {"count": 2, "sensor": True, "computes": False, "wants_payment": False},
    ],
}
FEED_KILL = {"kind": "feed-kill", "at": 2, "duration": 4}
SENSOR_KILL = {"kind": "sensor-kill", "at": 3, "duration": 4, "targets": "all"}
FEED_DOWN, SENSORS_DOWN = (FED | {"faults": [fault]} for fault in (FEED_KILL, SENSOR_KILL))
BOTH_DOWN = FED | {"faults": [FEED_KILL, SENSOR_KILL]}


def confirms_what_it_loses(patch: Patch) -> None:
    send: Callable[[SimulatedFeed, SimulatedPeer, bytes], None] = SimulatedFeed._send

    def lossy(self: SimulatedFeed, host: SimulatedPeer, message: bytes) -> None:
        if sum(message) % 5:
            send(self, host, message)

    patch.setattr(SimulatedFeed, "_send", lossy)


def confirms_nothing(patch: Patch) -> None:
    async def refuse(self: MemoryFeed, message: bytes) -> None:
        raise PortError(Reason.UNREACHABLE, "no node is up")

    patch.setattr(MemoryFeed, "publish", refuse)


def dies_and_stays_away(patch: Patch) -> None:
    publish, confirmed = MemoryFeed.publish, list[bytes]()

    async def last_words(self: MemoryFeed, message: bytes) -> None:
        if len(confirmed) == 5:
            raise PortError(Reason.UNREACHABLE, "no node is up")
        confirmed.append(message)
        await publish(self, message)

    patch.setattr(MemoryFeed, "publish", last_words)


def is_never_down(patch: Patch) -> None:
    def up(self: MemoryBroker, name: str, value: object) -> None:
        self.__dict__[name] = value if name != "down" else False

    patch.setattr(MemoryBroker, "__setattr__", up)


def stays_down(patch: Patch) -> None:
    def stuck(self: MemoryBroker, name: str, value: object) -> None:
        self.__dict__[name] = value or self.__dict__.get(name, value)

    patch.setattr(MemoryBroker, "__setattr__", stuck)


def kills_no_sensor(patch: Patch) -> None:
    patch.setattr(SimulatedFeed, "interrupt", lambda self, name, sleeps: True)


def brings_no_sensor_back(patch: Patch) -> None:
    patch.setattr(SimulatedFeed, "restore", lambda self, name: None)


def forgets_what_was_not_confirmed(patch: Patch) -> None:
    interrupt = SimulatedFeed.interrupt

    def forgetful(self: SimulatedFeed, name: str, sleeps: bool) -> bool:
        self.sensors[name].outbox.unconfirmed.clear()
        return interrupt(self, name, sleeps)

    patch.setattr(SimulatedFeed, "interrupt", forgetful)


MUTANTS = [
    Mutant("the feed confirms what it loses", confirms_what_it_loses, {"readings_are_trained_on"}, FED),
    Mutant("the feed confirms nothing", confirms_nothing, {"sensors_published"}, FED),
    Mutant("the feed dies after some readings", dies_and_stays_away, {"sensors_published"}, FED),
    Mutant("a killed feed is never down", is_never_down, {"faults_happened"}, FEED_DOWN),
    Mutant("a killed feed stays down", stays_down, {"recovered", "sensors_published"}, FEED_DOWN),
    Mutant("a killed sensor is never down", kills_no_sensor, {"faults_happened"}, SENSORS_DOWN),
    Mutant("a killed sensor stays down", brings_no_sensor_back, {"recovered", "sensors_published"}, SENSORS_DOWN),
    Mutant(
        "a killed sensor forgets what was not confirmed",
        forgets_what_was_not_confirmed,
        {"readings_are_trained_on", "sensors_published"},
        BOTH_DOWN,
    ),
]
