"""The price of rows (``reward.data``).  The paper pays for models alone; this rule is the project's own.

1. A peer notes the received row blocks that it has trained on since its best score so far.
2. When a training or an adopted average beats that best score, the price of the gain is shared equally among the noted
   blocks, rounded down, and the peer owes each share to the creator of the block.  Then it begins anew.
3. So accuracy that was lost and regained is not paid for, and what a peer owes for rows in all is at most
   ``reward.data`` times the gain from its first to its best model.
4. Who averages with a model pays the creator of the model, not those on whose rows it was trained.
"""

from collections.abc import Callable

from learnae.protocol.settings import PeerConfig
from learnae.protocol.types import RowBlock, Score

OweForRows = Callable[[RowBlock, Score, Score, int], None]  # block, best scores before and after, number of shares


class RowRewards:
    def __init__(self, config: PeerConfig, owe: OweForRows) -> None:
        self._pays, self._owe = config.reward.data > 0, owe
        self._best: Score | None = None
        self._used: list[RowBlock] = []

    def trained(self, rows: RowBlock | None) -> None:
        if rows:
            self._used.append(rows)

    def scored(self, score: Score | None) -> None:
        """``score``: of the peer's newest model; None before the first."""
        before = self._best
        if score is None or not self._pays or (before and not score.beats(before)):
            return
        self._best, used, self._used = score, self._used, []
        for block in used:
            assert before  # training begins with a scored model
            self._owe(block, before, score, len(used))
