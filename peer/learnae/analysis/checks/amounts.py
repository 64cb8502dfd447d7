"""Checks of amounts: rewards (section 3.1, Eq. 1), and the parts of them that go to the creators of parents."""

from collections import Counter
from collections.abc import Iterator, Sequence
from fractions import Fraction
from math import floor

from learnae.analysis.checks.result import check, debt_name, exact_accuracy, session_began, session_of
from learnae.plugins import PluginError, plugin_file
from learnae.protocol.decisions import Averaged, DebtChanged, Published
from learnae.protocol.reward import RewardView, reward_function
from learnae.protocol.types import ETHER, Cid, PeerId, Score, Wei
from learnae.records.history import History

ROUNDING = 1e-6  # s, of the times in a history

Part = tuple[str, Cid | None, PeerId, Cid, Wei, Score, Score, int]
"""Payer, adopted model, creator and CID of a parent, its part; scores and second of the adoption."""


@check
def amounts_follow_reward_function(history: History) -> Iterator[str]:
    """Amounts follow the session's reward function (Eq. 1 by default), in exact arithmetic, rounded down once.

    The debt for a model with parents lacks their parts.
    """
    reward, parents = session_of(history).reward, _parents_by_others(history)
    for (payer, number), priced, fact, whole in _rewards(history):
        name = debt_name(payer, number)
        due = whole - len(parents.get(fact.cid, ())) * _part(history, whole)
        if fact.wei != due:
            yield f"{name} is for {fact.wei} wei, not {due}"
        in_time = fact.second <= priced + ROUNDING < fact.second + 1 + 2 * ROUNDING
        if plugin_file(reward.function) and not in_time:  # built-in ones do not depend on it
            yield f"{name} was priced at {priced:.6f} s, and says second {fact.second}"


@check
def parents_get_their_parts(history: History) -> Iterator[str]:
    """With ``reward.lineage``, a debt for a model with parents goes with one for each parent of a third peer.

    It is for half of that share, rounded down, with the scores and second of the whole debt, and stays so.  Nothing
    else creates a debt for a parent.
    """
    session_began(history)
    parents, due, owed = _parents_by_others(history), Counter[Part](), Counter[Part]()
    for (payer, _), _, fact, whole in _rewards(history) if parents else ():
        for creator, cid in parents.get(fact.cid, ()):
            if creator != history.roster[payer].peer:
                part = _part(history, whole)
                due[payer, fact.cid, creator, cid, part, fact.before, fact.after, fact.second] += 1
    for (payer, _), changes in history.debts.items():
        if any(fact.part_of for _, fact in changes):
            facts = (fact for _, fact in changes)
            owed.update({(payer, f.part_of, f.creator, f.cid, f.wei, f.before, f.after, f.second) for f in facts})
    for payer, adopted, creator, cid, wei, *_ in (due - owed).elements():
        yield f"{payer} does not owe {creator} {wei} wei for {cid}, a parent of {adopted}"
    for payer, adopted, creator, cid, wei, *_ in (owed - due).elements():
        yield f"{payer} owes {creator} {wei} wei for {cid} as a parent of {adopted}, which is not due like that"


def _parents_by_others(history: History) -> dict[Cid, list[tuple[PeerId, Cid]]]:
    """The announced parents of each published model that its creator has not made itself; empty without lineage."""
    if not session_of(history).reward.lineage:
        return {}
    parents: dict[Cid, list[tuple[PeerId, Cid]]] = {}
    for record, fact in history.facts(Published):
        if fact.parents:
            named = zip(fact.parents.creators, fact.parents.cids, strict=True)
            parents[fact.cid] = [each for each in named if each[0] != history.roster[record.peer].peer]
    return parents


def _part(history: History, reward: int) -> Wei:
    return Wei(floor(reward * Fraction(session_of(history).reward.lineage) / 2))


def _rewards(history: History) -> Iterator[tuple[tuple[str, int], float, DebtChanged, int]]:
    """Each debt for an adopted model as it was priced, when, and the whole reward in wei."""
    reward = session_began(history).session.reward
    base, cap = (floor(Fraction(amount) * ETHER) for amount in (reward.factor, reward.cap))
    factors = _factors(history)
    before: dict[str, list[DebtChanged]] = {}  # by payer
    for (payer, number), changes in history.debts.items():
        priced, first = changes[0]
        earlier = before.setdefault(payer, [])
        priced_as = {(fact.wei, fact.before, fact.after, fact.second): fact for _, fact in changes}
        factor = factors.get((payer, sum(debt.for_adopted for debt in earlier)), base)
        for fact in priced_as.values() if first.for_adopted else ():
            yield (payer, number), priced, fact, _reward(reward.function, _view(fact, earlier, factor, cap))
        earlier.append(first)


def _factors(history: History) -> dict[tuple[str, int], int]:
    """The factor that was in force for each debt of a payer, computed again from all its scored attempts."""
    reward = session_of(history).reward
    first, low, high = (
        floor(Fraction(reward.factor) * multiple * ETHER)
        for multiple in (Fraction(1), Fraction(reward.lowest), Fraction(reward.highest))
    )
    adapt, target = Fraction(reward.adapt), Fraction(reward.target)
    current: dict[str, int] = {}
    adoptions: Counter[str] = Counter()
    factors: dict[tuple[str, int], int] = {}
    for record, fact in history.facts(Averaged):
        factor = current.get(record.peer, first)
        if fact.adopted:
            factors[record.peer, adoptions[record.peer]] = factor
            adoptions[record.peer] += 1
        if adapt > 0:
            raised = factor - factor * adapt * (1 - target) if fact.adopted else factor + factor * adapt * target
            current[record.peer] = max(low, min(high, floor(raised)))
    return factors


def _view(debt: DebtChanged, earlier: Sequence[DebtChanged], factor: int, cap: int) -> RewardView:
    models = [other for other in earlier if other.for_adopted]
    own = [other.wei for other in models if other.creator == debt.creator]
    return RewardView(
        before=debt.before,
        after=debt.after,
        factor=Wei(factor),
        second=debt.second,
        adoptions=len(models),
        creators=len({other.creator for other in models}),
        from_creator=len(own),
        owed_to_creator=Wei(sum(own)),
        left=Wei(max(0, cap - sum(other.wei for other in earlier))),
    )


def _reward(function: str, view: RewardView) -> int:
    """The built-in functions are written here again; a plug-in is executed again."""
    was, gain = exact_accuracy(view.before), exact_accuracy(view.after) - exact_accuracy(view.before)
    match function:
        case "proportional":
            return floor(view.factor * gain)
        case "error-reduction":
            return floor(view.factor * gain / (1 - was))
        case "flat":
            return view.factor
    try:
        return reward_function(function)(view)
    except PluginError:
        return 0
