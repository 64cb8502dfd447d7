"""Faults as data: what goes wrong, when, and to whom.  Pure: one vocabulary for every backend.

A ``Fault`` is one entry of a session's ``[[faults]]``; ``session.fault_plan.plan`` turns faults into ``FaultWindow``s
with named targets.  The state of the swarm at any moment follows from the windows that are open then (``state``):
faults that overlap add up, and healing one does not heal another.

    state(windows, 30.0, names).links[sender, receiver]     # Link(loss=1.0): nothing gets through
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from enum import StrEnum

from learnae.protocol.setting_fields import DAY, about, seconds, setting


class Part(StrEnum):
    """A kind of process that a fault can interrupt."""

    PEER = "peer"
    IPFS = "ipfs"
    CHAIN = "chain"
    FEED = "feed"
    SENSOR = "sensor"


@dataclass(frozen=True, slots=True, order=True)
class Component:
    """One process of a swarm: a peer, its IPFS node, a sensor, the Ethereum node, or a node of the feed."""

    part: Part
    peer: str = ""  # or sensor; empty for the chain and the feed

    def __str__(self) -> str:
        return f"{self.part}-{self.peer}" if self.peer else self.part.value


CHAIN = Component(Part.CHAIN)
FEED = Component(Part.FEED)


class FaultKind(StrEnum):
    # of links
    CUT = "cut"  # the targets from all others; targets still reach each other
    SPLIT = "split"  # the swarm into ``groups`` that cannot reach each other; with targets: these and the rest
    ISOLATE = "isolate"  # each target from all others
    LOSS = "loss"  # with ``probability``, of what is sent to a target
    SLOW = "slow"  # what is sent to a target arrives ``delay`` later, and with at most ``bandwidth``
    # of processes, which come back when the fault ends
    KILL = "kill"  # a peer, without warning
    STOP = "stop"  # a peer, with the chance to end cleanly
    NODE_DRAIN = "node-drain"  # as stop; on Kubernetes, whatever else its node runs moves to other nodes
    PAUSE = "pause"  # a peer, frozen
    IPFS_STOP = "ipfs-stop"  # a peer's IPFS node, without warning
    CHAIN_PAUSE = "chain-pause"  # frozen: answers nothing, mines nothing
    CHAIN_STOP = "chain-stop"  # comes back with all its blocks
    CHAIN_KILL = "chain-kill"  # comes back without its last ``blocks``
    FEED_KILL = "feed-kill"  # one node of the feed, without warning; a feed without nodes: all of it
    SENSOR_KILL = "sensor-kill"  # a sensor, without warning; it comes back with what it keeps on disk
    SENSOR_SLEEP = "sensor-sleep"  # a sensor, frozen: it makes and publishes no readings

    @property
    def network(self) -> bool:
        return self in (FaultKind.CUT, FaultKind.SPLIT, FaultKind.ISOLATE, FaultKind.LOSS, FaultKind.SLOW)

    @property
    def chain(self) -> bool:
        return self in (FaultKind.CHAIN_PAUSE, FaultKind.CHAIN_STOP, FaultKind.CHAIN_KILL)

    @property
    def shared(self) -> bool:
        """Whether it hits what all peers share, so that it has no targets."""
        return self.chain or self is FaultKind.FEED_KILL

    @property
    def of_sensors(self) -> bool:
        """Whether its targets are sensors."""
        return self in (FaultKind.SENSOR_KILL, FaultKind.SENSOR_SLEEP)

    @property
    def cuts(self) -> bool:
        """Whether no model may cross the links that it hits."""
        return self in (FaultKind.CUT, FaultKind.SPLIT, FaultKind.ISOLATE)

    @property
    def gentle(self) -> bool:
        """Whether the process gets the chance to end cleanly."""
        return self in (FaultKind.STOP, FaultKind.NODE_DRAIN, FaultKind.CHAIN_STOP)

    @property
    def pauses(self) -> bool:
        """Whether the process keeps its memory."""
        return self in (FaultKind.PAUSE, FaultKind.CHAIN_PAUSE, FaultKind.SENSOR_SLEEP)


MIN_DELAY, MAX_DELAY = 1e-3, 60.0  # s
MIN_BANDWIDTH, MAX_BANDWIDTH = 1e3, 1e9  # bytes/s that a kernel can enforce
MIN_LOSS = 1e-4


@dataclass(frozen=True, slots=True)
class Fault:
    """One entry of ``[[faults]]``.

    ``targets``: a list of names; or ``one``, ``minority`` (a quarter), ``half``, ``all``, ``random`` (``share`` of the
    peers), drawn from the session's seed; or ``rolling``: ``share`` of the peers for ``every`` seconds, then the next
    ones, for ``duration`` in all.
    """

    kind: FaultKind = field(metadata=about("What goes wrong."))
    at: float = field(metadata=about("Begin, counted from when all expected peers are at work.", "s", ge=0, le=DAY))
    duration: float = seconds(0.0, "Duration; a process is away for at least 1 s.")
    targets: str | tuple[str, ...] = setting(
        "one",
        "Names of peers (sensor-kill, sensor-sleep: of sensors); or one, minority (a quarter), half, all, random or "
        "rolling.",
    )
    share: float = setting(0.3, "random and rolling: share of the peers.", gt=0, le=1)
    every: float = setting(15.0, "rolling: time until the next peers are hit.", "s", ge=1, le=DAY)
    groups: int = setting(2, "split: number of groups.", ge=2)
    one_way: bool = setting(False, "cut, isolate: nothing that targets send arrives; they still receive.")
    probability: float = setting(0.5, "loss: share of packets that are lost.", ge=MIN_LOSS, le=1)
    delay: float = setting(0.0, "slow: additional delay; 0 for none.", "s", ge=0, le=MAX_DELAY)
    bandwidth: float = setting(0.0, "slow: max transfer rate; 0 for no limit.", "bytes/s", ge=0, le=MAX_BANDWIDTH)
    blocks: int = setting(3, "chain-kill: newest blocks that are lost.", "blocks", ge=0)


@dataclass(frozen=True, slots=True)
class FaultWindow:
    """One fault on its targets.  ``sides`` of a split: groups whose members can still reach each other."""

    fault: Fault
    begin: float
    end: float
    targets: tuple[str, ...]
    sides: tuple[tuple[str, ...], ...] = ()

    def open(self, at: float) -> bool:
        return self.begin <= at < self.end

    @property
    def kind(self) -> FaultKind:
        return self.fault.kind

    @property
    def components(self) -> list[Component]:
        """What it interrupts; empty for a fault of links."""
        if self.kind.network:
            return []
        if self.kind.shared:
            return [CHAIN if self.kind.chain else FEED]
        part = Part.IPFS if self.kind is FaultKind.IPFS_STOP else Part.PEER
        part = Part.SENSOR if self.kind.of_sensors else part
        return [Component(part, name) for name in self.targets]


@dataclass(frozen=True, slots=True)
class Link:
    """What happens to messages from one peer to another.  ``loss`` 1.0: the link is cut."""

    loss: float = 0.0
    delay: float = 0.0  # s
    bandwidth: float = 0.0  # bytes/s; 0: no limit

    def worse(self, other: "Link") -> "Link":
        """The effects of both."""
        limits = [link.bandwidth for link in (self, other) if link.bandwidth]
        kept = (1.0 - self.loss) * (1.0 - other.loss)
        return Link(1.0 - kept, self.delay + other.delay, min(limits, default=0.0))


CUT = Link(loss=1.0)
Links = dict[tuple[str, str], Link]


@dataclass(frozen=True, slots=True)
class FaultState:
    """The state that faults put a swarm into; empty: none is open.

    ``links``: from sender to receiver, only those with an effect.  ``interrupted``: the fault that holds a process; of
    several, one that ends the process over one that freezes it, then the one that began last.
    """

    links: Links = field(default_factory=dict)
    interrupted: Mapping[Component, Fault] = field(default_factory=dict)


def state(windows: Iterable[FaultWindow], at: float, names: Sequence[str]) -> FaultState:
    """The combined effect of all windows that are open at a moment."""
    now = [window for window in windows if window.open(at)]
    links: Links = {}
    for window in now:
        for pair, link in _links(window, names) if window.kind.network else ():
            links[pair] = links.get(pair, Link()).worse(link)
    interrupted: dict[Component, Fault] = {}
    for window in now:
        for component in window.components:
            before = interrupted.get(component)
            if not (before and component.peer and window.kind.pauses and not before.kind.pauses):
                interrupted[component] = window.fault
    return FaultState(links, interrupted)


# private


def _links(window: FaultWindow, names: Sequence[str]) -> Iterable[tuple[tuple[str, str], Link]]:
    """What a fault of links does to each link that it affects."""
    fault, targets = window.fault, set(window.targets)
    side = {name: number for number, group in enumerate(window.sides) for name in group}

    def affected(sender: str, receiver: str) -> bool:
        match fault.kind:
            case FaultKind.SPLIT:
                return side[sender] != side[receiver]
            case FaultKind.CUT:
                return (sender in targets) != (receiver in targets) and (sender in targets or not fault.one_way)
            case FaultKind.ISOLATE:
                return sender in targets or (receiver in targets and not fault.one_way)
            case _:
                return receiver in targets

    lossy, slow = Link(loss=fault.probability), Link(delay=fault.delay, bandwidth=fault.bandwidth)
    effect = {FaultKind.LOSS: lossy, FaultKind.SLOW: slow}.get(fault.kind, CUT)
    pairs = ((sender, receiver) for sender in names for receiver in names if sender != receiver)
    return ((pair, effect) for pair in pairs if affected(*pair))
