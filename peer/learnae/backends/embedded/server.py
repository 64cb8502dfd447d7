"""An embedded session and all that is shown of it: one port with the live page, the API of each peer and all their
metrics; and the run directory that it leaves.

    hosted = Hosted(session, run, token)    # neither torch nor the EVM yet: ``app`` can be served in a second or two
    ended_by = await hosted.run(learning, tick)
    hosted.judged(found)                    # the page shows the verdict
"""

import asyncio
from collections.abc import Awaitable
from pathlib import Path
from typing import TYPE_CHECKING, Any

from learnae.adapters.metrics import Metrics
from learnae.adapters.run_directory import RunDirectory
from learnae.ports import Observer
from learnae.records.history import SWARM, Evaluated, Fact
from learnae.records.outcome import BackendName, EndedBy
from learnae.runtime.learning import Learning
from learnae.runtime.memory_session import MemorySession, Tick
from learnae.runtime.peer_service import PeerService
from learnae.runtime.received_payments import ReportedPayments
from learnae.runtime.wallets import wallet_keys, wallets
from learnae.session.roster import roster
from learnae.session.settings import Session
from learnae.web.api.guard import Guard
from learnae.web.api.peer_api import peer_api
from learnae.web.api.scrape_cost import ScrapeCost
from learnae.web.api.swarm_app import swarm_app
from learnae.web.event_log import EventLog

if TYPE_CHECKING:
    from learnae.adapters.evm.local import LocalEvm
    from learnae.adapters.evm.payment_index import PaymentIndex
    from learnae.backends.embedded.swarm import EmbeddedSwarm


class EmbeddedServer:
    """``token``: whoever has it may command the peers.  ``report``: the page a run ends with, once there is one."""

    def __init__(self, session: Session, run: RunDirectory, token: str, *observers: Observer) -> None:
        self.session, self.directory = session, run
        self.report: Path | None = None
        self._verdict: dict[str, Any] | None = None
        self._board, self._metrics, payers = EventLog(), Metrics(), ReportedPayments()
        self._observers = (run.observe, self._board.observe, payers.observe, self._found, *observers)
        self._wallets = wallets(session)
        self._keys = wallet_keys(session, self._wallets)
        members = roster(session.groups, session.peers, self._keys)
        self._insides = {each.name: PeerService(each, float, self._metrics, members, payers) for each in members}
        self._swarm: EmbeddedSwarm | None = None
        self._books: PaymentIndex | None = None
        guard = Guard(token)
        self.app = swarm_app(
            self._board,
            guard,
            {name: peer_api(inside, guard) for name, inside in self._insides.items()},
            lambda: self._verdict,
            self._metrics.render,
            lambda: self.report,
        )
        self.app.add_middleware(ScrapeCost, self._metrics.add_scrape_seconds)

    async def run(self, learning: Awaitable[Learning], tick: Tick) -> EndedBy:
        """What ended it: quiet, max_duration or interrupted.  However it ends, the directory is readable.

        When there is ``learning``, the directory has begun.
        """
        evm = asyncio.ensure_future(asyncio.to_thread(self._evm))  # which is up by the time that there is learning
        try:
            return await self._lived(MemorySession(self.session, await learning, self._keys), evm, tick)
        finally:
            (await evm).close()

    def stop(self) -> bool:
        """Everybody leaves now; whether there is anybody."""
        if self._swarm:
            self._swarm.stop()
        return self._swarm is not None

    @property
    def names(self) -> list[str]:
        return list(self._insides)

    def judged(self, verdict: dict[str, Any]) -> None:
        self._verdict = verdict
        self._board.close()

    # in here

    async def _lived(self, setup: MemorySession, evm: Awaitable["LocalEvm"], tick: Tick) -> EndedBy:
        for observe in self._observers:
            observe(0.0, SWARM, setup.began(BackendName.EMBEDDED))
        try:
            self._swarm = await asyncio.to_thread(self._embedded, setup, await asyncio.shield(evm))
            return await self._swarm.run(tick)
        finally:
            ended, self._swarm = self._swarm, None
            if self._books and ended and ended.chain:
                self._books.close(ended.chain)
            for inside in self._insides.values():
                inside.end()
            self.directory.end(ended.chain if ended else (), ended.journals if ended else {})

    def _evm(self) -> "LocalEvm":
        from learnae.backends.embedded.swarm import local_evm  # web3 takes seconds to import

        return local_evm(self.session, self._wallets)

    def _embedded(self, setup: MemorySession, evm: "LocalEvm") -> "EmbeddedSwarm":
        from learnae.adapters.evm.payment_index import PaymentIndex
        from learnae.backends.embedded.swarm import EmbeddedSwarm

        swarm = EmbeddedSwarm(setup, self._wallets, self._observers, evm)
        books = self._books = PaymentIndex(swarm.node, swarm.alloc, swarm.clock.began)
        predictor = setup.learning.predictor(setup.swarm.blocks)
        for live in swarm.peers:
            self._insides[live.name].begin(live, predictor, books)
        return swarm

    def _found(self, now: float, peer: str, item: Fact) -> None:
        """What a peer does not find out by itself."""
        if isinstance(item, Evaluated):
            self._insides[peer].observe(now, peer, item)
