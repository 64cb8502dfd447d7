"""A peer of a swarm that runs elsewhere: with a Kubo node of its own, from an invitation to a journal handed in.

guest = Guest(invitation, folder)
ended_by = await guest.live(program)
await guest.hand_in()
"""

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import replace
from pathlib import Path

import aiohttp

from learnae.adapters import keystore
from learnae.adapters.kubo.process import kubo_config, kubo_process
from learnae.adapters.metrics import Metrics
from learnae.adapters.sqlite_journal import read_journal
from learnae.backends.remote_peers.join_file import JoinFile
from learnae.errors import InputError
from learnae.protocol.types import PeerId
from learnae.records.outcome import EndedBy
from learnae.runtime.clocks import SessionClock
from learnae.runtime.live_process import PeerEndpoints, run
from learnae.runtime.peer_service import PeerService

BEAT = 5.0  # s between two signs of life
GIVEN_UP = 6  # of them in a row that nobody answered, and the session is taken to be over
TIMEOUT = aiohttp.ClientTimeout(total=60.0, sock_connect=5.0)


class InvitingHost:
    """Who invited."""

    def __init__(self, invitation: JoinFile, client: aiohttp.ClientSession) -> None:
        self._at, self._name, self._client = invitation.host, invitation.name, client
        self._headers = {"Authorization": f"Bearer {invitation.token}"}

    async def come(self) -> None:
        """Raises InputError."""
        await self._ask("POST", "guests", None)

    async def hand_in(self, journal: Path) -> None:
        """Raises InputError."""
        await self._ask("PUT", "journals", await asyncio.to_thread(journal.read_bytes))

    async def stay(self, over: Callable[[], object], beat: float = BEAT) -> None:
        """Say that it is still there; ``over`` is called when nobody has listened for some time."""
        unheard = 0
        while unheard < GIVEN_UP:
            await asyncio.sleep(beat)
            try:
                await self.come()
                unheard = 0
            except InputError:
                unheard += 1
        over()

    async def _ask(self, method: str, what: str, body: bytes | None) -> None:
        url = f"{self._at}/v1/{what}/{self._name}"
        try:
            async with self._client.request(method, url, data=body, headers=self._headers) as response:
                if response.status in (401, 404):
                    raise InputError(f"{self._at} serves another session: ask for another invitation")
                if response.status >= 300:
                    raise InputError(f"{self._at} refuses: {(await response.json(content_type=None))['detail']}")
        except (aiohttp.ClientError, TimeoutError, OSError, ValueError, LookupError, TypeError):
            raise InputError(
                f"nobody answers at {self._at}: the session is over, or this machine cannot reach that one"
            ) from None


class RemotePeer:
    """``inside``: what can be seen of it."""

    def __init__(self, invitation: JoinFile, folder: Path) -> None:
        """Unpacks into ``folder``.  Raises InputError."""
        wallet = keystore.load_wallet(invitation.unpack(folder))
        self.invitation, self.folder, self.journal = invitation, folder, folder / f"{invitation.name}.sqlite"
        self._node = PeerEndpoints(invitation.name, "", invitation.rpc, wallet, self.journal)
        member, self._learning = invitation.checked(folder, self._node)
        members = invitation.roster.members(invitation.settings)
        self.inside = PeerService(member, SessionClock(invitation.roster.began), Metrics(), members)

    async def live(self, program: str) -> EndedBy:
        """To its end; what ended it.  Raises InputError."""
        task = asyncio.current_task()
        assert task
        self.inside.abandon = task.cancel
        try:
            return await self._lived(program)
        except asyncio.CancelledError:
            if not self.inside.stopped:
                raise
            task.uncancel()
            return EndedBy.STOPPED

    async def hand_in(self) -> None:
        """Raises InputError: nobody took it."""
        async with _connected(self.invitation) as host:
            await host.hand_in(self.journal)

    async def _lived(self, program: str) -> EndedBy:
        told, inside = self.invitation, self.inside
        dialled = {PeerId(peer): address for peer, address in told.bootstrap.items()}
        config = kubo_config(inside.member.peer, told.identity, dialled)
        known_at = read_journal(self.journal).config.addresses if self.journal.exists() else ()
        async with _connected(told) as host:
            await host.come()
            async with kubo_process(program, self.folder / "ipfs", config, told.swarm_key, known_at) as url:
                staying = asyncio.create_task(host.stay(inside.stop))
                try:
                    node, learning = replace(self._node, kubo=url), self._learning
                    return await run(node, told.settings, told.roster, lambda: learning, inside, [learning.observe])
                finally:
                    staying.cancel()


@asynccontextmanager
async def _connected(invitation: JoinFile) -> AsyncIterator[InvitingHost]:
    async with aiohttp.ClientSession(timeout=TIMEOUT) as client:
        yield InvitingHost(invitation, client)
