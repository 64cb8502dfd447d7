"""The price of rows (``reward.data``).  The paper pays for models alone; this rule is the project's own.

1. A peer notes the received row blocks that it has trained on since its best score so far.
2. When a training or an adopted average beats that best score, the price of the gain is shared equally among the noted
   blocks, rounded down, and the peer owes each share to the creator of the block.  Then it begins anew.
3. So accuracy that was lost and regained is not paid for, and what a peer owes for rows in all is at most
   ``reward.data`` times the gain from its first to its best model.
4. Who averages with a model pays the creator of the model, not those on whose rows it was trained.
"""

from learnae.protocol import actions as do
from learnae.protocol import events as on
from learnae.protocol.payments import Payments
from learnae.protocol.requests import Requests
from learnae.protocol.reward import scaled_gain
from learnae.protocol.row_types import RowBlock
from learnae.protocol.rules import Rule
from learnae.protocol.settings import PeerConfig
from learnae.protocol.training import Training
from learnae.protocol.types import Score, Wei


class RowRewards(Rule):
    def __init__(self, config: PeerConfig, requests: Requests, training: Training, payments: Payments) -> None:
        self._price, self._requests = config.reward.data_wei, requests
        self._training, self._payments = training, payments
        self.applies = self._price > 0
        self._best: Score | None = None
        self._used: list[RowBlock] = []

    def answered(self, request: do.Request, event: on.Answer) -> None:
        if isinstance(request, do.TrainSlice) and isinstance(event, on.ModelScored):
            self.trained(request.rows)
        self.scored(self._training.score)

    def trained(self, rows: RowBlock | None) -> None:
        if rows:
            self._used.append(rows)

    def scored(self, score: Score | None) -> None:
        """``score``: of the peer's newest model; None before the first."""
        before = self._best
        if score is None or (before and not score.beats(before)):
            return
        self._best, used, self._used = score, self._used, []
        for block in used:
            assert before  # training begins with a scored model
            wei, second = price_of_rows(self._price, before, score, len(used)), int(self._requests.now)
            debt = self._payments.debts.add(block.creator, block.cid, before, score, wei, second, len(used))
            self._payments.begin(debt)


def price_of_rows(factor: Wei, before: Score, after: Score, shares: int) -> Wei:
    """What one of the row blocks earns that share a gain."""
    return Wei(factor * scaled_gain(before, after) // (before.total * after.total * shares))
