"""The report: a finished session as one HTML page without a server, other files or network access.

Pure: a history and its verdict become a string.  The page has a light and a dark mode and fits a phone; the content of
its charts is also in texts and tables.  Everything that comes from a run is escaped, and the page's policy forbids
network access.
"""

from learnae.web.charts.assets import plotly
from learnae.web.report.page import flows_page, page

__all__ = ["flows_page", "page", "plotly"]
