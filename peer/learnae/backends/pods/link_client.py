"""``ports.Network`` over the link agents of a swarm's pods, called from the host (``learnae.link_agent`` answers).

What agents do to links ends with a lease, so that links heal by themselves if this process is killed.
"""

import asyncio
from collections.abc import Callable, Iterable, Mapping
from pathlib import Path
from types import TracebackType
from typing import Any, Self

import aiohttp

from learnae.backends.pods.plan import LinkedPods
from learnae.errors import InputError
from learnae.messages.foreign_json import from_json
from learnae.session.faults import Link, Links

TIMEOUT = aiohttp.ClientTimeout(total=10.0)
STARTUP = 30.0  # s that an agent may take to come up
RETRY = 0.2  # s
MAX_ANSWER = 1 << 20  # bytes
COUNTS = ("dropped", "delayed")
STATE = {"can": dict, "from": dict, "dropped": dict, "delayed": dict, "strange": list}
LEASE, RENEW = 15.0, 5.0  # s


class LinkAgents:
    """``async with`` keeps a connection pool open; ``renew`` keeps the leases from ending."""

    def __init__(self, plan: LinkedPods, folder: Path) -> None:
        self.plan, self._folder = plan, folder
        self._links: Links = {}
        self._updating = asyncio.Lock()  # or a renewal might arrive after the state that follows it

    async def __aenter__(self) -> Self:
        self._client = aiohttp.ClientSession(timeout=TIMEOUT, auto_decompress=False)
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self._client.close()

    async def abilities(self, name: str) -> set[str]:
        """The effects that the kernel below that pod supports; waits until its agent is up.  Raises InputError."""
        try:
            async with asyncio.timeout(STARTUP):
                while True:
                    try:
                        can = (await self._ask("GET", name, "abilities"))["can"]
                        return {ability for ability, able in can.items() if able}
                    except InputError:
                        await asyncio.sleep(RETRY)
        except TimeoutError:
            raise InputError(f"the link agent of {name} does not answer: see `learnae compose logs {name}`") from None

    async def set_links(self, links: Links) -> None:
        """Each link is disturbed by its receiver's agent."""
        async with self._updating:
            receivers = {receiver for _, receiver in (*self._links, *links)}
            self._links = links
            await self.put(receivers, links, LEASE)
        if receivers and not links and (busy := await self.busy()):
            raise InputError(f"the links of {', '.join(busy)} are not healed; they will be within {LEASE:.0f} s")

    async def affected(self, links: Links) -> int:
        receivers = sorted({receiver for _, receiver in links})
        states = dict(zip(receivers, await self._states(receivers), strict=True))
        total = 0
        for (sender, receiver), link in links.items():
            counts = COUNTS if link.delay or link.bandwidth else ("dropped",)
            total += sum(states[receiver][count].get(self.plan.pod(sender), 0) for count in counts)
        return total

    async def renew(self, failed: Callable[[InputError], None]) -> None:
        """Renew all leases until cancelled."""
        while True:
            await asyncio.sleep(RENEW)
            try:
                async with self._updating:
                    await self.put((), self._links, LEASE)
            except InputError as error:
                failed(error)

    async def put(self, receivers: Iterable[str], links: Links, lease: float) -> None:
        """Give all receivers of ``links``, and the other ``receivers``, exactly the effects in ``links``."""
        effects: dict[str, dict[str, Any]] = {name: {} for name in receivers}
        for (sender, receiver), link in links.items():
            from_sender = effects.setdefault(receiver, {})
            if address := self.plan.pod(sender):  # otherwise it can send nothing; it is asked again at each renewal
                from_sender[address] = _effects(link)
        requests = (self._ask("PUT", name, "state", {"lease": lease, "from": of}) for name, of in effects.items())
        await asyncio.gather(*requests)

    async def busy(self) -> list[str]:
        """Names of the pods whose kernels still drop or delay packets.  Raises InputError."""
        states = zip(self.plan.names, await self._states(self.plan.names), strict=True)
        return [name for name, state in states if state["from"] or state["strange"]]

    # private

    async def _states(self, names: Iterable[str]) -> list[dict[str, Any]]:
        return list(await asyncio.gather(*(self._ask("GET", name, "state") for name in names)))

    async def _ask(self, method: str, name: str, what: str, content: Mapping[str, Any] | None = None) -> Any:
        token = (self._folder / "pods" / name / "link" / "token").read_text(encoding="utf-8")
        url, headers = f"{self.plan.link(name)}/v1/{what}", {"Authorization": f"Bearer {token}"}
        try:
            request = self._client.request(method, url, json=content, headers=headers, allow_redirects=False)
            async with request as response:
                body = await read_answer(response)
            answer = _parsed(body, response.status)
        except (aiohttp.ClientError, TimeoutError, ValueError, RecursionError) as error:
            raise InputError(f"the link agent of {name} does not answer ({error or type(error).__name__})") from None
        if response.status != 200:
            raise InputError(f"the link agent of {name} refused: {answer['detail']}")
        return answer


async def read_answer(response: aiohttp.ClientResponse) -> bytes:
    """The body of what a pod answers.  Raises ValueError as soon as it is too long."""
    body = bytearray()
    async for part in response.content.iter_any():
        body += part
        if len(body) > MAX_ANSWER:
            raise ValueError("its answer is too long")
    return bytes(body)


def _parsed(body: bytes, status: int) -> Mapping[str, Any]:
    """Raises ValueError, RecursionError: a peer that ended the agent of its pod may answer in its place."""
    answer = from_json(body)
    parts = STATE if status == 200 else {"detail": str}
    if not isinstance(answer, dict) or any(not isinstance(answer.get(key), kind) for key, kind in parts.items()):
        raise ValueError("its answer is no state")
    if status == 200 and not all(isinstance(count, int) for key in COUNTS for count in answer[key].values()):
        raise ValueError("its answer has no counts")
    return answer


def _effects(link: Link) -> dict[str, float]:
    return {key: value for key in ("loss", "delay", "bandwidth") if (value := getattr(link, key))}
