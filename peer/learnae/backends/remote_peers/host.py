"""The host's side of remote peers: it writes their join files, awaits them, and receives their journals.

remote_peers = RemotePeers(names, folder, session_id)
async with remote_peers.received(access, say): ...       # their join files are in the folder join meanwhile
"""

import asyncio
import secrets
import shutil
import time
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import asynccontextmanager, suppress
from pathlib import Path
from tempfile import TemporaryDirectory

from learnae.backends.live_run import ROSTER, replayed_journal
from learnae.backends.pods.plan import HOST, JOIN_FILES, Access
from learnae.backends.remote_peers.join_file import JoinFile
from learnae.errors import InputError
from learnae.protocol.types import Cid
from learnae.runtime.roster_file import Roster
from learnae.web.api.journal_uploads import uploads_app
from learnae.web.api.server import listen, serving, url

SILENCE, LOOK = 60.0, 5.0  # s without a heartbeat until a remote peer is given up, and between two looks


class RemotePeers:
    """``tokens``: by name.  ``seen``: last sign of life of each (monotonic s).  ``left``: with journals handed in."""

    def __init__(self, names: Sequence[str], folder: Path, session_id: Cid) -> None:
        self.tokens = {name: secrets.token_urlsafe(32) for name in names}
        self.seen, self.left = dict[str, float](), set[str]()
        self._folder, self._session_id = folder, session_id
        self._peers = {each.name: each for each in Roster.read(folder / ROSTER).peers} if names else {}
        self._news = asyncio.Event()

    @asynccontextmanager
    async def received(self, access: Access, say: Callable[[str], None]) -> AsyncIterator[None]:
        if not self.tokens:
            yield
            return
        sock = listen(access.published or HOST, 0)
        async with serving(uploads_app(self), sock):
            self._write_join_files(access, url(sock))
            say(f"Waiting for remote peers: {', '.join(self.tokens)}. Write a join file with: learnae invite NAME")
            if access.published:
                say(
                    f"Published on {access.published}: the IPFS nodes, the reception of remote peers, and the "
                    "chain's RPC, with the methods that a peer needs."
                )
            try:
                yield
            finally:
                shutil.rmtree(self._folder / JOIN_FILES, ignore_errors=True)

    async def leave(self) -> None:
        """Wait until every remote peer that came has left, or has been silent for too long."""
        while any(time.monotonic() - heard < SILENCE for name, heard in self.seen.items() if name not in self.left):
            self._news.clear()
            with suppress(TimeoutError):
                await asyncio.wait_for(self._news.wait(), LOOK)

    def missing(self) -> list[str]:
        """A sentence about each remote peer whose journal is missing."""
        never = sorted(self.tokens.keys() - self.seen.keys())
        silent = sorted(self.seen.keys() - self.left)
        return [f"Remote peer {name} never joined." for name in never] + [
            f"Remote peer {name} joined and handed in no journal." for name in silent
        ]

    # called over HTTP

    def report_running(self, name: str) -> None:
        """A remote peer is there.  If it had left before, it continues and will hand in another journal."""
        self.seen[name] = time.monotonic()
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
            try:
                replayed_journal(new, self._peers[name], self._session_id)
            except InputError:
                raise InputError(f"this is not a complete journal of {name} in this session") from None
            new.replace(path)

    def _write_join_files(self, access: Access, host: str) -> None:
        folder = self._folder / JOIN_FILES
        folder.mkdir(0o700, exist_ok=True)
        bootstrap = {str(self._peers[name].peer): address for name, address in access.ipfs.items()}
        for name, token in self.tokens.items():
            join = JoinFile.of_pod(name, self._session_id, self._folder, bootstrap, access.rpc, host, token)
            join.write(folder / f"{name}.json")
