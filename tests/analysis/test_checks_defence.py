"""``[defence]``: what averages announce, and to whom income is denied."""

from dataclasses import replace
from decimal import Decimal

from tests.helpers.histories import (
    GOOD,
    MODEL,
    PARENTS,
    PEER,
    SETTINGS,
    amended,
    caught,
    fact_is,
    followed_by,
    judged,
    score,
)

from learnae.errors import Reason
from learnae.protocol.decisions import (
    AttemptFailed,
    Averaged,
    ChainEntered,
    DebtChanged,
    DebtState,
    Published,
    RolledBack,
    StandingChanged,
    Verdict,
    WorkChanged,
    WorkState,
)
from learnae.protocol.defence_types import Likeness
from learnae.protocol.settings import Access, Defence, DefenceSettings, IdentityRule
from learnae.protocol.types import Cid, PeerId
from learnae.records.history import Fact, History, PeerCrashed, Record, SessionBegan

ANN_ADOPTED = fact_is("ann", Averaged, remote_cid=MODEL["bob 1"])
BOB_PAID = fact_is("bob", DebtChanged, state=DebtState.FINAL)
BOB_ADOPTED = fact_is("bob", Averaged, adopted=True)
DENIED = StandingChanged(PEER["bob"], True, (MODEL["ann 2"],))


def defended(limit: int = 0, kind: Defence = Defence.RECIPROCITY) -> History:
    session = replace(SETTINGS, defence=DefenceSettings(kind, limit=limit))
    return amended(fact_is("swarm", SessionBegan), session=session)


def told(denied: StandingChanged = DENIED, history: History | None = None) -> History:
    """After bob has adopted ann's model, ann says this."""
    owed = fact_is("ann", Averaged, remote_cid=MODEL["dan 1"])
    return followed_by(owed, denied, history or defended())


def test_who_adopted_and_did_not_pay_may_be_denied_income() -> None:
    assert not caught(told())
    again = fact_is("ann", StandingChanged)
    assert not caught(followed_by(again, replace(DENIED, denied=False, unpaid=()), told()))


def test_nobody_is_denied_income_for_what_it_had_not_adopted() -> None:
    never = told(replace(DENIED, unpaid=(MODEL["ann 3"],)))
    assert caught(never).keys() == {"denials_are_deserved"}
    early = followed_by(ANN_ADOPTED, DENIED, defended())
    assert "which it had not adopted" in caught(early)["denials_are_deserved"]
    stranger = told(replace(DENIED, creator=PeerId("12D3unknown")))
    assert "12D3unknown" in caught(stranger)["denials_are_deserved"]


def test_nobody_is_denied_income_within_the_limit_or_without_the_defence() -> None:
    assert caught(told(history=defended(limit=1))).keys() == {"denials_are_deserved"}
    for kind in (Defence.NONE, Defence.PROFILES):
        assert "denials_are_deserved" in caught(told(history=defended(kind=kind)))


def paid_then_denied(
    *between: tuple[str, Fact], identity: IdentityRule = IdentityRule.PROVEN, after: float = 20
) -> str:
    """What the check says if ann denies bob income so long after its debt became final."""
    began = fact_is("swarm", SessionBegan)
    history = amended(began, session=replace(SETTINGS, defence=DefenceSettings(Defence.RECIPROCITY), identity=identity))
    paid = max(record.t for record in history.records if BOB_PAID(record))
    before = tuple(record for record in history.records if record.t <= paid)
    more = [*between, ("ann", DENIED)]
    late = tuple(Record(paid + after * (at == len(more)), *each) for at, each in enumerate(more, 1))
    told = replace(history, records=(*before, *late, history.records[-1]))
    return caught(told).get("denials_are_deserved", "")


def test_nobody_is_denied_income_for_what_it_had_paid_before_the_chain_was_read() -> None:
    assert "which it had paid for" in paid_then_denied()
    assert not paid_then_denied(after=5), "the chain may have been read before"
    assert not paid_then_denied(identity=IdentityRule.PAPER), "the chain may name another payee"


def test_a_payment_that_may_be_undone_counts_as_open() -> None:
    undone = next(record.fact for record in GOOD.records if fact_is("bob", DebtChanged, state=DebtState.SENT)(record))
    for fact in (ChainEntered("another"), PeerCrashed(), undone):
        assert not paid_then_denied(("bob", fact))
    assert paid_then_denied(("ann", PeerCrashed()))
    assert paid_then_denied(("dan", RolledBack(3, 1))), "the payer has noticed the rollback by now"


def test_an_averaging_that_begins_with_a_model_of_a_denied_peer_is_invalid() -> None:
    attempt = Averaged(PEER["bob"], MODEL["bob 2"], score(760), score(700), False, MODEL["ann 1"], 4)
    denied = fact_is("ann", StandingChanged)
    under_way = followed_by(denied, attempt, told())
    assert "denied_peers_earn_nothing" not in caught(under_way)
    begun = followed_by(denied, WorkChanged(WorkState.MERGING), under_way)
    assert "to which it denied income" in caught(begun)["denied_peers_earn_nothing"]
    restored = followed_by(denied, replace(DENIED, denied=False, unpaid=()), begun)
    assert "denied_peers_earn_nothing" not in caught(restored)


def test_an_average_names_its_parents_and_a_trained_model_none() -> None:
    average, trained = (fact_is("ann", Published, cid=MODEL[f"ann {step}"]) for step in (2, 1))
    mistaken = replace(PARENTS, creators=(PEER["ann"], PEER["ann"]))
    for history in (
        amended(average, parents=None),
        amended(average, parents=mistaken),
        amended(trained, parents=PARENTS),
    ):
        assert caught(history).keys() == {"announced_parents_are_true"}
    assert not caught(amended(fact_is("dan", Published), parents=None))


def sealed(access: Access = Access.SEALED, *unknown: tuple[str, str]) -> History:
    """Creators know all who use their models by their claims, except for ``unknown``: creator and reader."""
    session = replace(SETTINGS, defence=DefenceSettings(Defence.RECIPROCITY, access=access))
    history = amended(fact_is("swarm", SessionBegan), session=session)
    for creator, reader in (("ann", "cat"), ("bob", "cat"), ("dan", "ann")):
        if (creator, reader) not in unknown:
            claim = judged(reader, reader, reader, Verdict.WINNER, (1001, 1, 0))
            history = followed_by(fact_is(creator, Published, step=1), claim, history)
    return history


def read_without_key(history: History) -> str:
    return caught(history).get("sealed_models_are_read_by_their_readers", "")


def test_a_sealed_model_is_read_by_a_peer_whose_claim_its_creator_knows() -> None:
    assert not read_without_key(sealed())
    for creator, reader in (("ann", "cat"), ("bob", "cat"), ("dan", "ann")):
        unknown = sealed(Access.SEALED, (creator, reader))
        assert f"{reader} used" in read_without_key(unknown)
        assert not read_without_key(sealed(Access.OPEN, (creator, reader)))


def test_a_claim_of_another_or_a_refused_one_opens_nothing() -> None:
    published = fact_is("ann", Published, cid=MODEL["ann 1"])
    for claim in (
        judged("eve", "cat", "eve", Verdict.WINNER, (1001, 1, 0)),
        judged("cat", "cat", "cat", Verdict.REJECTED, (1001, 1, 0)),
    ):
        history = followed_by(published, claim, sealed(Access.SEALED, ("ann", "cat")))
        assert "cat used" in read_without_key(history)


def test_a_model_is_locked_for_a_peer_that_was_denied_income_all_the_time() -> None:
    published = fact_is("ann", Published, cid=MODEL["ann 2"])
    newer = Averaged(PEER["ann"], MODEL["ann 2"], score(701), score(690), False, MODEL["cat 1"], 2)
    denied = StandingChanged(PEER["cat"], True, ())
    history = followed_by(fact_is("cat", DebtChanged, state=DebtState.DECLINED), newer, sealed())
    assert not read_without_key(history)
    before = fact_is("ann", Averaged, remote_cid=MODEL["bob 1"])
    history = followed_by(before, denied, history)
    assert "cat used" in read_without_key(history)
    again = followed_by(published, replace(denied, denied=False), history)
    assert not read_without_key(again)


LAST_OF_ANN = fact_is("ann", Averaged, remote_cid=MODEL["dan 1"])
LIKE_BOBS = Likeness(MODEL["bob 1"], score(990))
REFUSED = AttemptFailed(PEER["dan"], Cid("bother"), Reason.SIMILAR, LIKE_BOBS)


def refused(fact: AttemptFailed = REFUSED, similar: str | None = "0.99", who: str = "ann") -> str:
    """What the check says if a peer refuses this model after its averages."""
    session = replace(SETTINGS, defence=DefenceSettings(similar=None if similar is None else Decimal(similar)))
    history = amended(fact_is("swarm", SessionBegan), session=session)
    last = {"ann": LAST_OF_ANN, "cat": fact_is("cat", Averaged), "eve": fact_is("eve", PeerCrashed)}[who]
    found = caught(followed_by(last, fact, history))
    assert found.keys() <= {"refused_models_are_similar"}
    return found.get("refused_models_are_similar", "")


def test_a_model_may_be_refused_because_of_one_that_the_peer_verified_made_or_began_with() -> None:
    assert not refused()
    for known, who in (("ann 1", "ann"), ("ann 2", "ann"), ("ann 1", "cat")):
        assert not refused(replace(REFUSED, similar=Likeness(MODEL[known], score(1000))), who=who)


def test_a_refusal_as_similar_names_a_model_of_another_creator_that_the_peer_has_had() -> None:
    assert "did not name" in refused(replace(REFUSED, similar=None))
    assert "of the same creator" in refused(replace(REFUSED, creator=PEER["bob"]))
    assert "neither verified nor made" in refused(who="eve")
    dropped = replace(REFUSED, similar=Likeness(Cid("bdropped"), score(1000)))
    assert "neither verified nor made" in refused(dropped)
    assert "neither verified nor made" in refused(replace(REFUSED, similar=Likeness(Cid("binitial"), score(1000))))


def test_a_refusal_as_similar_needs_the_share_of_the_session() -> None:
    assert "on 990 of 1000 rows only" in refused(similar="0.9901")
    assert "1001 of 1000" in refused(replace(REFUSED, similar=Likeness(MODEL["bob 1"], score(1001))))
    assert "are allowed" in refused(similar=None)
    assert "are allowed" in refused(replace(REFUSED, reason=Reason.DIGEST))
    assert not refused(replace(REFUSED, reason=Reason.DIGEST, similar=None), similar=None)
