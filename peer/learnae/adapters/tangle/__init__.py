"""A private IOTA Tangle (Stardust generation, HORNET 2.0.1) as ``ports.Feed``, and its nodes as child processes."""

from learnae.adapters.tangle.feed import TangleFeed
from learnae.adapters.tangle.rest import NodeAddress

__all__ = ["NodeAddress", "TangleFeed"]
