"""The reward for a successful averaging (section 3.1), in exact integer arithmetic.

A factor is wei per unit of accuracy (for ``flat``: wei per success).  The only rounding is the floor of the last
division; it favours the payer by less than one wei.
"""

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from fractions import Fraction
from math import floor

from learnae.plugins import Kind, PluginError, WrongTypeReturned, call, described, first_line, plugin
from learnae.protocol.debts import Debts
from learnae.protocol.decisions import DebtChanged, PluginFailed
from learnae.protocol.lineage import parts_of
from learnae.protocol.requests import Requests
from learnae.protocol.settings import PeerConfig, RewardSettings
from learnae.protocol.types import ModelRef, PeerId, Score, Wei

MAX_WEI = 1 << 256  # the EVM has no larger integers


@dataclass(frozen=True, slots=True)
class RewardView:
    """What a reward depends on.  All of it is in the history, so that the checks compute the same.

    ``factor``: in force, see ``adapted``.  ``second``: of the session, rounded down.  The other fields tell what the
    payer adopted and owed for it before.
    """

    before: Score
    after: Score
    factor: Wei
    second: int
    adoptions: int  # averages
    creators: int  # whose models were in them
    from_creator: int  # averages with a model of this creator
    owed_to_creator: Wei
    left: Wei  # the payer's cap less all its debts, declined and unclaimed ones too


RewardFunction = Callable[[RewardView], int]


class Rewards:
    """Enters what a peer owes for the averages that it adopts.  ``begin`` gets each debt."""

    def __init__(
        self, config: PeerConfig, requests: Requests, debts: Debts, begin: Callable[[DebtChanged], None]
    ) -> None:
        self._config, self._requests, self._debts, self._begin = config, requests, debts, begin
        self._reward, self._factor = reward_function(config.reward.function), config.reward.factor_wei

    def attempted(self, model: ModelRef, before: Score, after: Score, adopted: bool) -> None:
        """An average with this model was scored."""
        if adopted:
            self.owe(model, before, after)
        self._factor = adapted(self._factor, adopted, self._config.reward)

    def owe(self, model: ModelRef, before: Score, after: Score) -> None:
        second, cid = int(self._requests.now), model.weights.cid
        wei = self._price(model, before, after, second)
        parts = parts_of(model, wei, self._config.reward.lineage)
        kept = Wei(wei - sum(part.wei for part in parts))
        self._begin(self._debts.add(model.creator, cid, before, after, kept, second))
        for part in parts:
            if part.creator != self._config.peer:
                self._begin(self._debts.add(part.creator, part.cid, before, after, part.wei, second, part_of=cid))

    def _price(self, model: ModelRef, before: Score, after: Score, second: int) -> Wei:
        money = self._factor, self._config.reward.cap_wei
        view = view_of(self._debts.by_number, model.creator, before, after, second, *money)
        try:
            return Wei(self._reward(view))
        except PluginError as error:
            self._requests.record(PluginFailed(error.plugin, error.line, error.error))
            return Wei(0)


def proportional(view: RewardView) -> int:
    """Eq. 1: Payment = RewardFactor * (AchievedAccuracy - CurrentAccuracy)."""
    return view.factor * scaled_gain(view.before, view.after) // (view.before.total * view.after.total)


def flat(view: RewardView) -> int:
    """The same amount for every success."""
    return view.factor


def error_reduction(view: RewardView) -> int:
    """The share of the remaining error that was removed: the same gain earns more when it comes late."""
    before, after = view.before, view.after
    return view.factor * scaled_gain(before, after) // (after.total * (before.total - before.correct))


def scaled_gain(before: Score, after: Score) -> int:
    """The gain in accuracy times both totals, which is an integer."""
    return after.correct * before.total - before.correct * after.total


def view_of(
    earlier: Iterable[DebtChanged],
    creator: PeerId,
    before: Score,
    after: Score,
    second: int,
    factor: Wei,
    cap: Wei,
) -> RewardView:
    """``earlier``: the payer's debts before.  Those for rows and for parents count only towards its cap."""
    every = list(earlier)
    debts = [debt for debt in every if debt.for_adopted]
    own = [debt for debt in debts if debt.creator == creator]
    left = max(0, cap - sum(debt.wei for debt in every))
    owed, creators = Wei(sum(debt.wei for debt in own)), len({debt.creator for debt in debts})
    return RewardView(before, after, factor, second, len(debts), creators, len(own), owed, Wei(left))


def adapted(factor: Wei, adopted: bool, settings: RewardSettings) -> Wei:
    """A payer's factor after a scored attempt: it pays more while good models are scarce, and less while they are not.

    Of many attempts the share ``target`` succeeds where it stays the same.
    """
    if not settings.adapt:
        return factor
    target = Fraction(settings.target)
    change = Fraction(settings.adapt) * (target - 1 if adopted else target)
    low, high = (floor(settings.factor_wei * Fraction(bound)) for bound in (settings.lowest, settings.highest))
    return Wei(min(max(floor(factor * (1 + change)), low), high))


def reward_function(reference: str) -> RewardFunction:
    """Raises InputError: no such plug-in.  The function raises PluginError."""
    function = plugin(Kind.REWARDS, reference)

    def reward(view: RewardView) -> int:
        wei = call(reference, function, view)
        if type(wei) is float:
            error = f"returned {wei}, a float: return wei, such as int(...)"
            raise WrongTypeReturned(reference, first_line(function), error)
        if type(wei) is not int or not 0 <= wei < MAX_WEI:
            error = f"returned {described(wei)}: return an int from 0 to 2^256 - 1, of wei"
            raise (PluginError if type(wei) is int else WrongTypeReturned)(reference, first_line(function), error)
        return wei

    return reward
