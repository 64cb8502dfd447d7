"""What a peer does with a remote model that is at hand: it averages, scores or copies it."""

from collections.abc import Callable
from functools import partial

from learnae.protocol import actions as do
from learnae.protocol.hooks import Hooks
from learnae.protocol.policies import ForgeModel, Role
from learnae.protocol.publication import Publication
from learnae.protocol.settings import PeerConfig
from learnae.protocol.types import ModelRef


class Attempts:
    def __init__(self, config: PeerConfig, hooks: Hooks, publication: Publication) -> None:
        self._role, self._hooks, self._publication = config.role, hooks, publication
        self.begun = 0

    def next(self, remote: ModelRef) -> Callable[[int], do.TrainerAction]:
        """The action that tries this model, without its request."""
        self.begun += 1
        base, step = self._publication.weights, self._publication.step + 1
        earlier = self._publication.earlier(remote)
        if base and (forged := self._hooks.attempt(remote, base.cid)):
            return partial(ForgeModel, forgery=forged.forgery, source=remote, step=step, other=forged.other)
        if base and self._role is not Role.PROVIDER:
            return partial(do.AverageModels, base_cid=base.cid, remote=remote, step=step, earlier=earlier)
        return partial(do.ScoreModel, cid=remote.weights.cid, model=remote, earlier=earlier)
