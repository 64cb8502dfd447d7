"""What ends that should not is said at once, and a chain that stays away ends the session."""

import asyncio
from collections.abc import Iterable
from pathlib import Path

import pytest

from learnae.backends.compose.container_monitor import LOST, ContainerMonitor
from learnae.backends.compose.containers import Container, Containers
from learnae.errors import InputError


class Remembered(Containers):
    """Containers that are only remembered.  A status may end with how often Docker restarted it: Up, 2 restarts."""

    states: dict[str, str]
    asked: list[str]

    def containers(self) -> list[Container]:
        if not self.states:
            raise InputError("busy")
        return [
            Container(name, "running" if status.startswith("Up") else "exited", status)
            for name, status in self.states.items()
        ]

    def restarts(self, services: Iterable[str]) -> dict[str, int]:
        self.asked[:] = services
        return {name: int((self.states[name].partition(", ")[2] or "0").split()[0]) for name in self.asked}

    def last_line(self, service: str) -> str:
        return f"{service} says goodbye"


class Stage:
    def __init__(self) -> None:
        self.swarm, self.said, self.away, self.now = Remembered("test", Path()), list[str](), set[str](), 0.0
        object.__setattr__(self.swarm, "asked", [])
        self.watch = ContainerMonitor(self.swarm, self.said.append, lambda: self.away, lambda: self.now)

    def look(self, **states: str) -> list[str]:
        """What is said of it."""
        object.__setattr__(self.swarm, "states", {name.replace("_", "-"): told for name, told in states.items()})
        self.said.clear()
        asyncio.run(self.watch.look())
        return list(self.said)


@pytest.fixture
def stage() -> Stage:
    return Stage()


def test_what_ends_is_reported_once_with_its_last_line_and_again_when_it_was_back(stage: Stage) -> None:
    ended = ["ipfs-p00 ended with exit code 137: ipfs-p00 says goodbye"]
    assert stage.look(ipfs_p00="Up", peer_p00="Up") == []
    assert stage.look(ipfs_p00="Exited (137) now", peer_p00="Up") == ended
    assert stage.look(ipfs_p00="Exited (137) now", peer_p00="Up") == []
    assert stage.look(ipfs_p00="Up") == []
    assert stage.look(ipfs_p00="Exited (137) now") == ended


def test_a_peer_that_is_done_is_no_news_and_one_that_failed_is(stage: Stage) -> None:
    assert stage.look(peer_p00="Exited (0) now", peer_p01="Exited (1) now") == [
        "peer-p01 ended with exit code 1: peer-p01 says goodbye"
    ]


def test_what_docker_restarted_is_named_each_time(stage: Stage) -> None:
    again = ["peer-p00 ended unexpectedly and was restarted. See: learnae compose logs peer-p00"]
    assert stage.look(peer_p00="Up", chain="Up") == []
    assert stage.look(peer_p00="Up, 1 restart", chain="Up") == again
    assert stage.look(peer_p00="Up, 1 restart", chain="Up") == []
    assert stage.look(peer_p00="Up, 3 restarts", chain="Up") == again
    assert stage.look(peer_p00="Up", chain="Up") == []  # a fault killed and restored it: Docker counts anew
    assert stage.look(peer_p00="Up, 1 restart", chain="Up") == again


def test_only_containers_that_may_have_started_since_the_last_look_are_asked_for_their_restarts(stage: Stage) -> None:
    stage.look(ipfs_p00="Up 3 minutes", ipfs_p01="Up 5 seconds (healthy)")
    assert stage.swarm.asked == ["ipfs-p00", "ipfs-p01"]
    stage.now = 3.0
    stage.look(ipfs_p00="Up 3 minutes", ipfs_p01="Up 8 seconds (healthy)", ipfs_p02="Up 3 seconds", chain="Created")
    assert stage.swarm.asked == ["ipfs-p02", "chain"]
    stage.now = 6.0
    stage.look()  # the engine does not answer
    stage.now = 12.0
    stage.look(ipfs_p00="Up Less than a second", ipfs_p01="Up 9 seconds", ipfs_p02="Up 12 seconds")
    assert stage.swarm.asked == ["ipfs-p00", "ipfs-p01"]
    stage.now = 80.0
    stage.look(ipfs_p00="Up About a minute", ipfs_p01="Up 2 hours")
    assert stage.swarm.asked == ["ipfs-p00", "ipfs-p01"]


def test_what_a_fault_took_away_is_no_news(stage: Stage) -> None:
    stage.away = {"chain", "ipfs-p00", "peer-p00"}
    assert stage.look(chain="Exited (137) now", ipfs_p00="Exited (137) now", peer_p00="Exited (137) now") == []


def test_an_engine_that_does_not_answer_is_no_news(stage: Stage) -> None:
    assert stage.look() == []


def test_a_chain_that_stays_away_ends_the_session_and_one_that_comes_back_does_not(stage: Stage) -> None:
    async def short() -> None:
        async with asyncio.timeout(1.0):
            await stage.watch.run()

    assert "docker start test-chain-1" in stage.look(chain="Exited (137) now")[1]
    stage.now = LOST + 1
    stage.look(chain="Up")
    with pytest.raises(TimeoutError):
        asyncio.run(short())
    stage.look(chain="Exited (0) now")
    stage.now += LOST + 1
    with pytest.raises(InputError, match="the chain has been down for 60 s"):
        asyncio.run(stage.watch.run())
