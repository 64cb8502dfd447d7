"""The peers of a swarm that run elsewhere: invited, awaited, and judged by the journals that they hand in.

guests = Guests(plan, folder, session_id)
async with guests.received(say): ...       # invitations are in build/swarm/invitations meanwhile
"""

import asyncio
import secrets
import shutil
import time
from collections import deque
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager, suppress
from pathlib import Path
from tempfile import TemporaryDirectory

from learnae.adapters.sqlite_journal import read_journal
from learnae.backends.compose.plan import HOST, Plan
from learnae.backends.live_run import ROSTER
from learnae.backends.remote_peers.join_file import JoinFile
from learnae.errors import InputError
from learnae.protocol.types import Cid
from learnae.runtime.history_from_journals import decisions
from learnae.runtime.roster_file import Roster
from learnae.web.api.journal_uploads import uploads_app
from learnae.web.api.server import listen, serving, url

SILENCE, AGAIN = 60.0, 5.0  # s without a sign of life until a guest is given up, and between two looks
INVITATIONS = "invitations"  # below build/swarm, while the swarm is up


class RemotePeers:
    """``tokens``: by name.  ``came``: who said so, and when last (monotonic s); ``left``: who handed in a journal."""

    def __init__(self, plan: Plan, folder: Path, session_id: Cid) -> None:
        self.tokens = {name: secrets.token_urlsafe(32) for name in plan.guests}
        self.came, self.left = dict[str, float](), set[str]()
        self._plan, self._folder, self._session_id = plan, folder, session_id
        self._peers = {each.name: each for each in Roster.read(folder / ROSTER).peers} if plan.guests else {}
        self._news = asyncio.Event()

    @asynccontextmanager
    async def received(self, say: Callable[[str], None]) -> AsyncIterator[None]:
        if not self.tokens:
            yield
            return
        sock = listen(self._plan.invited.publish or HOST, 0)
        async with serving(uploads_app(self), sock):
            self._invite(url(sock))
            say(f"Invited: {', '.join(self.tokens)}. Write a join file with: learnae invite NAME")
            if self._plan.invited.publish:
                say(
                    f"Published on {self._plan.invited.publish}: the IPFS nodes, where guests hand in their journals, "
                    "and the chain's RPC, with which whoever reaches it can make money."
                )
            try:
                yield
            finally:
                shutil.rmtree(self._folder / INVITATIONS, ignore_errors=True)

    async def gone(self) -> None:
        """When all who have come have left, or are not heard of any more."""
        while any(time.monotonic() - heard < SILENCE for name, heard in self.came.items() if name not in self.left):
            self._news.clear()
            with suppress(TimeoutError):
                await asyncio.wait_for(self._news.wait(), AGAIN)

    def missing(self) -> list[str]:
        """A sentence for each that could not be judged."""
        never = sorted(self.tokens.keys() - self.came.keys())
        silent = sorted(self.came.keys() - self.left)
        return [f"{name} was invited and never came." for name in never] + [
            f"{name} came and handed in no journal." for name in silent
        ]

    # JournalUploads

    def report_running(self, name: str) -> None:
        """Also of a peer that had left: it continues, and uploads another journal."""
        self.came[name] = time.monotonic()
        self.left.discard(name)

    async def store(self, name: str, journal: bytes) -> None:
        await asyncio.to_thread(self._keep, name, journal)
        self.report_running(name)
        self.left.add(name)
        self._news.set()

    def _keep(self, name: str, journal: bytes) -> None:
        path = self._folder / "journals" / name / f"{name}.sqlite"
        with TemporaryDirectory(dir=path.parent) as scratch:
            new = Path(scratch) / path.name
            new.write_bytes(journal)
            if not self._whole(name, new):
                raise InputError(f"this is no whole journal of {name} in this session")
            new.replace(path)

    def _whole(self, name: str, journal: Path) -> bool:
        """Whether it can be told again, by this core, and is that guest's."""
        known = self._peers[name]
        try:
            told = read_journal(journal)
            deque(decisions(name, told), maxlen=0)
        except InputError:
            return False
        config = told.config
        return (config.peer, config.wallet, config.session) == (known.peer, known.wallet, self._session_id)

    def _invite(self, host: str) -> None:
        plan = self._plan
        folder = self._folder / INVITATIONS
        folder.mkdir(0o700, exist_ok=True)
        bootstrap = {self._id(name): plan.multiaddr(name) for name in plan.hosted}
        for name, token in self.tokens.items():
            made = JoinFile.of_pod(name, self._session_id, self._folder, bootstrap, plan.guests_rpc, host, token)
            made.write(folder / f"{name}.json")

    def _id(self, name: str) -> str:
        return self._peers[name].peer
