"""What is made of what Docker's command says, and of what it does not."""

import asyncio
import os
import select
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import suppress
from pathlib import Path
from typing import IO

import pytest
from tests.helpers.command_line import here, refused
from tests.helpers.fake_docker import SOUND, fake_docker

from learnae.backends.compose import engine, images
from learnae.backends.compose.containers import Containers
from learnae.backends.compose.docker_cli import docker, run
from learnae.errors import InputError

Fake = Callable[[str], Path]


@pytest.fixture
def fake(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Fake:
    return lambda cases: fake_docker(tmp_path, monkeypatch, cases)


@pytest.fixture
def swarm(tmp_path: Path) -> Containers:
    return Containers("learnae-test", tmp_path / "build" / "swarm")


@pytest.mark.parametrize(
    ("says", "finished"),
    [
        ('printf "peer-p02\\texited\\tExited (0) 3 seconds ago\\n"', ["p02"]),
        ('printf "peer-p02\\texited\\tExited (137) 3 seconds ago\\n"', []),
        ('printf "peer-p02\\trunning\\tUp 3 seconds\\n"', []),
        ("exit 1", []),
    ],
    ids=["ended", "killed", "runs", "no answer"],
)
def test_a_peer_has_finished_if_its_container_ended_well(
    fake: Fake, swarm: Containers, says: str, finished: list[str]
) -> None:
    fake(f"ps*) {says} ;;")
    assert swarm.finished_peers(["p01", "p02"]) == finished


def test_an_engine_with_its_plugins_lacks_nothing(fake: Fake) -> None:
    fake(SOUND)
    assert engine.missing() is None


@pytest.mark.parametrize(
    ("cases", "sentence"),
    [
        ("version*) echo Cannot connect to the Docker daemon >&2; exit 1 ;;", "Cannot connect"),
        ("version*) echo ;;", "does not give its version"),
        ("info*) echo 27.1 ;;", "does not give its version"),
        ("version*) exit 3 ;;", "docker version ended with 3"),
        ('"compose version") exit 1 ;;' + SOUND, "docker compose is missing"),
        ('"buildx version") exit 1 ;;' + SOUND, "docker buildx is missing"),
        ('"compose version --short") echo v2.6.0-beta ;;' + SOUND, "Compose v2.6.0-beta is too old, 2.20 is needed"),
        ('"compose version --short") echo 1.29.2 ;;' + SOUND, "Compose 1.29.2 is too old, 2.20 is needed"),
    ],
)
def test_what_an_engine_lacks_is_one_sentence(fake: Fake, cases: str, sentence: str) -> None:
    fake(cases)
    told = engine.missing()
    assert told and sentence in told and "\n" not in told


def test_without_docker_it_is_said_how_to_get_it(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    assert "install Docker" in str(engine.missing())


def test_compose_is_steered_by_the_plan_alone_and_no_secret_of_ours_is_passed_on(
    fake: Fake, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("COMPOSE_FILE", "COMPOSE_PROJECT_NAME", "LEARNAE_KEY", "LEARNAE_PROJECT"):
        monkeypatch.setenv(name, "of somebody else")
    fake("*) env ;;")
    assert "of somebody else" not in docker("compose", "ps")


HANGING = "*) exec 3>alive; echo >&3; cat hang & cat hang ;;"


@pytest.fixture
def alive(tmp_path: Path) -> Iterator[IO[bytes]]:
    """Says a line when something hangs, and ends when that has gone with all that it started."""
    for name in ("alive", "hang"):
        os.mkfifo(tmp_path / name)
    with open(os.open(tmp_path / "alive", os.O_RDONLY | os.O_NONBLOCK), "rb", buffering=0) as pipe:
        os.set_blocking(pipe.fileno(), True)
        yield pipe


def test_what_takes_too_long_is_ended_with_all_that_it_started(fake: Fake, alive: IO[bytes]) -> None:
    fake(HANGING)
    with pytest.raises(InputError, match="did not end in 1 s"):
        docker("ps", timeout=1.0)
    assert alive.read() == b"\n"


def test_what_is_cancelled_is_ended_with_all_that_it_started(fake: Fake, alive: IO[bytes]) -> None:
    fake(HANGING)

    async def cancelled() -> None:
        building = asyncio.create_task(run("docker", "buildx", "build"))
        await asyncio.to_thread(select.select, [alive], [], [])
        assert alive.read(1) == b"\n"
        building.cancel()
        with suppress(asyncio.CancelledError):
            await building

    asyncio.run(cancelled())
    assert alive.read() == b""


def test_base_images_that_cannot_be_had_end_a_build(fake: Fake, monkeypatch: pytest.MonkeyPatch) -> None:
    """And not what is built on them, of which Docker would complain less clearly."""
    asked = fake("image*|version*) echo no such thing >&2; exit 1 ;;")
    with pytest.raises(InputError, match="base-images: no Docker engine is running"):
        asyncio.run(images.build("learnae-test"))
    assert "buildx" not in asked.read_text()


# What there is


def test_containers_are_known_by_their_services_states_and_exit_codes(fake: Fake, swarm: Containers) -> None:
    fake(r'ps*) printf "chain\trunning\tUp 3 minutes (healthy)\npeer-p00\texited\tExited (137) 1 second ago\n" ;;')
    chain, peer = swarm.containers()
    assert (chain.service, chain.alive, peer.service, peer.alive, peer.code) == ("chain", True, "peer-p00", False, 137)


def test_a_wait_that_ends_while_a_peer_still_runs_is_not_its_end(fake: Fake, swarm: Containers) -> None:
    """As it does when the engine is restarted, and while it does not answer."""
    asked = fake(
        r"""wait*) exit 1 ;;
ps*) case $(wc -l <asked) in
  2) printf "peer-p00\tpaused\tUp (Paused)\npeer-p01\texited\tExited (0) now\n" ;;
  4) exit 1 ;;
  *) printf "peer-p00\texited\tExited (1) now\npeer-p01\texited\tExited (0) now\n" ;;
  esac ;;"""
    )
    assert asyncio.run(swarm.wait(["peer-p00", "peer-p01"])) == {"peer-p00": 1, "peer-p01": 0}
    assert asked.read_text().count("wait learnae-test-peer-p00-1 learnae-test-peer-p01-1\n") == 3


def test_the_last_line_of_a_log_may_be_of_standard_error(fake: Fake, swarm: Containers) -> None:
    fake("logs*chain*) echo out of memory >&2 ;;")
    assert swarm.last_line("chain") == "out of memory"
    assert swarm.last_line("link-p00") == "its log is empty"


# To remove it

REMOVED = r"""
*down*) touch removed ;;
ps*) [ -f removed ] || printf "chain\trunning\tUp\npeer-p00\trunning\tUp\n" ;;
"network ls"*) [ -f unlinked ] || echo net ;;
"network rm"*) touch unlinked ;;
"""


@pytest.mark.parametrize("busy", ["ps", "*down", "network ls", "network rm"])
def test_an_engine_that_is_busy_once_is_asked_again(fake: Fake, swarm: Containers, busy: str) -> None:
    folder = fake(REMOVED).parent
    program = folder / "docker"
    once = f'case "$*" in {busy.replace(" ", "?")}*) [ -f busy ] || {{ touch busy; exit 1; }} ;; esac\n'
    program.write_text(program.read_text().replace("case", once + "case", 1))
    assert swarm.down() == (0 if busy == "ps" else 2)  # what was not counted is removed nonetheless
    assert {"busy", "removed", "unlinked"} <= set(os.listdir(folder))


def test_what_cannot_be_removed_is_a_sentence(fake: Fake, swarm: Containers) -> None:
    fake(r'ps*) printf "chain\trunning\tUp\n" ;;')
    with pytest.raises(InputError, match="does not remove the containers of learnae-test .*restart Docker"):
        swarm.down()


def test_whoever_has_the_number_of_a_command_that_is_long_over_is_not_ended(fake: Fake, swarm: Containers) -> None:
    fake(REMOVED)
    asyncio.run(swarm.up("chain"))
    assert (swarm.folder.parent / "up.lock").read_text() == ""
    with subprocess.Popen([sys.executable, "-c", "input()"], stdin=subprocess.PIPE, start_new_session=True) as stranger:
        (swarm.folder.parent / "up.lock").write_text(f"{stranger.pid}\n")  # as a session that was killed leaves it
        swarm.down()
        assert (swarm.folder.parent / "up.lock").read_text() == ""
        stranger.communicate(b"\n")
    assert stranger.returncode == 0


def test_what_is_still_coming_up_is_ended_before_anything_is_removed(
    fake: Fake, swarm: Containers, tmp_path: Path
) -> None:
    os.mkfifo(tmp_path / "up")
    fake("*up*) until [ -s build/up.lock ]; do :; done; echo >up; exec cat up ;;" + REMOVED)

    async def killed() -> None:
        coming = asyncio.create_task(swarm.up("chain"))
        await asyncio.to_thread((tmp_path / "up").read_text)
        assert await asyncio.to_thread(swarm.down) == 2
        with pytest.raises(InputError, match="was ended by SIGTERM: run the same command again"):
            await coming

    asyncio.run(killed())


IMAGES = "*inspect*) echo sha256:1 ;;\ntag*) ;;\n"


def test_images_are_pushed_under_the_names_of_a_registry(fake: Fake, tmp_path: Path) -> None:
    asked = fake(IMAGES + "push*) ;;" + SOUND)
    done = here(tmp_path, "compose", "push", "localhost:5000/x:2")
    assert done.returncode == 0 and "--images localhost:5000/x:2" in done.stdout
    pushed = [line for line in asked.read_text().splitlines() if line.startswith("push")]
    assert pushed == [f"push --quiet localhost:5000/x-{part}:2" for part in ("peer", "ipfs", "chain", "sweep")]


@pytest.mark.parametrize(
    ("docker", "sentence"),
    [
        ("*inspect*) exit 1 ;;\n", "the images are not built: run make images"),
        (IMAGES + "push*) echo denied: no access >&2; exit 1 ;;\n", "denied: no access"),
    ],
    ids=["not built", "refused"],
)
def test_images_that_cannot_be_pushed_are_one_sentence(fake: Fake, tmp_path: Path, docker: str, sentence: str) -> None:
    fake(docker + SOUND)
    refused(here(tmp_path, "compose", "push", "localhost:5000/x"), sentence)


def test_an_installed_package_has_no_containers_and_says_what_it_has(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(engine, "in_checkout", lambda: False)
    assert str(engine.missing()).endswith("not an installed package: clone it or use --backend embedded")
