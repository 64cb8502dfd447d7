"""Commands on containers in a process of their own, and what Docker says of their containers."""

import json
import os
import re
import signal
import subprocess
import sys
from collections.abc import Sequence
from functools import partial
from pathlib import Path
from threading import Condition, Thread
from typing import Any

from tests.helpers.docker_engine import require_engine
from tests.helpers.waiting import until

from learnae.backends.compose.docker_cli import docker
from learnae.backends.compose.plan import project
from learnae.backends.compose.render import FOLDER
from learnae.checkout import REPOSITORY
from learnae.errors import InputError

PROJECT = project(REPOSITORY)
PATIENCE = 240.0  # s: a limit for tests that hang, below that of a test
COMMAND = [sys.executable, "-m", "learnae"]


class Command:
    """A command of ours on containers, as in a terminal of its own.  ``lines``: what it printed so far."""

    def __init__(self, run: Path, *arguments: object) -> None:
        require_engine()
        self.run, self.lines, self._over, self._news = run, list[str](), False, Condition()
        self.process = subprocess.Popen(
            [*COMMAND, *map(str, arguments), "--backend", "compose", "--out", str(run)],
            cwd=REPOSITORY,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            start_new_session=True,
        )
        self._reader = Thread(target=self._read, daemon=True)
        self._reader.start()

    def press_ctrl_c(self) -> None:
        """A terminal tells everybody in it: also what Docker commands run just then."""
        os.killpg(self.process.pid, signal.SIGINT)

    def when(self, pattern: str) -> str:
        """The first line in which that is found; waits for it."""
        with self._news:
            self._news.wait_for(lambda: self._over or any(re.search(pattern, line) for line in self.lines), PATIENCE)
            found = next((line for line in self.lines if re.search(pattern, line)), None)
        assert found, "\n".join(self.lines)
        return found

    def end(self) -> int:
        code = self.process.wait(PATIENCE)
        self._reader.join(PATIENCE)
        return code

    def _read(self) -> None:
        assert self.process.stdout
        with self.process.stdout as lines:
            for line in lines:
                with self._news:
                    self.lines.append(line.rstrip())
                    self._news.notify_all()
        with self._news:
            self._over = True
            self._news.notify_all()


class ComposeSwarm(Command):
    """`learnae swarm`, kept until it is told to end."""

    def __init__(self, session: Path, run: Path, *more: str) -> None:
        super().__init__(run, "swarm", session, "--port", 0, "--keep", *more)


def containers() -> str:
    """The containers of this checkout's project, also those that were only created."""
    return _listed("ps", "-aq")


def left() -> str:
    """Containers, networks and volumes of this checkout's project."""
    return containers() + _listed("network", "ls", "-q") + _listed("volume", "ls", "-q")


def inside(service: str, program: str) -> str:
    """What a Python program prints in that container."""
    return docker("exec", f"{PROJECT}-{service}-1", "python3", "-c", program, timeout=PATIENCE).strip()


def asked(service: str, url: str, token: str = "", method: str = "GET") -> str:
    """What somebody in that container is answered: the status, or why there is no answer."""
    return inside(
        service,
        f"""
import urllib.request, urllib.error
request = urllib.request.Request({url!r}, method={method!r}, headers={{"Authorization": "Bearer {token}"}})
try:
    print(urllib.request.urlopen(request, timeout=60).status)
except urllib.error.HTTPError as error:
    print(error.code)
except OSError as error:
    print(getattr(error, "reason", error))
""",
    )


def pod(name: str) -> str:
    """Its address."""
    lines = (FOLDER / "pods.yml").read_text().split(f"hostname: {name}\n")[1].splitlines()
    return lines[0].split("ipv4_address: ")[1].rstrip("}")


def told(what: str, *names: str) -> None:
    """Tell peers to ``pause`` or ``resume``.  One that is paused has work left: so no session ends before the tests."""
    for name in names:
        until(partial(_commanded, name, what))


def _commanded(name: str, what: str) -> bool:
    try:
        return asked(f"link-{name}", f"http://{pod(name)}:8000/v1/{what}", token_of(name), "POST") == "200"
    except InputError:  # its container is not up
        return False


def token_of(name: str) -> str:
    return (FOLDER / "pods" / name / "peer" / "token").read_text()


def kill_programs(service: str, name: str) -> None:
    """Kill every process in that container whose command contains ``name``, as the kernel does without memory."""
    inside(
        service,
        f"""
import os, signal
for process in filter(str.isdigit, os.listdir("/proc")):
    command = open(f"/proc/{{process}}/cmdline").read()
    if {name!r} in command and "supervise" not in command and process not in ("1", str(os.getpid())):
        os.kill(int(process), signal.SIGKILL)
""",
    )


def rpc(service: str, url: str, *calls: tuple[str, Sequence[object]]) -> list[Any]:
    """What the chain answers to somebody in that container."""
    requests = [json.dumps({"jsonrpc": "2.0", "id": 1, "method": call, "params": params}) for call, params in calls]
    answers = inside(
        service,
        f"""
import urllib.request
headers = {{"Content-Type": "application/json"}}
for call in {requests!r}:
    request = urllib.request.Request({url!r}, data=call.encode(), headers=headers)
    print(urllib.request.urlopen(request, timeout=60).read().decode())
""",
    )
    return [json.loads(line) for line in answers.splitlines()]


def _listed(*listing: str) -> str:
    return docker(*listing, "--filter", f"label=com.docker.compose.project={PROJECT}")
