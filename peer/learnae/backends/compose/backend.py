"""Docker Compose as a backend: a pod of three containers for each peer, around one chain."""

import asyncio
import re
from collections.abc import Iterator
from contextlib import ExitStack
from typing import TYPE_CHECKING

from learnae.backends.base import Finding, Run, RunOptions, Say
from learnae.backends.compose import engine
from learnae.backends.compose.plan import GRAFANA, PROMETHEUS, Plan, max_model, project
from learnae.backends.pods.plan import (
    HOST,
    NO_REMOTE_PEERS,
    RemotePeerOptions,
    least_model,
    refuse_device,
    require_size,
)
from learnae.checkout import REPOSITORY
from learnae.errors import InputError
from learnae.records.outcome import BackendName
from learnae.runtime.feeds import require_broker, require_feed
from learnae.session.environment import RPC, external_chain_settings
from learnae.session.faults import FaultKind
from learnae.session.sensor_rules import members_text, peers_without_sensors, sensors
from learnae.session.settings import Session

if TYPE_CHECKING:
    from fastapi import FastAPI

    from learnae.backends.compose.session import ComposeSwarm
    from learnae.backends.external_chain.chain import ExternalChain


class ComposeBackend:
    name, live = BackendName.COMPOSE, True

    def __init__(self, session: Session, options: RunOptions, say: Say) -> None:
        self.session, self._options, self._say = session, options, say
        self._apis: dict[str, str] = {}  # known once addresses are
        self._held, self._alone = ExitStack(), False  # the lock of this checkout
        self._swarm: ComposeSwarm | None = None
        self._remote = NO_REMOTE_PEERS
        self._chain: ExternalChain | None = None

    @property
    def description(self) -> str:
        remote = self._options.remote_peers
        here = members_text(self.session, "live peers", elsewhere=remote)
        return f"{here} in containers" + (f" and {remote} remote" if remote else "")

    @property
    def expected_seconds(self) -> float:
        return 20 + self.session.linger + 5 * self.session.peers

    def check(self) -> None:
        self._remote = RemotePeerOptions(self._options.remote_peers, self._options.publish)
        if self._options.threads is not None:
            raise InputError("--threads: in containers each peer trains in one thread: leave it out")
        refuse_device(self.session)
        require_size(least_model(self.session), max_model(self._remote))
        self._check_sensors()
        self._remote.check(self.session)
        missing = engine.missing()
        if missing:
            raise InputError(missing)
        named = external_chain_settings()
        if named:
            from learnae.backends.external_chain.chain import ExternalChain

            self._chain = ExternalChain.of(named, self.session)

    def page(self, run: Run) -> "FastAPI":
        from learnae.web.api.guard import Guard  # imports fastapi
        from learnae.web.api.swarm_app import swarm_app

        return swarm_app(
            run.events, Guard(None), verdict=lambda: run.verdict, report=lambda: run.report, apis=lambda: self._apis
        )

    async def prepare(self, run: Run) -> None:
        from learnae.backends.compose import images
        from learnae.backends.compose.prepare import prepare

        if self.session.feed.url and sensors(self.session):
            await require_broker(self.session.feed.url)
        await asyncio.to_thread(self._take_checkout)
        if self._chain:
            self._chain = await self._chain.fitted(self._say)
            self.session = self._chain.session
        if not images.built(project(REPOSITORY), images.feed(self.session)):
            self._say("Building the images; the first time this takes minutes.")
        self._swarm = await prepare(self.session, self._say, self._remote, self._chain)
        self._show(self._swarm.plan)

    async def run(self, run: Run) -> None:
        from learnae.backends.compose.session import live
        from learnae.backends.pods.funding import funded_wallets

        swarm = self._swarm
        assert swarm
        path = run.directory.path
        funded = funded_wallets(swarm.chain, swarm.plan, swarm.folder, path, swarm.execute, self._say)
        async with swarm.remote_peers.received(swarm.plan.access, self._say), funded:
            await live(swarm, run, self._say)
        for line in swarm.remote_peers.missing():
            self._say(line)

    def collect(self, run: Run) -> None:
        from learnae.backends.pods.collect import collect_history

        collect_history(self.session, self._swarm, run, self._say)

    def clean_up(self) -> None:
        """Leaves containers alone that belong to another session of this checkout."""
        from learnae.backends.compose.session import remove

        if not self._alone:
            return
        self._alone = False
        with self._held:
            removed = remove()
            if removed:
                self._say(f"Removed {removed} containers and their network.")

    @staticmethod
    def findings(peers: int | None) -> Iterator[Finding]:
        from learnae.backends.compose.doctor_findings import findings

        return findings(peers)

    # private

    def _check_sensors(self) -> None:
        """Raises InputError."""
        session, feed = self.session, self.session.feed
        if not sensors(session):
            return
        if self._remote.count or external_chain_settings():
            raise InputError(f"a session with sensors has its own chain and no remote peers: leave them and {RPC} out")
        if feed.url and any(fault.kind is FaultKind.FEED_KILL for fault in session.faults):
            raise InputError("faults: feed-kill cannot kill the broker of feed.url: leave feed.url out")
        if feed.url and re.match(r"mqtt://(localhost|127\.)", feed.url):
            raise InputError(
                f"feed.url = {feed.url} is this machine's loopback, which no container reaches: leave it out, and the "
                "swarm has a broker of its own"
            )
        if feed.kind == "tangle":
            require_feed(feed)

    def _take_checkout(self) -> None:
        from learnae.backends.compose import capacity
        from learnae.backends.compose.session import alone

        self._held.enter_context(alone(self._say))
        self._alone = True
        peers = peers_without_sensors(self.session) - self._remote.count
        capacity.check(peers, least_model(self.session))  # once an earlier session's containers are gone

    def _show(self, plan: Plan) -> None:
        self._apis |= {name: plan.api(name) for name in plan.hosted}
        self._say(f"Peers: {plan.api(plan.hosted[0])}/v1/status to {plan.api(plan.hosted[-1])}/v1/status")
        for name, number in (("prometheus", PROMETHEUS), ("grafana", GRAFANA)):
            if name in plan.profiles:
                self._say(f"{name.capitalize()}: http://{HOST}:{plan.port(number)}/")
