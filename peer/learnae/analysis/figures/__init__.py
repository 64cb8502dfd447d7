"""Figures 4-8 of the paper from a history: each once, as data that says all a page or a plot needs.

The x axis counts a peer's completed work units (a slice trained or an averaging scored), because that is what peers
share whatever their speed; session seconds are the second view.  Peers are the honest ones; who has finished is carried
forward.  The paper's own numbers are part of the figures.  matplotlib is imported by ``draw`` alone.
"""

from learnae.analysis.figures.axis import View
from learnae.analysis.figures.paper import figures, first_phase_shares
from learnae.analysis.figures.plot import draw, overview
from learnae.analysis.figures.spec import Figure, Reference, Series, Shade, ShadedBand

__all__ = [
    "ShadedBand",
    "Figure",
    "Reference",
    "Series",
    "Shade",
    "View",
    "draw",
    "figures",
    "first_phase_shares",
    "overview",
]
