"""The decisions of a peer that its policy may change.  An attack is one class that overrides some of them.

A peer asks its policy, and does what an honest peer does if the policy raises.  A policy may keep what it has seen, but
must depend on nothing else: a replay asks again.
"""

from dataclasses import dataclass
from random import Random
from types import UnionType
from typing import TYPE_CHECKING, Any, TypeVar

from learnae.plugins import Kind, PluginError, call, first_line, plugin
from learnae.protocol.decisions import DebtChanged, PluginFailed
from learnae.protocol.policies import Forgery
from learnae.protocol.requests import Requests
from learnae.protocol.settings import PeerConfig
from learnae.protocol.types import ModelRef, Score

if TYPE_CHECKING:
    from learnae.protocol.training import Training

T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class PeerView:
    """What a policy sees of its peer."""

    second: int  # of the session, rounded down
    slices_trained: int
    slices_planned: int
    attempts: int  # that it began
    step: int  # of its newest model
    score: Score | None  # of that model, on its own validation rows
    forgery: Forgery  # as the session file sets it


class Honest:
    """Follows the paper."""

    averages = True  # or it never fetches the models of others

    def __init__(self, random: Random) -> None:
        self.random = random  # the peer's own; the only source of chance

    def slice(self, view: PeerView) -> Forgery | None:
        """A slice is due: None trains it, RANDOM publishes random weights instead."""
        return None

    def attempt(self, view: PeerView, remote: ModelRef) -> Forgery | None:
        """The model ``remote`` is at hand: None averages with it, a forgery publishes that instead."""
        return None

    def publishes(self, view: PeerView) -> bool:
        """Whether its new model is stored and announced."""
        return True

    def pays(self, debt: DebtChanged) -> bool:
        """Whether it pays for what it has adopted."""
        return True

    def leaves(self, view: PeerView) -> bool:
        """Whether it is done for good, asked before each slice and attempt; it still settles its debts."""
        return False


class RefusesToPay(Honest):
    """Averages, and declines every debt."""

    def pays(self, debt: DebtChanged) -> bool:
        return False


class ConcealsAverages(RefusesToPay):
    """Declines every debt, and announces averages as if it had trained them."""


class Forger(Honest):
    """Publishes random weights instead of training, and averages nothing."""

    averages = False

    def slice(self, view: PeerView) -> Forgery | None:
        return Forgery.RANDOM


class Spammer(Forger):
    """Announces random models as fast as it can."""


class Hijacker(Honest):
    """Claims the IPFS id of another peer for its own wallet."""


class RowPoisoner(Honest):
    """Publishes rows with wrong labels."""


class Copycat(Honest):
    """Publishes the models of others as its own."""

    def attempt(self, view: PeerView, remote: ModelRef) -> Forgery | None:
        return view.forgery


class Hooks:
    """Asks the policy of one peer.  ``left``: it has ended the peer's work.  Raises InputError if it cannot be used."""

    training: "Training"  # which sets it

    def __init__(self, config: PeerConfig, requests: Requests) -> None:
        self._config, self._requests, self.left = config, requests, False
        self._name = config.behaviour or str(config.policy)
        policy = plugin(Kind.POLICIES, self._name)
        self._policy: Any = Honest(Random())  # until its own is made
        self._policy = self._ask(self._policy, Honest, policy, Random(f"{config.salt} policy"))
        self.averages = self._policy.averages is not False

    def slice(self) -> Forgery | None:
        forgery = self._ask(None, Forgery | None, self._policy.slice, self._view())
        return forgery and Forgery.RANDOM

    def attempt(self, remote: ModelRef) -> Forgery | None:
        return self._ask(None, Forgery | None, self._policy.attempt, self._view(), remote)

    def publishes(self) -> bool:
        return self._ask(True, bool, self._policy.publishes, self._view())

    def pays(self, debt: DebtChanged) -> bool:
        return self._ask(True, bool, self._policy.pays, debt)

    def leaves(self) -> bool:
        self.left = self._ask(False, bool, self._policy.leaves, self._view())
        return self.left

    def _view(self) -> PeerView:
        training, forgery = self.training, self._config.forgery
        second, slices, step = int(self._requests.now), training.slices, training.publication.step
        return PeerView(second, slices.trained, slices.planned, training.attempts, step, training.score, forgery)

    def _ask(self, honest: T, kind: type | UnionType, hook: Any, *arguments: Any) -> T:
        try:
            answer: T = call(self._name, hook, *arguments)
            if isinstance(answer, kind):
                return answer
            raise PluginError(self._name, first_line(hook), "it did not return what it must")
        except PluginError as error:
            self._requests.record(PluginFailed(error.plugin, error.line, error.error))
            return honest
