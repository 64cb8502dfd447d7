"""Nodes of a private Tangle as child processes on loopback.

    async with tangle_network(folder, 2) as nodes:     # two HORNET nodes, each with its bridge to MQTT
        feed = TangleFeed([node.address for node in nodes], b"tag")
        await nodes[0].kill()
        await nodes[0].start()

A node ends with the process that started it, even if that was killed.
"""

import asyncio
import os
import random
import signal
import socket
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, closing, suppress
from pathlib import Path

import aiohttp

from learnae import resources
from learnae.adapters.tangle.network import Endpoints, Programs, find_programs, write_network
from learnae.adapters.tangle.rest import NodeAddress, TangleRest
from learnae.errors import InputError, PortError

STARTUP_TIMEOUT = 60.0  # s
SHUTDOWN_TIMEOUT = 15.0  # s
CALL_TIMEOUT = 2.0  # s
RETRY_INTERVAL = 0.05  # s
HOST = "127.0.0.1"
PORTS = range(20_000, 32_000)  # below those that Linux gives to outgoing connections
ENVIRONMENT = {"GOMAXPROCS": "1", "GOMEMLIMIT": "100MiB"}


class TangleNode:
    def __init__(self, folder: Path, address: NodeAddress, programs: Programs) -> None:
        self.address = address
        self._folder, self._programs = folder, programs
        self._process: asyncio.subprocess.Process | None = None

    @property
    def running(self) -> bool:
        return self._process is not None and self._process.returncode is None

    async def start(self) -> None:
        """Return once the node and its bridge answer.  Raises InputError."""
        with (self._folder / "node.log").open("ab") as log:
            self._process = await asyncio.create_subprocess_exec(
                "sh",
                str(resources.TANGLE_NODE),
                self._programs.hornet,
                self._programs.bridge,
                "--with-parent",
                cwd=self._folder,
                env={"PATH": os.defpath, "HOME": str(self._folder), **ENVIRONMENT},
                stdin=asyncio.subprocess.PIPE,
                stdout=log,
                stderr=asyncio.subprocess.STDOUT,
                start_new_session=True,
            )
        try:
            async with asyncio.timeout(STARTUP_TIMEOUT):
                await self._wait_until_ready()
        except TimeoutError:
            raise self._failure(f"did not start in {STARTUP_TIMEOUT:.0f} s") from None

    def signal(self, number: signal.Signals) -> None:
        """Send a signal to the node and its bridge, which are one group of processes."""
        if self._process and self.running:
            with suppress(ProcessLookupError):
                os.killpg(self._process.pid, number)

    async def kill(self) -> None:
        """End the node at once: it loses what it had in memory."""
        self.signal(signal.SIGKILL)
        if self._process:
            await self._process.wait()

    async def stop(self) -> None:
        """End the node in order: it keeps its blocks."""
        if self._process and self._process.stdin:
            self._process.stdin.close()
            with suppress(TimeoutError):
                await asyncio.wait_for(self._process.wait(), SHUTDOWN_TIMEOUT)
        await self.kill()

    async def _wait_until_ready(self) -> None:
        async with aiohttp.ClientSession() as session:
            rest = TangleRest(self.address.url, session, CALL_TIMEOUT)
            while not await _answers(rest, self.address):
                if not self.running:
                    raise self._failure("ended at once")
                await asyncio.sleep(RETRY_INTERVAL)

    def _failure(self, what: str) -> InputError:
        lines = (self._folder / "node.log").read_text(encoding="utf-8", errors="replace").strip().splitlines()
        return InputError(f"a node of the Tangle {what} ({lines[-1] if lines else 'no output'}): read {self._folder}")


@asynccontextmanager
async def tangle_network(folder: Path, count: int) -> AsyncIterator[list[TangleNode]]:
    """Create a network in a new folder, and run it.  Raises InputError."""
    programs = find_programs()
    ports = iter(free_ports(4 * count))
    endpoints = [Endpoints(HOST, *(f"{HOST}:{next(ports)}" for _ in range(4))) for _ in range(count)]
    writing = asyncio.ensure_future(asyncio.to_thread(write_network, folder, endpoints, programs))
    try:
        folders = await asyncio.shield(writing)
    finally:
        await asyncio.wait([writing])  # the caller deletes the folder
    nodes = [
        TangleNode(path, NodeAddress(f"http://{each.rest}", HOST, int(each.mqtt.rsplit(":", 1)[1])), programs)
        for path, each in zip(folders, endpoints, strict=True)
    ]
    try:
        for node in nodes:  # two that dial each other at once close both connections, and try again later
            await node.start()
        yield nodes
    finally:
        await asyncio.gather(*(node.stop() for node in nodes))


def free_ports(count: int) -> list[int]:
    """Ports that are free on loopback; a node keeps its own while it is started again."""
    ports: list[int] = []
    for port in random.SystemRandom().sample(PORTS, len(PORTS)):
        with closing(socket.socket()) as probe, suppress(OSError):
            probe.bind((HOST, port))
            ports.append(port)
        if len(ports) == count:
            return ports
    raise InputError(f"fewer than {count} ports from {PORTS.start} to {PORTS.stop} are free: end other programs")


# private


async def _answers(rest: TangleRest, address: NodeAddress) -> bool:
    try:
        await rest.tips()
        _, writer = await asyncio.open_connection(address.mqtt_host, address.mqtt_port)
    except (PortError, OSError):
        return False
    writer.close()
    return True
