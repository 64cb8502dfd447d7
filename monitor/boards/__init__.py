"""The four dashboards.  Metrics: docs/reference/metrics.md, Kubo's own, and `up`."""

from monitor.boards.chaos import CHAOS
from monitor.boards.eth import FLOW
from monitor.boards.nodes import NODES
from monitor.boards.session import SESSION

BOARDS = (SESSION, FLOW, CHAOS, NODES)
