"""A peer of another machine's swarm: it runs its own Kubo node and hands its journal to the host at the end.

peer = RemotePeer(join_file, folder)
ended_by = await peer.run(kubo_program)
await peer.hand_in()
"""

import asyncio
import json
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import replace
from pathlib import Path

import aiohttp

from learnae.adapters import keystore
from learnae.adapters.kubo.process import kubo_config, kubo_process
from learnae.adapters.metrics import Metrics
from learnae.backends.remote_peers.join_file import JoinFile
from learnae.errors import InputError
from learnae.messages.foreign_json import from_json
from learnae.protocol.types import PeerId
from learnae.records.outcome import EndedBy
from learnae.runtime.clocks import SessionClock
from learnae.runtime.live_process import PeerEndpoints, answered, connected, run
from learnae.runtime.peer_service import PeerService
from learnae.runtime.roster_file import Roster

HEARTBEAT = 5.0  # s
MAX_ANSWER = 1 << 16  # bytes of an error
MAX_UNANSWERED = 6  # heartbeats in a row, after which the session is considered over
TIMEOUT = aiohttp.ClientTimeout(total=60.0, sock_connect=5.0)


class InvitingHost:
    """The host of the swarm, as a remote peer sees it."""

    def __init__(self, join: JoinFile, client: aiohttp.ClientSession) -> None:
        self._url, self._name, self._client = join.host, join.name, client
        self._headers = {"Authorization": f"Bearer {join.token}"}

    async def come(self) -> None:
        """Raises InputError."""
        await self._ask("POST", "remote-peers", None)

    async def hand_in(self, journal: Path) -> None:
        """Raises InputError."""
        await self._ask("PUT", "journals", await asyncio.to_thread(journal.read_bytes))

    async def send_heartbeats(self, on_silence: Callable[[], object], interval: float = HEARTBEAT) -> None:
        """Until cancelled, or until the host has not answered for some time: then calls ``on_silence``."""
        unanswered = 0
        while unanswered < MAX_UNANSWERED:
            await asyncio.sleep(interval)
            try:
                await self.come()
                unanswered = 0
            except InputError:
                unanswered += 1
        on_silence()

    async def _ask(self, method: str, resource: str, body: bytes | None) -> None:
        url = f"{self._url}/v1/{resource}/{self._name}"
        try:
            async with self._client.request(method, url, data=body, headers=self._headers) as response:
                if response.status in (401, 404):
                    raise InputError(f"{self._url} serves another session: ask for a new join file")
                if response.status >= 300:
                    raise InputError(f"{self._url} refuses: {await _detail(response)}")
        except (aiohttp.ClientError, TimeoutError, OSError, ValueError, LookupError, TypeError):
            raise InputError(
                f"{self._url} does not answer: the session is over, or this machine cannot reach the host"
            ) from None


async def _detail(response: aiohttp.ClientResponse) -> str:
    """Why the host refuses.  Raises ValueError, LookupError, TypeError."""
    try:
        body = await response.content.readexactly(MAX_ANSWER)
    except asyncio.IncompleteReadError as short:
        body = short.partial
    return str(from_json(body)["detail"])


class RemotePeer:
    """``service``: its status and records."""

    def __init__(self, join: JoinFile, folder: Path) -> None:
        """Unpacks the join file into ``folder``.  Raises InputError."""
        wallet = keystore.load_wallet(join.unpack(folder))
        self.join_file, self.folder, self.journal = join, folder, folder / f"{join.name}.sqlite"
        self._node = PeerEndpoints(join.name, "", join.rpc, wallet, self.journal)
        member, self._learning = join.checked(folder, self._node)
        members = join.roster.members(join.settings)
        self.service = PeerService(member, SessionClock(join.roster.zero), Metrics(), members)

    def try_plugins(self) -> None:
        """Call the loss and the metric, if they are plug-ins.  Raises InputError if one can never work here."""
        self._learning.try_plugins()

    async def run(self, program: str) -> EndedBy:
        """Take part to the end of the session; what ended it.  Raises InputError."""
        task = asyncio.current_task()
        assert task
        self.service.abandon = task.cancel
        try:
            return await self._run(program)
        except asyncio.CancelledError:
            if not self.service.stopped:
                raise
            task.uncancel()
            return EndedBy.STOPPED

    async def hand_in(self) -> None:
        """Send the journal to the host.  Raises InputError: the host did not take it."""
        async with _connected(self.join_file) as host:
            await host.hand_in(self.journal)

    async def _run(self, program: str) -> EndedBy:
        join, service = self.join_file, self.service
        dialled = {PeerId(peer): address for peer, address in join.bootstrap.items()}
        config = kubo_config(service.member.peer, join.identity, dialled)
        remembered = self.folder / "addresses.json"  # others dial only those that were announced first
        known_at = from_json(remembered.read_text(encoding="utf-8")) if remembered.exists() else ()
        async with _connected(join) as host:
            await host.come()
            async with kubo_process(program, self.folder / "ipfs", config, join.swarm_key, known_at) as url:
                if not known_at:
                    await _remember_addresses(url, self._node.patience, remembered)
                heartbeats = asyncio.create_task(host.send_heartbeats(service.stop))
                try:
                    node, roster, learning = replace(self._node, kubo=url), _reachable(join), self._learning
                    return await run(node, join.settings, roster, lambda: learning, service, [learning.observe])
                finally:
                    heartbeats.cancel()


async def _remember_addresses(url: str, patience: float, file: Path) -> None:
    kubo = await connected(url, patience)
    try:
        addresses = await answered(url, kubo.addresses, patience)
    finally:
        await kubo.close()
    await asyncio.to_thread(file.write_text, json.dumps(addresses), encoding="utf-8")


def _reachable(join: JoinFile) -> Roster:
    """The roster with the addresses at which this machine reaches the pods, instead of those in the swarm."""
    known = {peer: (f"{address}/p2p/{peer}",) for peer, address in join.bootstrap.items()}
    peers = (replace(ids, addresses=known.get(ids.peer, ())) for ids in join.roster.peers)
    return replace(join.roster, peers=tuple(peers))


@asynccontextmanager
async def _connected(join: JoinFile) -> AsyncIterator[InvitingHost]:
    async with aiohttp.ClientSession(timeout=TIMEOUT, auto_decompress=False) as client:
        yield InvitingHost(join, client)
