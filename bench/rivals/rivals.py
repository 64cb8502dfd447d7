"""Which programs do the same work, and what each needs."""

from dataclasses import dataclass
from enum import StrEnum


class Kind(StrEnum):
    """How a framework carries models between peers."""

    DECENTRALISED = "decentralised"
    CENTRAL = "central"
    PROCESSES = "decentralised, real processes"  # not a simulation
    NONE = "computes nothing else"


@dataclass(frozen=True)
class Rival:
    """``packages``: empty for what runs in the environment of LEARNAE."""

    name: str
    module: str  # of this package
    kind: Kind
    packages: tuple[str, ...] = ()
    pythons: tuple[str, ...] = ("3.11", "3.12", "3.13")
    apart: str = ""  # why its accuracy may differ by more than half a point


BASELINE = Rival("plain loop", "plain_loop", Kind.DECENTRALISED)
OURS = Rival("LEARNAE", "simulator", Kind.DECENTRALISED)
LIMIT = Rival("limit", "limit", Kind.NONE)
MEAN_OF_ALL = "a server averages all models after each pass, which a gossip protocol does not"
RIVALS = (
    BASELINE,
    OURS,
    LIMIT,
    # torchvision: gossipy imports it and does not declare it
    Rival("gossipy", "gossipy", Kind.DECENTRALISED, ("gossipy-dfl==0.0.1", "torchvision", "setuptools<81")),
    Rival("Flower", "flower", Kind.CENTRAL, ("flwr[simulation]==1.42.0",), apart=MEAN_OF_ALL),
    Rival("pfl", "pfl", Kind.CENTRAL, ("pfl[pytorch]==0.6.0",), ("3.11", "3.12"), MEAN_OF_ALL),
    Rival("BlazeFL", "blazefl", Kind.CENTRAL, ("blazefl==2.0.3",), ("3.12", "3.13"), MEAN_OF_ALL),
    Rival("Hivemind", "hivemind", Kind.PROCESSES, ("hivemind==1.1.12",)),
)
