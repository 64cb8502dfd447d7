"""Ends a session in pods as soon as nothing can happen any more; see ``runtime.session_end``.

Each peer reports whether it is at rest, and what it has announced and received.  The host compares the reports and
tells all peers that the session is over.  It asks the last peer that was busy first, so it mostly asks only one.
"""

import asyncio
from collections.abc import Awaitable, Callable, Collection, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import aiohttp

from learnae.backends.pods.link_client import read_answer
from learnae.messages.foreign_json import from_json
from learnae.protocol.decisions import IdentityChanged, Published
from learnae.protocol.rest import Rest, key
from learnae.protocol.row_types import RowsPublished
from learnae.protocol.types import Cid, PeerId, TxHash
from learnae.records.history import Record
from learnae.records.outcome import EndedBy
from learnae.runtime.session_end import SessionEnd, settled

LOOK = 0.5  # s between two looks
TIMEOUT = aiohttp.ClientTimeout(total=5.0)
LISTS = ("announced", "received", "rows_announced", "sealed_for", "locked")  # of a report
Gone = Callable[[Collection[str]], Awaitable[Collection[str]]]

NOTHING = Rest(frozenset(), frozenset())
UNANSWERED = (aiohttp.ClientError, OSError, TimeoutError, ValueError, RecursionError)


@dataclass(frozen=True)
class FollowedFeed:
    """``followers``: the peers that receive what sensors publish.  ``published``: all of it; None until it is all."""

    followers: Collection[str] = ()
    published: Callable[[], Rest | None] = lambda: NOTHING


NO_FEED = FollowedFeed()


class Ending:
    """``apis``: URLs of the peers' APIs by name.  ``ids``: the peers' ids by name.  ``clock``: session seconds.

    ``records``: what the peers have streamed.  ``gone``: those of some silent peers that have left by themselves.
    """

    def __init__(
        self,
        apis: Mapping[str, str],
        folder: Path,
        ids: Mapping[str, PeerId],
        end: SessionEnd,
        clock: Callable[[], float],
        records: Callable[[], Collection[Record]],
        gone: Gone,
        feed: FollowedFeed = NO_FEED,
    ) -> None:
        self._apis, self._folder, self._ids = apis, folder, ids
        self._end, self._clock, self._records, self._gone = end, clock, records, gone
        self._feed = feed
        self._names = list(apis)  # the last one that was busy comes first

    async def run(self) -> None:
        """Until the peers were told that the session is over, or until cancelled."""
        async with aiohttp.ClientSession(timeout=TIMEOUT, auto_decompress=False) as client:
            while True:
                if self._end.check(self._clock(), False, await self._settled(client)) is EndedBy.QUIET:
                    break
                await asyncio.sleep(LOOK)
            await asyncio.gather(*(self._close(client, name) for name in self._names))

    # private

    async def _settled(self, client: aiohttp.ClientSession) -> bool:
        published = self._feed.published()
        if published is None:
            return False
        rests, silent = dict[str, Rest](), list[str]()
        for name in self._names:
            try:
                rest = _parsed(await self._ask(client, "GET", name, "rest"))
            except UNANSWERED:
                silent.append(name)
                continue
            if rest is None:
                self._names.sort(key=lambda other: other != name)
                return False
            rests[name] = rest
        gone = await self._gone(silent) if silent else ()
        left = {name: _last_announced(name, self._ids[name], self._records()) for name in gone}
        if not rests or len(rests) + len(left) < len(self._names):
            return False
        reports = [(rest, [rests[other] for other in rests if other != name]) for name, rest in (rests | left).items()]
        return settled([*reports, (published, [rests[name] for name in rests if name in self._feed.followers])])

    async def _close(self, client: aiohttp.ClientSession, name: str) -> None:
        """One that does not answer ends by itself."""
        try:
            await self._ask(client, "POST", name, "close")
        except UNANSWERED:
            pass

    async def _ask(self, client: aiohttp.ClientSession, method: str, name: str, what: str) -> Any:
        token = (self._folder / "pods" / name / "peer" / "token").read_text(encoding="utf-8")
        headers = {"Authorization": f"Bearer {token}"}
        url = f"{self._apis[name]}/v1/{what}"
        async with client.request(method, url, headers=headers, allow_redirects=False) as response:
            if response.status >= 300:
                raise ValueError(f"status {response.status}")
            return from_json(await read_answer(response))


def _last_announced(name: str, peer: PeerId, records: Collection[Record]) -> Rest:
    """What the records of a peer that has left say."""
    step, deployed, rows = 0, TxHash(""), set[Cid]()
    for record in records:
        match record.fact:
            case Published() as published if record.peer == name:
                step = published.step
            case IdentityChanged() as changed if record.peer == name:
                deployed = changed.tx or TxHash("")
            case RowsPublished() as published_rows if record.peer == name:
                rows.add(published_rows.cid)
    return Rest(frozenset(key(peer, item) for item in (step, deployed) if item), frozenset(), frozenset(rows))


def _parsed(answer: Any) -> Rest | None:
    """Raises ValueError: a pod may answer anything."""
    match answer:
        case {"at_rest": False}:
            return None
        case {"at_rest": True, "rows_received": rows, **lists}:
            announced, received, rows_announced, sealed_for, locked = (_texts(lists.get(name)) for name in LISTS)
            known_rows = None if rows is None else _texts(rows)
            return Rest(announced, received, rows_announced, known_rows, sealed_for, locked)
    raise ValueError("not a report")


def _texts(items: Any) -> frozenset[Any]:
    if isinstance(items, list) and all(isinstance(item, str) for item in items):
        return frozenset(items)
    raise ValueError("not a list of texts")
