"""The decisions of a peer that its policy may change.  An attack is one class that overrides some of them.

A peer asks its policy, and does what an honest peer does if the policy raises.  A policy may keep what it has seen, but
must depend on nothing else: a replay asks again.
"""

from dataclasses import dataclass
from random import Random
from types import UnionType
from typing import TYPE_CHECKING, Any, TypeVar, get_args

from learnae.plugins import Kind, PluginError, WrongTypeReturned, call, described, first_line, plain, plugin
from learnae.protocol.decisions import DebtChanged, PluginFailed
from learnae.protocol.policies import Forgery
from learnae.protocol.requests import Requests
from learnae.protocol.settings import PeerConfig
from learnae.protocol.types import Cid, ModelRef, PeerId, Score

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
    leader: PeerId | None = None  # as the session file sets it


@dataclass(frozen=True, slots=True)
class Combined:
    """A forgery that is made of the remote model and ``other``; None: of the peer's own newest model."""

    forgery: Forgery
    other: Cid | None = None


class Honest:
    """Follows the paper."""

    averages = True  # or it never fetches the models of others

    def __init__(self, random: Random) -> None:
        self.random = random  # the peer's own; the only source of chance

    def slice(self, view: PeerView) -> Forgery | None:
        """A slice is due: None trains it, RANDOM publishes random weights instead."""
        return None

    def takes(self, view: PeerView, creator: PeerId) -> bool:
        """Whether it uses models of this peer, asked when it meets the peer."""
        return True

    def attempt(self, view: PeerView, remote: ModelRef) -> Forgery | Combined | None:
        """The model ``remote`` is at hand: None averages with it, a forgery publishes that instead."""
        return None

    def states(self, before: Score, after: Score) -> Score:
        """The score of an average that it has adopted: this is recorded and paid for."""
        return after

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
    """Publishes the models of others, or what it makes of them, as its own."""

    def __init__(self, random: Random) -> None:
        super().__init__(random)
        self._earlier: dict[PeerId, Cid] = {}  # the last model of each creator

    def attempt(self, view: PeerView, remote: ModelRef) -> Forgery | Combined | None:
        earlier = self._earlier.get(remote.creator)
        self._earlier[remote.creator] = remote.weights.cid
        if view.forgery not in (Forgery.DELTA, Forgery.NOISY_DELTA):
            return view.forgery
        return Combined(view.forgery, earlier) if earlier else Forgery.PERTURBED


class Sleeper(Copycat):
    """Honest while it trains; then it publishes what it makes of others' models, and declines every debt."""

    asleep = True

    def attempt(self, view: PeerView, remote: ModelRef) -> Forgery | Combined | None:
        self.asleep = view.slices_trained < view.slices_planned
        return None if self.asleep else super().attempt(view, remote)

    def pays(self, debt: DebtChanged) -> bool:
        return self.asleep


class Sybil(Honest):
    """Another identity of a trainer: publishes the models of its leader, changed a little, and uses no others."""

    def takes(self, view: PeerView, creator: PeerId) -> bool:
        return creator == view.leader

    def attempt(self, view: PeerView, remote: ModelRef) -> Forgery | Combined | None:
        return Forgery.PERTURBED


class UnderReporter(Honest):
    """Averages like an honest peer, states the smallest possible gain, and pays for that."""

    def states(self, before: Score, after: Score) -> Score:
        return Score(before.correct + 1, before.total)


class Hooks:
    """Asks the policy of one peer.  ``left``: it has ended the peer's work.  Raises InputError if it cannot be used."""

    training: "Training"  # which sets it

    def __init__(self, config: PeerConfig, requests: Requests) -> None:
        self._config, self._requests, self.left = config, requests, False
        self.true_score: Score | None = None  # of the peer's newest model, once it has made one
        self._name = config.behaviour or str(config.policy)
        policy = plugin(Kind.POLICIES, self._name)
        self._policy: Any = Honest(Random())  # until its own is made
        self._policy = self._ask(self._policy, Honest, policy, Random(f"{config.salt} policy"))
        self.averages = self._policy.averages is not False

    def slice(self) -> Forgery | None:
        forgery = self._ask_with_view(None, Forgery | None, self._policy.slice)
        return forgery and Forgery.RANDOM

    def takes(self, creator: PeerId) -> bool:
        return self._ask_with_view(True, bool, self._policy.takes, creator)

    def attempt(self, remote: ModelRef, own: Cid) -> Combined | None:
        """``own``: the peer's newest model."""
        forged = self._ask_with_view(None, Forgery | Combined | None, self._policy.attempt, remote)
        if forged is None:
            return None
        forgery, other = (forged, None) if isinstance(forged, Forgery) else (forged.forgery, forged.other)
        return Combined(forgery, (other or own) if forgery.of_two else None)

    def judge(self, before: Score, after: Score) -> tuple[Score, bool]:
        """What it states as the score of an average, and whether it adopts it.

        ``before``: what it stated last.  A peer that states less than it has decides by its true scores, and must not
        contradict itself.
        """
        if not after.beats(self.true_score or before):
            return (before if after.beats(before) else after), False
        self.true_score = after
        return self._ask(after, Score, self._policy.states, before, after), True

    def publishes(self) -> bool:
        return self._ask_with_view(True, bool, self._policy.publishes)

    def pays(self, debt: DebtChanged) -> bool:
        return self._ask(True, bool, self._policy.pays, debt)

    def leaves(self) -> bool:
        self.left = self._ask_with_view(False, bool, self._policy.leaves)
        return self.left

    def _ask_with_view(self, honest: T, kind: type | UnionType, hook: Any, *arguments: Any) -> T:
        """Call a hook with a view, which is made only for other policies than ``Honest``: this is called very often."""
        return honest if type(self._policy) is Honest else self._ask(honest, kind, hook, self._view(), *arguments)

    def _view(self) -> PeerView:
        training, settings = self.training, (self._config.forgery, self._config.leader)
        second, slices, step = int(self._requests.now), training.slices, training.publication.step
        return PeerView(
            second, slices.trained, slices.planned, training.attempts.begun, step, training.score, *settings
        )

    def _ask(self, honest: T, kind: type | UnionType, hook: Any, *arguments: Any) -> T:
        try:
            answer: T = decision(self._name, kind, hook, *arguments)
            return answer
        except PluginError as error:
            self._requests.record(PluginFailed(error.plugin, error.line, error.error))
            return honest


def decision(reference: str, kind: type | UnionType, hook: Any, *arguments: Any) -> Any:
    """Call a method of a policy and return its answer, which is of type ``kind``.  Raises PluginError."""
    answer = call(reference, plain, call(reference, hook, *arguments))
    if isinstance(answer, kind):
        return answer
    kinds = " or ".join(each.__name__.replace("NoneType", "None") for each in get_args(kind) or (kind,))
    raise WrongTypeReturned(reference, first_line(hook), f"returned {described(answer)}: return {kinds}")
