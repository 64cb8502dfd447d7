"""The lives of a swarm's containers, by Docker's API: killed, stopped, frozen, and back."""

import asyncio
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import docker
from docker.errors import DockerException
from docker.models.containers import Container

from learnae.backends.compose import docker_cli
from learnae.errors import InputError
from learnae.session.faults import Fault, FaultKind

GRACE = 10  # s that a container gets to stop
RUNNING = "running"
STATE = "state.json"  # Anvil's, written every 3 s
LOOKS, LOOK = 80, 0.1  # so often, so many s apart


class ContainerLifecycle:
    """``chain``: the folder that Anvil keeps its state in."""

    def __init__(self, project: str, chain: Path) -> None:
        self.project, self._state = project, chain / STATE
        self._saved: bytes | None = None
        try:
            # the engine that the docker command talks to, whatever made it choose that one
            host = docker_cli.docker("context", "inspect", "--format", "{{.Endpoints.docker.Host}}").strip()
            self._docker = docker.DockerClient(base_url=host)
        except DockerException as error:
            raise InputError(f"no Docker engine answers ({error})") from None

    async def status(self, service: str) -> str:
        """running, paused, exited ..."""
        return str(await self._of(service, lambda container: container.status))

    async def kill(self, service: str) -> None:
        await self._of(service, lambda container: container.kill())

    async def stop(self, service: str) -> None:
        await self._of(service, lambda container: container.stop(timeout=GRACE))

    async def start(self, service: str) -> None:
        await self._of(service, lambda container: container.start())

    async def pause(self, service: str) -> None:
        await self._of(service, lambda container: container.pause())

    async def unpause(self, service: str) -> None:
        await self._of(service, lambda container: container.unpause())

    async def save_chain(self) -> None:
        """Remember what Anvil has written by now.  Raises InputError if nothing of it is sound."""
        for _ in range(LOOKS):
            saved = await asyncio.to_thread(self._state.read_bytes)
            if sound(saved):
                self._saved = saved
                return
            await asyncio.sleep(LOOK)
        raise InputError(f"Anvil has written no sound state for {LOOKS * LOOK:.0f} s")

    async def forgets(self) -> bool:
        """Whether what is remembered is not all that Anvil has written since."""
        return self._saved not in (None, await asyncio.to_thread(self._state.read_bytes))

    async def end_chain(self, fault: Fault) -> None:
        act = {FaultKind.CHAIN_PAUSE: self.pause, FaultKind.CHAIN_STOP: self.stop, FaultKind.CHAIN_KILL: self.kill}[
            fault.kind
        ]
        await act("chain")

    async def resume_chain(self, fault: Fault) -> None:
        if fault.kind is FaultKind.CHAIN_PAUSE:
            return await self.unpause("chain")
        if fault.kind is FaultKind.CHAIN_KILL and self._saved:
            await asyncio.to_thread(self._state.write_bytes, self._saved)
            self._saved = None
        await self.start("chain")

    async def _of(self, service: str, act: Callable[[Container], Any]) -> Any:
        """Raises InputError."""
        try:
            return await asyncio.to_thread(lambda: act(self._docker.containers.get(f"{self.project}-{service}-1")))
        except DockerException as error:
            raise InputError(f"Docker cannot do that to {service}: {error}") from None


def sound(saved: bytes) -> bool:
    """Whether a state of Anvil's is whole.  It may be half written, and Anvil may mine while it writes: then accounts
    have spent nonces in a block that is missing."""
    try:
        state = json.loads(saved)
    except ValueError:
        return False
    spent = sum(int(account["nonce"]) for account in state["accounts"].values() if account["code"] == "0x")
    return bool(spent == len(state["transactions"]))
