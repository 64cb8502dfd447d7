"""LEARNAE: a testbed for paid peer-to-peer training of neural networks.

``learnae.load`` reads a run as tables, ``learnae.simulate`` runs a session; ``learnae.results`` describes both.
"""

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from learnae.results import Run, load, simulate

__all__ = ["Run", "load", "simulate"]


def __getattr__(name: str) -> object:
    """Import what notebooks use only when they use it: peers and the command line import this package, too."""
    if name not in __all__:
        raise AttributeError(f"module {__name__} has no attribute {name}")
    from learnae import results

    return getattr(results, name)
