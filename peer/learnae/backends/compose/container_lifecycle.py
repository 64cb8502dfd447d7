"""``ports.Lifecycle`` over Docker's API: kills, stops or pauses containers, and restarts them."""

import asyncio
import time
from collections import deque
from collections.abc import Callable, Iterable
from contextlib import suppress
from pathlib import Path
from typing import Any

import docker
from docker.errors import DockerException, NotFound
from docker.models.containers import Container

from learnae.backends.compose import docker_cli
from learnae.errors import InputError
from learnae.messages.foreign_json import from_json
from learnae.session.faults import Component, Fault, FaultKind, Part
from learnae.untrusted_file import read_untrusted, replace_untrusted

GRACE = 10  # s that a container gets to stop
PAUSES = 10  # attempts: the kernel does not freeze processes at once that wait for a busy processor
PAUSE_AGAIN = 0.2  # s
RUNNING = "running"
STATE = "state.json"  # Anvil's
MAX_STATE = 1 << 30  # bytes
STATE_EVERY = 3.0  # s between two states that Anvil writes
RETRY = 0.1  # s until a state that was being written is read again


class ContainerLifecycle:
    """``chain``: the folder that Anvil keeps its state in.  ``block_time``: s."""

    def __init__(self, project: str, chain: Path, block_time: float) -> None:
        self.project, self._chain, self._block_time = project, chain, block_time
        self._states: deque[tuple[float, bytes]] = deque()  # what Anvil has written, and when it was read
        self._remembered: bytes | None = None  # the state with which a killed chain restarts
        self._down: set[str] = set()  # services that a fault has taken down
        self._returned: set[str] = set()  # those that it has brought back
        self._changed = asyncio.Event()
        try:
            # the same engine that the docker command uses
            host = docker_cli.docker("context", "inspect", "--format", "{{.Endpoints.docker.Host}}").strip()
            self._docker = docker.DockerClient(base_url=host)
        except DockerException as error:
            raise InputError(f"no Docker engine answers ({error})") from None

    async def interrupt(self, component: Component, fault: Fault) -> bool:
        service = str(component)
        if await self.status(service) != RUNNING:
            return False
        if fault.kind.pauses:
            await self._pause(service)
            return True
        self._down.add(service)
        if fault.kind.gentle:
            await self._of(service, lambda container: container.stop(timeout=GRACE))
        else:
            await self._of(service, lambda container: container.kill())
        if fault.kind is FaultKind.CHAIN_KILL:
            self._remembered = self._state_before(fault.blocks)
        return True

    async def restore(self, component: Component, fault: Fault) -> None:
        service = str(component)
        if fault.kind.pauses:
            await self._of(service, lambda container: container.unpause())
            return
        if component.part is Part.CHAIN and self._remembered:
            await asyncio.to_thread(replace_untrusted, self._chain, STATE, self._remembered)
            self._remembered = None
        try:
            await self._of(service, lambda container: container.start())
            self._returned.add(service)
        finally:
            self._down.discard(service)  # nothing waits for a container that cannot be started again
            self._changed.set()
            self._changed = asyncio.Event()

    async def interrupted(self, component: Component, fault: Fault) -> bool:
        """A killed chain must also restart with less than it has written."""
        if fault.kind is FaultKind.CHAIN_KILL and fault.blocks:
            if self._remembered in (None, await asyncio.to_thread(self._written)):
                return False
        return await self.status(str(component)) != RUNNING

    async def brought_back(self, services: Iterable[str]) -> bool:
        """Whether a fault has restarted one of these since the last call; waits while a fault holds one down."""
        wanted = set(services)
        while self._down & wanted:
            await self._changed.wait()
        again = self._returned & wanted
        self._returned -= again
        return bool(again)

    async def follow_chain(self, blocks: int) -> None:
        """Until cancelled, keep the states that Anvil writes, back to one without the last ``blocks``."""
        while True:
            state = await asyncio.to_thread(self._written)
            if not sound(state):
                await asyncio.sleep(RETRY)
                continue
            self._states.append((time.monotonic(), state))
            while len(self._states) > 1 and self._states[1][0] <= self._cutoff(blocks):
                self._states.popleft()
            await asyncio.sleep(STATE_EVERY)

    async def status(self, service: str) -> str:
        """running, paused, exited ...; empty for what has not joined, which has no container."""
        return str(await self._of(service, lambda container: container.status, absent=""))

    # private

    async def _pause(self, service: str) -> None:
        """Raises InputError."""
        for _ in range(PAUSES - 1):
            with suppress(InputError):
                await self._of(service, lambda container: container.pause())
                return
            await asyncio.sleep(PAUSE_AGAIN)
        await self._of(service, lambda container: container.pause())

    def _written(self) -> bytes:
        """What is in Anvil's file, which its container can replace; nothing if that cannot be read."""
        try:
            return read_untrusted(self._chain, STATE, limit=MAX_STATE)
        except (FileNotFoundError, InputError):
            return b""

    def _cutoff(self, blocks: int) -> float:
        """A state read before this moment lacks the last ``blocks``, even if Anvil wrote it just before it was read."""
        return time.monotonic() - blocks * self._block_time - STATE_EVERY

    def _state_before(self, blocks: int) -> bytes | None:
        """The newest state that lacks the last ``blocks``, or else the oldest there is."""
        old = [state for at, state in self._states if at <= self._cutoff(blocks)]
        return old[-1] if old else next((state for _, state in self._states), None)

    async def _of(self, service: str, act: Callable[[Container], Any], absent: str | None = None) -> Any:
        """``absent``: the answer where there is no such container.  Raises InputError."""
        try:
            return await asyncio.to_thread(lambda: act(self._docker.containers.get(f"{self.project}-{service}-1")))
        except DockerException as error:
            if absent is not None and isinstance(error, NotFound):
                return absent
            raise InputError(f"Docker cannot change or inspect {service}: {error}") from None


def sound(saved: bytes) -> bool:
    """Whether a state of Anvil's is complete.

    It may be half written.  Anvil may also mine while it writes; then accounts have used nonces of a block that is
    missing.
    """
    try:
        state = from_json(saved, MAX_STATE)
        used = sum(int(account["nonce"]) for account in state["accounts"].values() if account["code"] == "0x")
        return bool(used == len(state["transactions"]))
    except (ValueError, LookupError, TypeError, AttributeError):
        return False
