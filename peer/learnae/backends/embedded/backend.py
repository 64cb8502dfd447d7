"""The embedded backend: all peers live in this process, on one event loop, and a real EVM runs in another.

One port serves the live page, the API of each peer and all their metrics, before torch and the EVM are imported.
"""

import asyncio
import secrets
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

from learnae.adapters.kept_models import write_models
from learnae.adapters.run_directory.seal import TOKEN
from learnae.backends.base import (
    Finding,
    Run,
    RunOptions,
    Say,
    refuse_external_chain,
    refuse_remote_peers,
)
from learnae.backends.in_process import LoadLearning, begin, finished, thread_count, torch_learning
from learnae.backends.live_run import draw_judging_salt
from learnae.errors import InputError
from learnae.ports import Observer
from learnae.private_file import write_private
from learnae.records.history import SWARM, Evaluated, Fact
from learnae.records.outcome import BackendName
from learnae.runtime.feeds import require_broker, require_feed
from learnae.session.faults import FaultKind
from learnae.session.sensor_rules import members_text, sensors
from learnae.session.settings import Session

if TYPE_CHECKING:
    from fastapi import FastAPI

    from learnae.adapters.evm.local import LocalEvm
    from learnae.adapters.evm.payment_index import PaymentIndex
    from learnae.backends.embedded.swarm import EmbeddedSwarm
    from learnae.runtime.learning import Learning
    from learnae.runtime.memory_session import MemorySession
    from learnae.runtime.peer_service import PeerService


class EmbeddedBackend:
    """``services``: what the API of each peer shows, by name."""

    name, live = BackendName.EMBEDDED, True

    def __init__(self, session: Session, options: RunOptions, say: Say, load: LoadLearning = torch_learning) -> None:
        self.session, self._options, self._say, self._load = session, options, say, load
        self.services: dict[str, PeerService] = {}
        self._token, self._token_file = secrets.token_urlsafe(32), Path()
        self._learning: Learning | None = None
        self._evm: LocalEvm | None = None
        self._payments: PaymentIndex | None = None

    @property
    def description(self) -> str:
        return f"{members_text(self.session, 'live peers')} in one process"

    @property
    def expected_seconds(self) -> float:
        work, pace = self.session.work, self.session.pace
        paced = work.slices * work.passes * pace.slice + work.patience * pace.attempt
        return 10 + self.session.linger + 0.5 * self.session.peers + paced

    def check(self) -> None:
        if sensors(self.session):
            require_feed(self.session.feed)
        if self.session.feed.kind == "mqtt" and any(fault.kind is FaultKind.FEED_KILL for fault in self.session.faults):
            raise InputError("faults: feed-kill cannot kill an MQTT broker: set feed.kind to memory or tangle")
        refuse_external_chain(self.name)
        refuse_remote_peers(self.name, self._options)

    def page(self, run: Run) -> "FastAPI":
        from learnae.adapters.metrics import Metrics  # these take a second to import
        from learnae.runtime.peer_service import PeerService
        from learnae.runtime.received_payments import ReportedPayments
        from learnae.runtime.wallets import identities, public_ids, wallets
        from learnae.session.roster import roster
        from learnae.web.api.guard import Guard
        from learnae.web.api.peer_api import peer_api
        from learnae.web.api.scrape_cost import ScrapeCost
        from learnae.web.api.swarm_app import swarm_app

        self._wallets = wallets(self.session)
        self._identities = identities(self.session)
        self._keys = public_ids(self._identities, self._wallets)
        self._reported, metrics, guard = ReportedPayments(), Metrics(), Guard(self._token)
        members = roster(self.session.groups, self.session.peers, self._keys, self.session.privacy)
        for member in members:
            if member.group.sensor:
                continue
            self.services[member.name] = PeerService(member, float, metrics, members, self._reported)
        apis = {name: peer_api(service, guard) for name, service in self.services.items()}
        app = swarm_app(run.events, guard, apis, lambda: run.verdict, metrics.render, lambda: run.report)
        app.add_middleware(ScrapeCost, metrics.add_scrape_seconds)
        return app

    async def prepare(self, run: Run) -> None:
        """Torch and the EVM take seconds to import; both are imported in threads."""
        if self.session.feed.url and sensors(self.session):
            await require_broker(self.session.feed.url)
        first = next(iter(self.services))
        self._say(f"API of each peer: {run.url}/peers/{first}/v1/status ...  Metrics: {run.url}/metrics")
        self._write_token(run.directory.path / TOKEN)
        evm = asyncio.ensure_future(asyncio.to_thread(self._start_evm))
        salt = draw_judging_salt(self.session, run.directory.path)
        self._learning = await asyncio.to_thread(self._load, self.session, thread_count(self._options), salt)
        if self._learning.notice:
            self._say(f"Notice: {self._learning.notice}")
        await evm

    async def run(self, run: Run) -> None:
        from learnae.runtime.memory_session import MemorySession

        assert self._learning
        threads = thread_count(self._options)
        await asyncio.to_thread(begin, self.session, run.directory, threads, self._learning.notice)
        setup = MemorySession(self.session, self._learning, self._keys)
        observers = (run.directory.observe, run.observe, self._reported.observe, self._show_test_accuracy)
        for observe in observers:
            observe(0.0, SWARM, setup.began(self.name))
        swarm: EmbeddedSwarm | None = None
        try:
            swarm = await asyncio.to_thread(self._build, setup, observers)
            await finished(asyncio.ensure_future(swarm.run()), swarm.stop)
        finally:
            if self._payments and swarm and swarm.chain:
                self._payments.close(swarm.chain)
            for service in self.services.values():
                service.end()
            write_models(run.directory.path, swarm.kept_models if swarm else {})
            run.directory.end(swarm.chain if swarm else (), swarm.journals if swarm else {})

    def collect(self, run: Run) -> None:
        pass

    def clean_up(self) -> None:
        if self._evm:
            self._evm.close()
            self._evm = None
        if self._token_file.is_file():
            self._token_file.unlink()

    @staticmethod
    def findings(peers: int | None) -> Iterator[Finding]:
        return iter(())

    # private

    def _write_token(self, path: Path) -> None:
        write_private(path, self._token + "\n")
        self._token_file = path
        self._say(f"Token for commands: {path}")

    def _start_evm(self) -> None:
        from learnae.backends.embedded.swarm import local_evm

        self._evm = local_evm(self.session, self._wallets)

    def _build(self, setup: "MemorySession", observers: tuple[Observer, ...]) -> "EmbeddedSwarm":
        from learnae.adapters.evm.payment_index import PaymentIndex
        from learnae.backends.embedded.swarm import EmbeddedSwarm

        assert self._evm
        swarm = EmbeddedSwarm(setup, self._wallets, self._identities, observers, self._evm, self._say)
        wallets = {wallet for member in setup.members for wallet in (member.wallet, member.payee)}
        self._payments = PaymentIndex(swarm.node, wallets, swarm.clock.began)
        predictor = setup.learning.predictor(setup.swarm.blocks)
        for peer in swarm.peers:
            self.services[peer.name].begin(peer, predictor, self._payments)
        return swarm

    def _show_test_accuracy(self, now: float, peer: str, item: Fact) -> None:
        """Pass a test accuracy to the peer's service: the peer cannot measure it itself."""
        if isinstance(item, Evaluated):
            self.services[peer].observe(now, peer, item)
