"""The link agents of a swarm's pods, asked from the host (``learnae.link_agent`` is what answers)."""

import asyncio
from collections.abc import Iterable, Mapping
from pathlib import Path
from types import TracebackType
from typing import Any, Self

import aiohttp

from learnae.backends.compose.plan import Plan
from learnae.errors import InputError
from learnae.session.faults import Link, Links

TIMEOUT = aiohttp.ClientTimeout(total=10.0)
FIRST = 30.0  # s that an agent gets to come up
AGAIN = 0.2  # s


class LinkAgents:
    """``async with``: a connection pool is open meanwhile."""

    def __init__(self, plan: Plan, folder: Path) -> None:
        self.plan = plan
        self._tokens = {name: (folder / "pods" / name / "link" / "token").read_text() for name in plan.names}

    async def __aenter__(self) -> Self:
        self._client = aiohttp.ClientSession(timeout=TIMEOUT)
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self._client.close()

    async def abilities(self, name: str) -> set[str]:
        """What the kernel below that pod can do; waits until its agent is up.  Raises InputError."""
        try:
            async with asyncio.timeout(FIRST):
                while True:
                    try:
                        can = (await self._ask("GET", name, "state"))["can"]
                        return {ability for ability, able in can.items() if able}
                    except InputError:
                        await asyncio.sleep(AGAIN)
        except TimeoutError:
            raise InputError(f"the link agent of {name} does not answer: see `learnae compose logs {name}`") from None

    async def put(self, receivers: Iterable[str], links: Links, lease: float) -> None:
        """Exactly these ``links``, each carried out by its receiver.  Raises InputError."""
        wanted: dict[str, dict[str, Any]] = {name: {} for name in receivers}
        for (sender, receiver), link in links.items():
            wanted.setdefault(receiver, {})[self.plan.pod(sender)] = _effects(link)
        asked = (self._ask("PUT", name, "state", {"lease": lease, "from": each}) for name, each in wanted.items())
        await asyncio.gather(*asked)

    async def met(self, pairs: Iterable[tuple[str, str]], *counts: str) -> int:
        """Packets between these senders and receivers that were dropped, or delayed, or either, since the agents are
        up.  Raises InputError."""
        listed = list(pairs)
        receivers = sorted({receiver for _, receiver in listed})
        states = dict(zip(receivers, await self._states(receivers), strict=True))
        return sum(states[to][count].get(self.plan.pod(sender), 0) for sender, to in listed for count in counts)

    async def busy(self) -> list[str]:
        """Whose kernel still does something to packets.  Raises InputError."""
        states = zip(self.plan.names, await self._states(self.plan.names), strict=True)
        return [name for name, state in states if state["from"] or state["strange"]]

    async def _states(self, names: Iterable[str]) -> list[dict[str, Any]]:
        return list(await asyncio.gather(*(self._ask("GET", name, "state") for name in names)))

    async def _ask(self, method: str, name: str, what: str, content: Mapping[str, Any] | None = None) -> Any:
        url, headers = f"{self.plan.link(name)}/v1/{what}", {"Authorization": f"Bearer {self._tokens[name]}"}
        try:
            async with self._client.request(method, url, json=content, headers=headers) as response:
                told = await response.json(content_type=None)
        except (aiohttp.ClientError, TimeoutError, ValueError) as error:
            raise InputError(f"the link agent of {name} does not answer ({error or type(error).__name__})") from None
        if response.status != 200:
            raise InputError(f"the link agent of {name} refused: {told['detail']}")
        return told


def _effects(link: Link) -> dict[str, float]:
    return {key: value for key in ("loss", "delay", "bandwidth") if (value := getattr(link, key))}
