"""How peers behave, and what those that cheat forge."""

from enum import StrEnum


class Policy(StrEnum):
    """How a peer behaves.  Only ``HONEST`` follows the paper."""

    HONEST = "honest"
    REFUSES_TO_PAY = "refuses-to-pay"
    POISONER = "poisoner"  # publishes random weights
    COPYCAT = "copycat"  # publishes other peers' models as its own
    HIJACKER = "hijacker"  # claims another peer's IPFS id for its own wallet
    SPAMMER = "spammer"  # publishes models as fast as it can


class Forgery(StrEnum):
    """What a cheating peer asks its trainer to make."""

    RANDOM = "random"  # N(0, 5) weights
    COPY = "copy"  # the tensors of another peer
    PERTURBED = "perturbed"  # a copy with noise too small to matter
