"""Policies of the user's own: one class that overrides decisions of its peer, and harms no peer if it raises."""

from random import Random
from typing import Any

import pytest
from tests.helpers.driven import Driven
from tests.helpers.peers import model, own_plugin, score

from learnae.plugins import BUILT_IN, Kind
from learnae.protocol import actions as do
from learnae.protocol.decisions import DebtChanged, DebtState, PluginFailed, Published, WorkState
from learnae.protocol.hooks import Honest, PeerView
from learnae.protocol.policies import ForgeModel, Forgery, Policy
from learnae.protocol.types import Timer

HEAD = "from learnae.protocol.hooks import Honest\nfrom learnae.protocol.policies import Forgery\nclass Own(Honest):\n"


def own(body: str, **settings: Any) -> Driven:
    """A peer whose policy is a class with this body, ready to work."""
    settings = {"wants_payment": False, "expected_identities": 0, **settings}
    return Driven(policy=Policy.OWN, behaviour=own_plugin(HEAD + body, "Own"), **settings).loaded()


def test_every_policy_but_ones_own_is_built_in() -> None:
    assert {*BUILT_IN[Kind.POLICIES], "own"} == {policy.value for policy in Policy}


def test_an_honest_policy_changes_nothing() -> None:
    view, honest = PeerView(0, 0, 1, 0, 0, None, Forgery.COPY), Honest(Random())
    assert (honest.slice(view), honest.attempt(view, model("bob")), honest.leaves(view)) == (None, None, False)
    assert own("    pass\n").asked(do.TrainSlice)


def test_a_policy_may_publish_random_weights_instead_of_training() -> None:
    driven = own("    def slice(self, view): return Forgery.COPY if view.slices_trained == 0 else None\n")
    forged = driven.asked(ForgeModel)
    assert (forged.forgery, forged.source) == (Forgery.RANDOM, None), "there is nothing to copy yet"


def test_a_policy_may_copy_a_model_instead_of_averaging_with_it() -> None:
    driven = own("    def attempt(self, view, remote): return view.forgery\n", slices_planned=0)
    driven.hears("bob")
    driven.fetched()
    assert driven.asked(ForgeModel).source == model("bob")


def test_a_policy_may_keep_a_model_back() -> None:
    driven = own("    def publishes(self, view): return view.step > 1\n")
    driven.scored(do.TrainSlice, "me-1", score(60))
    assert not driven.facts(Published) and driven.asked(do.TrainSlice)
    driven.scored(do.TrainSlice, "me-2", score(70))
    assert [fact.cid for fact in driven.facts(Published)] == ["me-2"]


def test_a_policy_may_choose_whom_it_pays() -> None:
    driven = own("    def pays(self, debt): return debt.creator != 'bob'\n", slices_planned=0)
    for number, creator in enumerate(("bob", "ann")):
        driven.meets(creator)
        driven.attempted(creator, 51 + number)
    assert [debt.state for debt in driven.debts.values()] == [DebtState.DECLINED, DebtState.PAYABLE]
    assert {change.reason for change in driven.facts(DebtChanged) if change.debt == 0} == {None, "policy"}


def test_a_policy_may_leave_for_good() -> None:
    driven = own("    def leaves(self, view): return view.slices_trained == 1\n")
    driven.scored(do.TrainSlice, "me-1", score(60))
    assert driven.peer.status().work is WorkState.DONE and driven.peer.at_rest
    driven.hears("bob")
    driven.fires(Timer.ANNOUNCE)
    assert not driven.all_asked(do.FetchModel) and driven.peer.status().work is WorkState.DONE


def test_what_arrives_after_a_peer_has_left_does_not_wake_it() -> None:
    driven = own("    def leaves(self, view): return view.slices_trained == 1\n")
    driven.hears("bob")
    assert driven.asked(do.FetchModel)
    driven.scored(do.TrainSlice, "me-1", score(60))
    driven.fetched()
    assert driven.peer.status().work is WorkState.DONE and not driven.all_asked(do.ScoreModel)


@pytest.mark.parametrize(
    ("body", "line", "error"),
    [
        ("    def slice(self, view): return 1 // 0\n", 4, "ZeroDivisionError: integer division or modulo by zero"),
        ("    def slice(self, view): return True\n", 4, "returned True: return Forgery or None"),
        ("    def __init__(self, random): self.rng = {}[0]\n", 4, "KeyError: 0"),
    ],
)
def test_a_peer_whose_policy_raises_does_what_an_honest_one_does(body: str, line: int, error: str) -> None:
    driven = own(body)
    assert driven.asked(do.TrainSlice)
    assert {(fact.line, fact.error) for fact in driven.facts(PluginFailed)} == {(line, error)}


def test_what_is_no_policy_is_named() -> None:
    function = own_plugin("def Own(random): return 5", "Own")
    driven = Driven(policy=Policy.OWN, behaviour=function, wants_payment=False, expected_identities=0).loaded()
    assert driven.facts(PluginFailed) == [PluginFailed(function, 1, "returned 5: return Honest")]
