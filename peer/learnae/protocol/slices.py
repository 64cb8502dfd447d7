"""The slices that a peer trains on: its own in turn, and those of received row blocks."""

from collections.abc import Callable
from functools import partial

from learnae.protocol import actions as do
from learnae.protocol.hooks import Hooks
from learnae.protocol.policies import ForgeModel, Policy
from learnae.protocol.publication import Publication
from learnae.protocol.row_blocks import RowBlocks
from learnae.protocol.settings import PeerConfig

SPAM = 1000  # models that a spammer announces, as fast as it can


class Slices:
    def __init__(self, config: PeerConfig, hooks: Hooks, rows: RowBlocks, publication: Publication) -> None:
        self._config, self._hooks, self._rows, self._publication = config, hooks, rows, publication
        self.trained = 0
        self._own_begun = 0  # own slices whose training began
        self._own_planned = SPAM if config.policy is Policy.SPAMMER else config.slices_planned

    @property
    def planned(self) -> int:
        return self._own_planned + self._rows.received

    @property
    def left(self) -> bool:
        return self.trained < self.planned

    def next(self) -> Callable[[int], do.TrainerAction]:
        """The action that trains the next slice, without its request.  A peer that cheats may forge a model instead."""
        base, step = self._publication.weights, self._publication.step + 1
        assert base
        if forgery := self._hooks.slice():
            return partial(ForgeModel, forgery=forgery, source=None, step=step)
        earlier = tuple(block.cid for block in self._rows.taken)
        rows = self._rows.draw(self._own_planned - self._own_begun)
        own = self._own_begun % self._config.work.slices
        self._own_begun += rows is None
        train = partial(do.TrainSlice, base_cid=base.cid, slice=own if rows is None else rows.number)
        train = partial(train, rows=rows, earlier=earlier if rows else ())
        return partial(train, slices_trained=self.trained, step=step)
