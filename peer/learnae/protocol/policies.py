"""What peers are for, how they behave, and what those that cheat forge."""

from dataclasses import dataclass
from enum import StrEnum

from learnae.protocol.types import Answering, Asking, Cid, ModelRef, Weights


class Role(StrEnum):
    """What a peer contributes, by computing power and data (the four roles of reference [1])."""

    TRAINER = "trainer"  # has rows and computes
    PROFITEER = "profiteer"  # computes for money
    PROVIDER = "provider"  # has rows: it takes models that are better than its own, and pays for them
    KEEPER = "keeper"  # neither: it stores and serves blocks, and earns nothing
    SENSOR = "sensor"  # a provider that only publishes rows on a feed; no process of it takes part in the session

    @classmethod
    def of(cls, has_rows: bool, computes: bool) -> "Role":
        if has_rows:
            return cls.TRAINER if computes else cls.PROVIDER
        return cls.PROFITEER if computes else cls.KEEPER


class Policy(StrEnum):
    """How a peer behaves.  Only ``HONEST`` follows the paper."""

    HONEST = "honest"
    REFUSES_TO_PAY = "refuses-to-pay"
    CONCEALS_AVERAGES = "conceals-averages"  # refuses to pay, and announces averages as if it had trained them
    POISONER = "poisoner"  # publishes random weights
    COPYCAT = "copycat"  # publishes other peers' models as its own
    HIJACKER = "hijacker"  # claims another peer's IPFS id for its own wallet
    ROW_POISONER = "row-poisoner"  # publishes rows of which a share has wrong labels
    SPAMMER = "spammer"  # publishes models as fast as it can
    SLEEPER = "sleeper"  # honest while it trains, then a copycat that does not pay
    SYBIL = "sybil"  # another identity of a trainer: publishes its models, changed a little
    UNDER_REPORTER = "under-reporter"  # states the smallest possible gain, and pays for that
    OWN = "own"  # a plug-in: decides as a class of the user's does (``hooks.py``)


class Forgery(StrEnum):
    """What a cheating peer asks its trainer to make."""

    RANDOM = "random"  # N(0, 5) weights
    COPY = "copy"  # the tensors of another peer
    PERTURBED = "perturbed"  # a copy with noise too small to matter
    MEAN = "mean"  # the mean of another peer's model and its own last one
    BEST_MIX = "best-mix"  # of nine mixtures of these two, the best on its validation rows
    DELTA = "delta"  # another peer's model, carried on by what that peer changed since its model before
    NOISY_DELTA = "noisy-delta"  # the same with noise too small to matter

    @property
    def of_two(self) -> bool:
        """Whether it is made of two models."""
        return self not in (Forgery.RANDOM, Forgery.COPY, Forgery.PERTURBED)


@dataclass(frozen=True, slots=True)
class ForgeModel(Asking):
    """Make the model of a cheating peer.  Answered by ``ModelForged``.

    ``source`` is None for random weights; ``other`` is the second model of forgeries that are made of two.
    """

    forgery: Forgery
    source: ModelRef | None
    step: int
    other: Cid | None = None


@dataclass(frozen=True, slots=True)
class ModelForged(Answering):
    weights: Weights
