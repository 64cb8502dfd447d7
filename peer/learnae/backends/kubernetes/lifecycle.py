"""``ports.Lifecycle`` over Kubernetes' API: deletes pods, whose sets make them again, and holds them at a gate."""

import asyncio

from learnae.backends.kubernetes.nodes import Nodes
from learnae.backends.kubernetes.swarm import Swarm
from learnae.session.faults import Component, Fault, FaultKind, Part

GRACE = 10  # s that a pod gets to stop


class DeletedPods:
    """A deleted peer's pod returns at once, with its link agent and its IPFS node; the peer waits for ``restore``.

    A drained node stays out of service until the last fault that drained it ends.
    """

    def __init__(self, swarm: Swarm) -> None:
        self._swarm = swarm

    async def interrupt(self, component: Component, fault: Fault) -> bool:
        swarm = self._swarm
        if not self._runs(component):
            return False
        pod = self._pod(component)
        swarm.hold.add(pod if component.part is Part.CHAIN else component.peer)
        if fault.kind is FaultKind.NODE_DRAIN:
            await self._drain(component, swarm.states[pod].node)
        else:
            await asyncio.to_thread(swarm.cluster.delete_pod, pod, GRACE if fault.kind.gentle else 0)
            swarm.states.pop(pod, None)  # what is known of it is of the pod before
        return True

    async def restore(self, component: Component, fault: Fault) -> None:
        node = self._swarm.drained.pop(component, None)
        if node is not None and node not in self._swarm.drained.values():
            await asyncio.to_thread(Nodes(self._swarm.cluster).restore, node)
        self._swarm.hold.discard(self._pod(component) if component.part is Part.CHAIN else component.peer)

    async def interrupted(self, component: Component, fault: Fault) -> bool:
        return not self._runs(component)

    async def follow_chain(self, blocks: int) -> None:
        """Nothing: this backend refuses sessions whose chain loses blocks."""

    # private

    async def _drain(self, component: Component, node: str) -> None:
        """All pods of the swarm leave the node; only that of the component waits until the fault ends."""
        swarm = self._swarm
        swarm.drained[component] = node
        pods = [state.name for state in swarm.states.values() if state.node == node]
        await asyncio.to_thread(Nodes(swarm.cluster).drain, node, pods, GRACE)
        for pod in pods:
            swarm.states.pop(pod, None)

    def _pod(self, component: Component) -> str:
        plan = self._swarm.plan
        return plan.chain_pod if component.part is Part.CHAIN else plan.pods[component.peer]

    def _runs(self, component: Component) -> bool:
        if component.part is not Part.CHAIN:
            return self._swarm.runs(component.peer)
        state = self._swarm.states.get(self._swarm.plan.chain_pod)
        return state is not None and "chain" in state.running
