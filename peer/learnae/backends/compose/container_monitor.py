"""Which containers of a swarm end that should not: said as soon as it is seen, with their last words.

Peers stand on the others: without its link or its IPFS node a peer is alone, without the chain nobody is paid.
"""

import asyncio
import time
from collections.abc import Callable, Collection
from dataclasses import dataclass, field

from learnae.backends.compose.containers import Container, Containers
from learnae.backends.compose.plan import CHAIN_SERVICE
from learnae.backends.external_chain.chain import Say
from learnae.errors import InputError

LOOK = 3.0  # s between two looks
LOST = 60.0  # s until a chain that has ended is given up, and the session with it


@dataclass
class ContainerMonitor:
    """``away``: the services that a fault has taken away just now."""

    containers: Containers
    say: Say
    away: Callable[[], Collection[str]]
    clock: Callable[[], float] = time.monotonic  # s
    _told: set[str] = field(default_factory=set)
    _chain_ended: float | None = None

    async def run(self) -> None:
        """Until cancelled.  Raises InputError: the chain does not come back."""
        while True:
            await self.look()
            if self._chain_ended is not None and self.clock() > self._chain_ended + LOST:
                raise InputError(f"the chain has been away for {LOST:.0f} s, and no fault took it away")
            await asyncio.sleep(LOOK)

    async def look(self) -> None:
        """What an engine that is busy does not answer, the next look sees."""
        excused = set(self.away())  # before as after: a fault may begin or end while Docker is asked
        try:
            found = await asyncio.to_thread(self.containers.containers)
        except InputError:
            return
        excused |= set(self.away())
        ended = {each.service: each for each in found if _failed(each) and each.service not in excused}
        for service in sorted(ended.keys() - self._told):
            words = await asyncio.to_thread(self.containers.last_words, service)
            self.say(f"{service} ended with {ended[service].code}: {words}")
            if service == CHAIN_SERVICE:
                again = f"docker start {self.containers.project}-{service}-1"
                self.say(f"Without the chain nobody is paid: {again}, or the session ends in {LOST:.0f} s.")
        self._told = set(ended)
        if CHAIN_SERVICE not in ended:
            self._chain_ended = None
        elif self._chain_ended is None:
            self._chain_ended = self.clock()


def _failed(each: Container) -> bool:
    """A peer that is done ends well."""
    return each.state == "exited" and not (each.service.startswith("peer-") and each.code == 0)
