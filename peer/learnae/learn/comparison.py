"""How far apart two results of the same training are."""

from math import inf

from learnae.learn.network import Network
from learnae.learn.serialization import decode_block


def relative_difference(network: Network, base: bytes | None, block: bytes, other: bytes) -> float:
    """The norm of the difference between two models, relative to what the first changed in ``base`` (None: zeros).

    Raises PortError for an invalid block.
    """
    weights, others = decode_block(network, block).weights, decode_block(network, other).weights
    change = float((weights if base is None else weights - decode_block(network, base).weights).norm())
    difference = float((weights - others).norm())
    return difference / change if change else inf if difference else 0.0
