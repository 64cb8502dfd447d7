"""Calls rewards, averaging rules and policies once before a session starts, with made-up values.

A session continues when a plug-in raises, so one that always raises would be noticed only at the end.
"""

from decimal import Decimal
from random import Random

from learnae.plugins import Kind, plugin, try_once
from learnae.protocol.averaging import AveragingView, averaging_rule
from learnae.protocol.decisions import DebtChanged, DebtState
from learnae.protocol.hooks import Combined, Honest, PeerView, decision
from learnae.protocol.policies import Forgery
from learnae.protocol.reward import RewardView, reward_function
from learnae.protocol.types import Cid, ModelRef, PeerId, Score, Weights, wei

BEFORE, AFTER = Score(700, 1000), Score(750, 1000)
CREATOR, MODEL = PeerId("a creator"), Cid("a model")
REMOTE = ModelRef(CREATOR, 3, Weights(MODEL, "a digest"))
TENSORS = "0.bias", "0.weight", "2.bias", "2.weight"
PRICE = wei(Decimal("0.0005"))
DEBT = DebtChanged(0, CREATOR, MODEL, BEFORE, AFTER, PRICE, DebtState.OWED)
VIEW = PeerView(60, 10, 10, 5, 12, BEFORE, Forgery.PERTURBED, CREATOR)


def try_plugin(kind: Kind, reference: str) -> None:
    """Raises InputError if this plug-in can never work.  Those that need torch or rows are not tried here."""
    match kind:
        case Kind.REWARDS:
            factor, left = wei(Decimal("0.01")), wei(Decimal(1))
            try_once(reward_function(reference), RewardView(BEFORE, AFTER, factor, 60, 2, 2, 1, PRICE, left))
        case Kind.AVERAGING:
            try_once(averaging_rule(reference), AveragingView(TENSORS, 1000, 2000, lambda: (BEFORE, AFTER)))
        case Kind.POLICIES:
            try_once(_call_policy, reference)
        case Kind.MODELS | Kind.LOSSES | Kind.METRICS | Kind.DATASETS:
            pass


def _call_policy(reference: str) -> None:
    """Call each method of a policy.  Raises PluginError."""
    policy = decision(reference, Honest, plugin(Kind.POLICIES, reference), Random(0))
    decision(reference, bool, policy.takes, VIEW, CREATOR)
    decision(reference, Forgery | None, policy.slice, VIEW)
    decision(reference, Forgery | Combined | None, policy.attempt, VIEW, REMOTE)
    decision(reference, Score, policy.states, BEFORE, AFTER)
    decision(reference, bool, policy.publishes, VIEW)
    decision(reference, bool, policy.pays, DEBT)
    decision(reference, bool, policy.leaves, VIEW)
