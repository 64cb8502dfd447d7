"""One peer of the simulator and the process around it."""

from collections.abc import Callable
from dataclasses import dataclass, field

from learnae.adapters.memory import MemoryJournal
from learnae.protocol.peer import Peer
from learnae.protocol.settings import PeerConfig
from learnae.protocol.types import Timer
from learnae.runtime.cost_model import PeerCosts
from learnae.runtime.dispatch import Ports


@dataclass
class SimulatedPeer:
    """Its state belongs to the simulator."""

    name: str
    config: PeerConfig
    ports: Ports
    joins_at: float
    costs: PeerCosts
    listeners: list["SimulatedPeer"] = field(default_factory=list)  # receive what it announces
    journal: MemoryJournal = field(default_factory=MemoryJournal)
    peer: Peer | None = None  # None: down
    frozen: list[Callable[[], None]] | None = None  # what happens when it is thawed; None: it is not frozen
    incarnation: int = 0  # counts crashes: what was scheduled for an earlier incarnation is void
    handled: int = 0  # events
    timers: dict[Timer, int] = field(default_factory=dict)
    dropped: dict[str, int] = field(default_factory=dict)  # announcements, by reason

    @property
    def late(self) -> bool:
        """Whether it has trained all its slices."""
        return self.peer is not None and self.peer.saw_all_slices

    @property
    def at_rest(self) -> bool:
        return self.peer is not None and self.frozen is None and self.peer.at_rest
