"""Figures 4-8 of the paper from a history, as data from which pages and image files are drawn.

The x axis counts a peer's completed work units (a slice trained or an averaging scored), which makes peers of different
speed comparable; session seconds are the second view.  Only honest peers count; the last values of finished peers are
carried forward.  The figures of the paper's session include the paper's numbers.  Only ``draw`` and ``overview`` import
matplotlib.
"""

from learnae.analysis.figures.axis import View
from learnae.analysis.figures.paper import figures, first_phase_shares
from learnae.analysis.figures.plot import USUAL, Look, canvas_of, draw, overview
from learnae.analysis.figures.spec import Figure, Reference, Series, Shade, ShadedBand
from learnae.analysis.figures.table import figure_table

__all__ = [
    "ShadedBand",
    "Figure",
    "Look",
    "Reference",
    "Series",
    "Shade",
    "USUAL",
    "View",
    "canvas_of",
    "draw",
    "figure_table",
    "figures",
    "first_phase_shares",
    "overview",
]
