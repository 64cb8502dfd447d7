"""Reports containers that end unexpectedly, with the last line of their log, and those that Docker restarted.

Peers depend on them: without its link or its IPFS node a peer is cut off, and without the chain no payments are made.
"""

import asyncio
import math
import time
from collections.abc import Callable, Collection
from dataclasses import dataclass, field

from learnae.backends.base import Say
from learnae.backends.compose.containers import Container, Containers
from learnae.backends.compose.plan import CHAIN_SERVICE
from learnae.errors import InputError

LOOK = 3.0  # s between two checks
LOST = 60.0  # s after which a missing chain ends the session


@dataclass
class ContainerMonitor:
    """``away``: the services that a fault keeps down at the moment."""

    containers: Containers
    say: Say
    away: Callable[[], Collection[str]]
    clock: Callable[[], float] = time.monotonic  # s
    _reported: set[str] = field(default_factory=set)
    _restarts: dict[str, int] = field(default_factory=dict)
    _chain_ended: float | None = None
    _last_look: float = -math.inf  # s, when the last successful check began

    async def run(self) -> None:
        """Run until cancelled.  Raises InputError: the chain has not come back."""
        while True:
            await self.look()
            if self._chain_ended is not None and self.clock() > self._chain_ended + LOST:
                raise InputError(f"the chain has been down for {LOST:.0f} s, and not because of a fault")
            await asyncio.sleep(LOOK)

    async def look(self) -> None:
        """Check all containers once.  If Docker is too busy to answer, the next check counts.

        How often a container was restarted is one request for each, so only those are asked that may have started
        since the last check.
        """
        began = self.clock()
        excused = set(self.away())  # asked before and after: a fault may begin or end while Docker answers
        try:
            containers = await asyncio.to_thread(self.containers.containers)
            elapsed = self.clock() - self._last_look
            started = [found.service for found in containers if found.may_have_started_within(elapsed)]
            restarts = await asyncio.to_thread(self.containers.restarts, started)
        except InputError:
            return
        self._last_look = began
        excused |= set(self.away())
        for service, count in restarts.items():
            if count > self._restarts.get(service, 0):
                self.say(f"{service} ended unexpectedly and was restarted. See: learnae compose logs {service}")
        self._restarts |= restarts
        failed = [container for container in containers if _failed(container)]
        ended = {container.service: container for container in failed if container.service not in excused}
        for service in sorted(ended.keys() - self._reported):
            line = await asyncio.to_thread(self.containers.last_line, service)
            self.say(f"{service} ended with exit code {ended[service].code}: {line}")
            if service == CHAIN_SERVICE:
                command = f"docker start {self.containers.project}-{service}-1"
                self.say(f"The session ends in {LOST:.0f} s unless the chain is back: {command}")
        self._reported = set(ended)
        if CHAIN_SERVICE not in ended:
            self._chain_ended = None
        elif self._chain_ended is None:
            self._chain_ended = self.clock()


def _failed(container: Container) -> bool:
    """Whether a container ended unexpectedly.  A peer or a sensor that is done ends with exit code 0."""
    done = container.service.startswith(("peer-", "sensor-")) and container.code == 0
    return container.state == "exited" and not done
