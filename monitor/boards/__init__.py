"""The four dashboards, over the metrics of docs/reference/metrics.md, those of Kubo, and `up`."""

from monitor.boards.chaos import CHAOS
from monitor.boards.eth import ETH_BOARD
from monitor.boards.nodes import NODES
from monitor.boards.session import SESSION

BOARDS = (SESSION, ETH_BOARD, CHAOS, NODES)
