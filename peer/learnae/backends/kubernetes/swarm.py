"""The pods of one session: hands them their files, opens their gates, and knows their states.

async with Swarm(...) as swarm:          # ports of the pods are open on this machine
    tending = asyncio.create_task(swarm.tend())
    await swarm.waiting()                # all pods wait for second 0
    swarm.admit(names)                   # their peers start
    await swarm.ended(names)             # {"p00": 0, ...}
"""

import asyncio
import time
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import AsyncExitStack, suppress
from pathlib import Path
from types import TracebackType
from typing import Self

import aiohttp

from learnae.backends.base import Say
from learnae.backends.kubernetes.cluster import Cluster, PodState
from learnae.backends.kubernetes.forwarding import Forwards
from learnae.backends.kubernetes.plan import INSIDE_FILES, PEER_GATE, POD_GATE, ClusterPlan
from learnae.backends.live_run import ROSTER
from learnae.backends.pods.collect import MAX_FILE
from learnae.backends.pods.plan import HOST, INSIDE_API, INSIDE_IPFS, INSIDE_LINK, INSIDE_RPC, JOURNALS, Access
from learnae.errors import InputError
from learnae.session.faults import Component

LOOK = 1.0  # s between two looks at the pods
STARTUP = 300.0  # s until all pods must be ready; images may have to be pulled
STUCK = 60.0  # s for which a pod may have a problem
AWAY = 60.0  # s for which the API server may be unreachable
STOPPING = 30.0  # s that peers get to end
PART = 1 << 19  # bytes of a file in one request
TIMEOUT = aiohttp.ClientTimeout(total=60.0)


class Swarm:
    """``hold``: pods and peers that a fault holds down.  ``states``: of the pods that exist, by name.

    ``outside``: the ports for remote peers, which are closed until it is entered.

    ``drained``: nodes that faults have taken out of service, so that pods may wait for them.
    """

    def __init__(self, cluster: Cluster, plan: ClusterPlan, folder: Path, say: Say) -> None:
        self.cluster, self.plan, self.names = cluster, plan, plan.hosted
        self.hold = set[str]()
        self.drained: dict[Component, str] = {}
        self.states: dict[str, PodState] = {}
        self._folder, self._say = folder, say
        self._peers = {pod: name for name, pod in plan.pods.items()}
        self._admitted = set[str]()
        self._opening = dict[tuple[str, str], asyncio.Task[None]]()  # gates by the pod's uid
        self._changed = asyncio.Event()
        self._restarts: dict[str, Mapping[str, int]] = {}
        ports = [(pod, port) for pod in self._peers for port in (INSIDE_API, INSIDE_LINK, INSIDE_FILES)]
        ports += [(pod, port) for pod in plan.chain_pods for port in (INSIDE_RPC, INSIDE_FILES)]
        self._forwards = Forwards(cluster, ports, HOST)
        outside = [*((pod, INSIDE_IPFS) for pod in self._peers), *((pod, INSIDE_RPC) for pod in plan.chain_pods)]
        self.outside = Forwards(cluster, outside if plan.remote.count else (), plan.remote.publish or HOST)

    async def __aenter__(self) -> Self:
        async with AsyncExitStack() as opened:
            await opened.enter_async_context(self._forwards)
            self._client = await opened.enter_async_context(aiohttp.ClientSession(timeout=TIMEOUT))
            self._opened = opened.pop_all()
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        for task in self._opening.values():
            task.cancel()
        await asyncio.gather(*self._opening.values(), return_exceptions=True)
        await self._opened.aclose()

    # what link agents and event streams ask

    def pod(self, name: str) -> str:
        state = self.states.get(self.plan.pods[name])
        return state.address if state else ""

    def api(self, name: str) -> str:
        return self._forwards.url(self.plan.pods[name], INSIDE_API)

    def link(self, name: str) -> str:
        return self._forwards.url(self.plan.pods[name], INSIDE_LINK)

    @property
    def rpc(self) -> str:
        return self._forwards.url(self.plan.chain_pod, INSIDE_RPC)

    @property
    def access(self) -> Access:
        """How remote peers reach the swarm while ``outside`` is open: through this machine."""
        if not self.plan.remote.count:
            return Access({}, "")
        ipfs = {name: self.outside.multiaddr(pod, INSIDE_IPFS) for name, pod in self.plan.pods.items()}
        return Access(ipfs, self.outside.url(self.plan.chain_pod, INSIDE_RPC), self.plan.remote.publish)

    async def execute(self, *command: str) -> None:
        """Run a command in the first pod.  Raises InputError with what it printed."""
        await asyncio.to_thread(self.cluster.execute, self.plan.pods[self.names[0]], "files", command)

    # the session

    async def tend(self) -> None:
        """Until cancelled: look at the pods, deliver files and open gates.  Raises InputError: a pod cannot run."""
        problems, silent_from = dict[str, float](), 0.0
        while True:
            try:
                listed = await asyncio.to_thread(self.cluster.pods)
                silent_from = 0.0
            except InputError:
                silent_from = silent_from or time.monotonic()
                if time.monotonic() > silent_from + AWAY:
                    raise
            else:
                self.states = {state.name: state for state in listed}
                for state in listed:
                    self._open_gates(state)
                    self._report_restarts(state)
                stuck = [] if self.drained else [state.name for state in listed if state.problem]
                problems = {name: problems.get(name, time.monotonic()) for name in stuck}
                for name, since in problems.items():
                    if time.monotonic() > since + STUCK:
                        raise InputError(f"the pod {name} cannot run ({self.states[name].problem}): see learnae doctor")
                self._changed.set()
                self._changed = asyncio.Event()
            await asyncio.sleep(LOOK)

    async def waiting(self) -> None:
        """Until the chain runs and every pod waits for its peer to be admitted.  Raises InputError."""
        try:
            async with asyncio.timeout(STARTUP):
                while not self._all_wait():
                    await self._changed.wait()
        except TimeoutError:
            late = [pod for pod in (*self.plan.chain_pods, *self._peers) if not self._waits(pod)]
            raise InputError(
                f"{len(late)} pods are not ready after {STARTUP:.0f} s, the first is {late[0]}: see kubectl describe"
            ) from None

    async def begin(self, roster: bytes, names: Iterable[str]) -> None:
        """Give all pods the roster with second 0, and start these peers."""
        await asyncio.gather(*(self._put(pod, f"peer/{ROSTER}", roster) for pod in self._peers))
        self.admit(names)

    def admit(self, names: Iterable[str]) -> None:
        """Start these peers, and start them again whenever their pods return."""
        self._admitted |= set(names)
        for state in self.states.values():
            self._open_gates(state)

    async def ended(self, names: Sequence[str]) -> dict[str, int]:
        """Wait until these peers have ended; their exit codes."""
        while True:
            codes = {name: state.ended for name in names if (state := self.states.get(self.plan.pods[name]))}
            if all(codes.get(name) is not None for name in names) and not self.hold & set(names):
                return {name: code for name, code in codes.items() if code is not None}
            await self._changed.wait()

    async def stop_peers(self, names: Sequence[str]) -> None:
        """Ask peers that still run to end, and wait until they have, or have taken too long."""
        running = [name for name in names if self.runs(name)]
        await asyncio.gather(*(self._stop(name) for name in running))
        with suppress(TimeoutError):
            async with asyncio.timeout(STOPPING):
                await self.ended(running)

    def runs(self, name: str) -> bool:
        """Whether this peer is seen to run."""
        state = self.states.get(self.plan.pods[name])
        return state is not None and "peer" in state.running and state.ended is None

    def has_finished(self, name: str) -> bool:
        """Whether this peer's program has ended well."""
        state = self.states.get(self.plan.pods[name])
        return state is not None and state.ended == 0

    async def fetch_journals(self) -> None:
        """Write the journals of all peers below the swarm's folder.  Those that cannot be read are missing there."""
        await asyncio.gather(*(self._fetch_journal(name) for name in self.names))

    # private

    def _all_wait(self) -> bool:
        return all(self._waits(pod) for pod in (*self.plan.chain_pods, *self._peers))

    def _waits(self, pod: str) -> bool:
        state = self.states.get(pod)
        expected = f"wait-{PEER_GATE}" if pod in self._peers else "chain"
        return state is not None and expected in state.running

    def _open_gates(self, state: PodState) -> None:
        name = self._peers.get(state.name)
        if name is None and state.name != self.plan.chain_pod:
            return
        if f"wait-{POD_GATE}" in state.running and state.name not in self.hold:
            self._once(state, POD_GATE)
        elif f"wait-{PEER_GATE}" in state.running and name in self._admitted - self.hold:
            self._once(state, PEER_GATE)

    def _once(self, state: PodState, gate: str) -> None:
        """Open a gate of this pod, unless that is being tried."""
        key = (state.uid, gate)
        if key not in self._opening or self._opening[key].done():
            self._opening[key] = asyncio.create_task(self._open(state.name, gate))

    async def _open(self, pod: str, gate: str) -> None:
        """If the pod is gone again, or does not answer yet, the next look tries again."""
        with suppress(InputError):
            if gate == POD_GATE and not await self._has_begun(pod):
                for path, content in self._files(pod):
                    await self._put(pod, path, content)
            await self._ask("POST", pod, f"gates/{gate}")

    def _files(self, pod: str) -> Iterator[tuple[str, bytes]]:
        name = self._peers.get(pod)
        root = self._folder / "pods" / name if name else self._folder
        for folder in ("link", "ipfs", "peer") if name else ("chain",):
            for path in sorted((root / folder).rglob("*")):
                if path.is_file():
                    yield str(path.relative_to(root)), path.read_bytes()
        if name:
            yield "peer/name", f"{name}\n".encode()

    async def _has_begun(self, pod: str) -> bool:
        return b"true" in await self._ask("GET", pod, "state")

    async def _put(self, pod: str, path: str, content: bytes) -> None:
        await self._ask("PUT", pod, f"files/{path}", content[:PART])
        for start in range(PART, len(content), PART):
            await self._ask("POST", pod, f"files/{path}", content[start : start + PART])

    async def _fetch_journal(self, name: str) -> None:
        folder = self._folder / JOURNALS / name
        for file in (f"{name}.sqlite", f"{name}.sqlite-wal"):
            with suppress(InputError):  # the second is usually not there
                content = await self._ask("GET", self.plan.pods[name], f"files/journal/{file}", limit=MAX_FILE)
                (folder / file).write_bytes(content)

    async def _stop(self, name: str) -> None:
        token = (self._folder / "pods" / name / "peer" / "token").read_text(encoding="utf-8").strip()
        with suppress(aiohttp.ClientError, TimeoutError):
            headers = {"Authorization": f"Bearer {token}"}
            async with self._client.post(f"{self.api(name)}/v1/stop", headers=headers, allow_redirects=False):
                pass

    async def _ask(self, method: str, pod: str, what: str, content: bytes = b"", limit: int = PART) -> bytes:
        url = f"{self._forwards.url(pod, INSIDE_FILES)}/v1/{what}"
        try:
            async with self._client.request(method, url, data=content, allow_redirects=False) as response:
                body = bytearray()
                async for part in response.content.iter_any():
                    body += part
                    if len(body) > limit:
                        raise InputError(f"{pod} sends too much")
                if response.status != 200:
                    raise InputError(f"{pod} refuses {what} (HTTP {response.status})")
                return bytes(body)
        except (aiohttp.ClientError, TimeoutError) as error:
            raise InputError(f"{pod} does not answer ({error or type(error).__name__})") from None

    def _report_restarts(self, state: PodState) -> None:
        """A container that Kubernetes has restarted because it had failed."""
        before = self._restarts.get(state.uid, {})
        for container, count in state.restarts.items():
            if count > before.get(container, 0):
                self._say(
                    f"{container} of {self._peers.get(state.name, 'the chain')} ended unexpectedly and was restarted. "
                    f"See: kubectl logs {state.name} -c {container} --previous"
                )
        self._restarts[state.uid] = state.restarts
