"""A session as one HTML page that needs nothing else: no network, no server, no second file.

Pure: a history and what is known beside it become a string.  The page has light and dark and fits any width from a
phone's; what its charts show is also in words and tables.  What comes from a run is escaped, and the page forbids
itself the network.
"""

from learnae.analysis.paper_comparison import paper_rows
from learnae.web.charts.assets import plotly
from learnae.web.report.page import page

__all__ = ["page", "paper_rows", "plotly"]
