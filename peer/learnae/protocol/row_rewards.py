"""The price of rows (``reward.data``).  The paper pays for models alone; this rule is the project's own.

1. A peer notes the received row blocks that it has trained on since its best score so far.
2. When a training or an adopted average beats that best score, the price of the gain is shared equally among the noted
   blocks, rounded down, and the peer owes each share to the creator of the block.  Then it begins anew.
3. So accuracy that was lost and regained is not paid for, and what a peer owes for rows in all is at most
   ``reward.data`` times the gain from its first to its best model.
4. Who averages with a model pays the creator of the model, not those on whose rows it was trained.
"""

from collections.abc import Callable

from learnae.protocol.debts import Debts
from learnae.protocol.decisions import DebtChanged
from learnae.protocol.requests import Requests
from learnae.protocol.reward import scaled_gain
from learnae.protocol.settings import PeerConfig
from learnae.protocol.types import RowBlock, Score, Wei


class RowRewards:
    def __init__(
        self, config: PeerConfig, requests: Requests, debts: Debts, begin: Callable[[DebtChanged], None]
    ) -> None:
        self._price, self._requests, self._debts, self._begin = config.reward.data_wei, requests, debts, begin
        self._best: Score | None = None
        self._used: list[RowBlock] = []

    def trained(self, rows: RowBlock | None) -> None:
        if rows:
            self._used.append(rows)

    def scored(self, score: Score | None) -> None:
        """``score``: of the peer's newest model; None before the first."""
        before = self._best
        if score is None or not self._price or (before and not score.beats(before)):
            return
        self._best, used, self._used = score, self._used, []
        for block in used:
            assert before  # training begins with a scored model
            wei, second = price_of_rows(self._price, before, score, len(used)), int(self._requests.now)
            self._begin(self._debts.add(block.creator, block.cid, before, score, wei, second, len(used)))


def price_of_rows(factor: Wei, before: Score, after: Score, shares: int) -> Wei:
    """What one of the row blocks earns that share a gain."""
    return Wei(factor * scaled_gain(before, after) // (before.total * after.total * shares))
