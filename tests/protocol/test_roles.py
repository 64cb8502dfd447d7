"""What peers of each role do: providers buy models, keepers store them."""

from tests.helpers.driven import Driven
from tests.helpers.peers import model, score

from learnae.protocol import actions as do
from learnae.protocol.decisions import Averaged, WorkChanged, WorkState
from learnae.protocol.policies import Role


def test_a_provider_takes_a_better_model_as_it_is_owes_for_it_and_publishes_nothing() -> None:
    driven = Driven(role=Role.PROVIDER, slices_planned=0, wants_payment=False, expected_identities=0).loaded(50)
    for name, correct in (("bob", 60), ("ann", 60)):
        driven.hears(name)
        driven.fetched()
        driven.scored(do.ScoreModel, f"{name}-1", score(correct))
    assert [(fact.cid, fact.step, fact.adopted) for fact in driven.facts(Averaged)] == [
        (model("bob").weights.cid, 0, True),
        (model("ann").weights.cid, 0, False),
    ]
    assert driven.peer.status().weights == model("bob").weights
    assert [debt.cid for debt in driven.debts.values()] == [model("bob").weights.cid]
    assert not driven.all_asked(do.StoreModel)


def test_a_keeper_fetches_every_newest_model_and_asks_nothing_of_a_trainer() -> None:
    driven = Driven(role=Role.KEEPER, slices_planned=0, wants_payment=False, expected_identities=0)
    for name in ("ann", "bob", "cat", "dan", "eve"):
        driven.hears(name)
        driven.fetched()
    driven.hears("ann", 2)
    assert driven.asked(do.FetchModel).model == model("ann", 2)
    assert [changed.work for changed in driven.facts(WorkChanged)] == [WorkState.DONE]
    assert not driven.all_asked(do.ScoreModel)
