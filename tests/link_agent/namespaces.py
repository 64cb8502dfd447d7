"""Network namespaces joined by veth, and a link agent in one of them: a pod's link without Docker.  Needs root."""

import ctypes
import http.client
import json
import os
import shutil
import socket
import subprocess
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from learnae.checkout import REPOSITORY

TOKEN = "a-token-of-the-pod"
NEWNET = 0x40000000
AGENT_PORT = 7000
Answer = tuple[int, dict[str, Any]]


def lacking() -> str | None:
    """Why there can be no namespaces here; None if there can."""
    if os.geteuid() != 0:
        return "network namespaces need root"
    for program in ("ip", "iptables-save", "iptables-restore"):
        if shutil.which(program) is None:
            return f"{program} is not installed: apt-get install iproute2 iptables"
    probe = f"learnae{os.getpid()}x"
    made = subprocess.run(["ip", "netns", "add", probe], capture_output=True, text=True)
    subprocess.run(["ip", "netns", "del", probe], capture_output=True)
    return f"this kernel gives no network namespaces ({made.stderr.strip()})" if made.returncode else None


class Namespace:
    def __init__(self, name: str) -> None:
        self.name = f"learnae{os.getpid()}{name}"
        run("ip", "netns", "add", self.name)
        self.run("ip", "link", "set", "lo", "up")

    def run(self, *command: str) -> str:
        return run("ip", "netns", "exec", self.name, *command)

    def table(self) -> list[str]:
        """The filter table without counters and comments."""
        return [line for line in self.run("iptables-save", "-t", "filter").splitlines() if line[:1] != "#"]

    @contextmanager
    def inside(self) -> Iterator[None]:
        """Sockets that this thread makes meanwhile are of this namespace for as long as they live."""
        with open(f"/proc/self/task/{threading.get_native_id()}/ns/net") as before:
            with open(f"/run/netns/{self.name}") as own:
                _enter(own.fileno())
            try:
                yield
            finally:
                _enter(before.fileno())

    def close(self) -> None:
        run("ip", "netns", "del", self.name)


class Spoke(Namespace):
    """``address`` is its own, ``hub`` where it finds the hub."""

    def __init__(self, hub: Namespace, number: int) -> None:
        super().__init__(f"s{number}")
        self._sockets: list[socket.socket] = []
        self.address, self.hub = f"10.99.{number}.2", f"10.99.{number}.1"
        here, there = f"lrn{os.getpid()}h{number}"[-15:], f"lrn{os.getpid()}s{number}"[-15:]
        run("ip", "link", "add", here, "netns", hub.name, "type", "veth", "peer", "name", there, "netns", self.name)
        for where, device, address in ((hub, here, self.hub), (self, there, self.address)):
            where.run("ip", "address", "add", f"{address}/30", "dev", device)
            where.run("ip", "link", "set", device, "up")

    def datagrams(self, hub: Namespace) -> tuple[socket.socket, socket.socket]:
        """Connected with each other: one here, one at the hub."""
        with self.inside():
            mine = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
            mine.bind((self.address, 0))
        with hub.inside():
            theirs = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
            theirs.bind((self.hub, 0))
        mine.connect(theirs.getsockname())
        theirs.connect(mine.getsockname())
        theirs.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 1 << 22)
        for each in (mine, theirs):
            each.settimeout(0.3)
        self._sockets += mine, theirs
        return mine, theirs

    def stream(self, hub: Namespace) -> tuple[socket.socket, socket.socket]:
        """A live TCP session, dialled from here."""
        with hub.inside():
            server = socket.create_server((self.hub, 0))
        with self.inside():
            mine = socket.create_connection(server.getsockname(), timeout=60)
        theirs, _ = server.accept()
        theirs.settimeout(60)
        server.close()
        self._sockets += mine, theirs
        return mine, theirs

    def hang_up(self) -> None:
        while self._sockets:
            self._sockets.pop().close()


class AgentProcess:
    """``learnae.link_agent`` in a namespace, as in a pod."""

    def __init__(self, where: Namespace, folder: Path) -> None:
        self.where = where
        self._token = folder / "token"
        self._token.write_text(TOKEN + "\n")
        self.start()

    def start(self) -> None:
        options = ["--listen", f"127.0.0.1:{AGENT_PORT}", "--token-file", str(self._token)]
        command = ["ip", "netns", "exec", self.where.name, sys.executable, "-S", "-m", "learnae.link_agent", *options]
        self.process = subprocess.Popen(command, cwd=REPOSITORY / "peer", stdout=subprocess.PIPE, text=True)
        assert self.process.stdout and "answers" in self.process.stdout.readline()

    def ask(self, method: str, path: str, content: object = None, token: str = TOKEN) -> Answer:
        connection = http.client.HTTPConnection("127.0.0.1", AGENT_PORT, timeout=60)
        with self.where.inside():
            connection.connect()
        body = None if content is None else json.dumps(content)
        headers = {"Authorization": f"Bearer {token}", "Content-Type": "application/json"}
        connection.request(method, path, body, headers)
        response = connection.getresponse()
        told = json.loads(response.read())
        connection.close()
        return response.status, told

    def put(self, links: dict[str, Any], lease: float = 60) -> dict[str, Any]:
        status, told = self.ask("PUT", "/v1/state", {"lease": lease, "from": links})
        assert status == 200, told
        return told

    def state(self) -> dict[str, Any]:
        return self.ask("GET", "/v1/state")[1]

    def stop(self) -> int:
        self.process.terminate()
        return self._ended()

    def kill(self) -> int:
        self.process.kill()
        return self._ended()

    def _ended(self) -> int:
        assert self.process.stdout
        self.process.stdout.close()
        return self.process.wait(60)


def run(*command: str) -> str:
    done = subprocess.run(command, capture_output=True, text=True, timeout=60)
    assert done.returncode == 0, f"{' '.join(command)}: {done.stderr}"
    return done.stdout


def _enter(namespace: int) -> None:
    if ctypes.CDLL(None, use_errno=True).setns(namespace, NEWNET):
        raise OSError(ctypes.get_errno(), "setns")
