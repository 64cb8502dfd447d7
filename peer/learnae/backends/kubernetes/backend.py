"""Kubernetes as a backend: a pod for each peer, around one chain, in a namespace of any cluster."""

import asyncio
from collections.abc import Iterator
from contextlib import ExitStack
from typing import TYPE_CHECKING

from learnae.backends.base import (
    Finding,
    Run,
    RunOptions,
    Say,
    refuse_sensors,
)
from learnae.backends.kubernetes.plan import CHAIN_SETTINGS, ClusterPlan, refuse_what_is_missing
from learnae.backends.kubernetes.rendering import plan_for
from learnae.backends.pods.checkout_lock import alone
from learnae.backends.pods.plan import NO_REMOTE_PEERS, RemotePeerOptions
from learnae.checkout import REPOSITORY
from learnae.errors import InputError
from learnae.records.outcome import BackendName
from learnae.session.environment import external_chain_settings
from learnae.session.faults import FaultKind
from learnae.session.settings import Session

if TYPE_CHECKING:
    from fastapi import FastAPI

    from learnae.backends.external_chain.chain import ExternalChain
    from learnae.backends.kubernetes.cluster import Cluster
    from learnae.backends.kubernetes.installation import Objects
    from learnae.backends.kubernetes.session import Prepared

FOLDER = REPOSITORY / "build" / "kubernetes"
EXTERNAL_CHAIN_NEEDS = (("create", "", "pods/exec"),)  # to try from a pod whether the chain can be reached


class KubernetesBackend:
    name, live = BackendName.KUBERNETES, True

    def __init__(self, session: Session, options: RunOptions, say: Say) -> None:
        self.session, self._options, self._say = session, options, say
        self._apis: dict[str, str] = {}  # known once ports are forwarded
        self._held, self._alone = ExitStack(), False  # the lock of this checkout
        self._cluster: Cluster | None = None
        self._objects: Objects | None = None
        self._chain: ExternalChain | None = None
        self._remote = NO_REMOTE_PEERS
        self._prepared: Prepared | None = None

    @property
    def description(self) -> str:
        cluster = self._cluster
        where = f" in {cluster.context}, namespace {cluster.namespace}" if cluster else ""
        remote = self._options.remote_peers
        beside = f" and {remote} remote" if remote else ""
        return f"{self.session.peers - remote} live peers on Kubernetes{where}{beside}"

    @property
    def expected_seconds(self) -> float:
        return 40 + self.session.linger + 5 * self.session.peers

    def check(self) -> None:
        if self._options.threads is not None:
            raise InputError("--threads: in pods each peer trains in one thread: leave it out")
        self._remote = RemotePeerOptions(self._options.remote_peers, self._options.publish)
        self._remote.check(self.session)
        if self._remote.publish:
            from learnae.web.api.server import listen

            listen(self._remote.publish, 0).close()  # fails if it is no address of this machine
        refuse_sensors(self.name, self.session)
        refuse_what_is_missing(self.session)
        named = external_chain_settings()
        if named:
            from learnae.backends.external_chain.chain import ExternalChain

            self._chain = ExternalChain.of(named, self.session)
        plan = self._plan()
        from learnae.backends.kubernetes import nodes
        from learnae.backends.kubernetes.cluster import Cluster  # imports the client library, or refuses
        from learnae.backends.kubernetes.installation import objects_of

        cluster = Cluster(self._options.cluster, plan.instance)
        objects = objects_of(self._options.cluster, cluster, plan)
        drains = any(fault.kind is FaultKind.NODE_DRAIN for fault in self.session.faults)
        needed = [*objects.needed, *(EXTERNAL_CHAIN_NEEDS if self._chain else ()), *(nodes.NEEDED if drains else ())]
        refused = cluster.forbidden(needed)
        if refused:
            raise InputError(
                f"you may not {', '.join(refused)} in the namespace {cluster.namespace}: ask for a role that may, or "
                "give another --namespace"
            )
        objects.check()
        if drains:
            nodes.Nodes(cluster).check()
        self._cluster, self._objects = cluster, objects

    def page(self, run: Run) -> "FastAPI":
        from learnae.web.api.guard import Guard  # imports fastapi
        from learnae.web.api.swarm_app import swarm_app

        return swarm_app(
            run.events, Guard(None), verdict=lambda: run.verdict, report=lambda: run.report, apis=lambda: self._apis
        )

    async def prepare(self, run: Run) -> None:
        if self._chain:
            self._chain = await self._chain.fitted(self._say)
            self.session = self._chain.session
        self._prepared = await asyncio.to_thread(self._prepare)

    async def run(self, run: Run) -> None:
        from learnae.backends.kubernetes.session import live
        from learnae.backends.kubernetes.swarm import Swarm

        assert self._cluster and self._objects and self._prepared
        prepared = self._prepared
        async with Swarm(self._cluster, prepared.plan, prepared.folder, self._say) as swarm:
            self._apis |= {name: swarm.api(name) for name in swarm.names}
            await live(prepared, self._objects, swarm, run, self._say)

    def collect(self, run: Run) -> None:
        from learnae.backends.pods.collect import collect_history

        collect_history(self.session, self._prepared, run, self._say)

    def clean_up(self) -> None:
        """Leaves pods alone that belong to another session of this checkout."""
        if not self._alone or not self._objects:
            return
        self._alone = False
        with self._held:
            removed = self._remove()
            if removed:
                self._say(f"Removed the {removed} objects of this session from the cluster.")

    @staticmethod
    def findings(peers: int | None) -> Iterator[Finding]:
        from learnae.backends.kubernetes.doctor_findings import findings

        return findings(peers)

    # private

    def _plan(self) -> ClusterPlan:
        from learnae.backends.pods.funding import node_address  # imports web3

        port = node_address(self._chain.settings.rpc)[1] if self._chain else None
        return plan_for(self.session, self._options.cluster, port, self._remote)

    def _remove(self) -> int:
        from learnae.backends.kubernetes.nodes import Nodes

        assert self._objects and self._cluster
        try:
            Nodes(self._cluster).restore_all()
        finally:
            removed = self._objects.remove()
        return removed

    def _prepare(self) -> "Prepared":
        from learnae.backends.kubernetes.session import Prepared
        from learnae.backends.pods.files import NOTICE, session_id, write_swarm
        from learnae.backends.remote_peers.host import RemotePeers

        self._held.enter_context(alone(FOLDER.with_suffix(".lock")))
        self._alone = True
        removed = self._remove()
        if removed:
            self._say(f"Removed {removed} objects of an earlier session from the cluster.")
        plan = self._plan()
        members = write_swarm(self.session, plan, FOLDER, self._chain.settings.rpc if self._chain else None)
        if self._chain is None:
            (FOLDER / "chain" / CHAIN_SETTINGS).write_text(plan.chain_settings, encoding="utf-8")
        notice = (FOLDER / NOTICE).read_text(encoding="utf-8")
        if notice:
            self._say(f"Notice: {notice}")
        manifest = session_id(self.session, members, FOLDER)
        remote_peers = RemotePeers(plan.remote_names, FOLDER, manifest)
        return Prepared(self.session, plan, members, FOLDER, manifest, remote_peers, self._chain)
