"""A session in which nobody averaged says so, and counts why."""

from dataclasses import replace

import pytest
from tests.helpers.histories import GOOD, MODEL, PEER, amended, fact_is

from learnae.analysis.checks import verdict
from learnae.analysis.checks.work import nobody_averaged
from learnae.errors import Reason
from learnae.protocol.decisions import AttemptFailed, Averaged, DebtChanged, FetchFailed, ModelLocked, Published
from learnae.protocol.types import Cid
from learnae.records.history import History, Record, SessionEnded
from learnae.records.outcome import EndedBy

QUIET_TOLD = "not yet fetched or not yet tried when the session ended. Set a longer linger and a longer work.idle_after"


def lonely(*more: tuple[str, object], ended_by: EndedBy = EndedBy.QUIET) -> History:
    """GOOD without averages and all that follows from them, and with these facts before its end."""
    kept = [record for record in GOOD.records if not isinstance(record.fact, Averaged | DebtChanged | AttemptFailed)]
    kept = [record for record in kept if getattr(record.fact, "parents", None) is None]
    added = [Record(kept[-1].t, peer, fact) for peer, fact in more]  # type: ignore[arg-type]
    records = (*kept[:-1], *added, replace(kept[-1], fact=SessionEnded(ended_by)))
    return replace(GOOD, records=records)


def published(history: History) -> set[Cid]:
    return {fact.cid for _, fact in history.facts(Published)}


def test_a_session_with_averages_has_no_such_notice() -> None:
    assert nobody_averaged(GOOD) == []


def test_models_that_never_arrived_are_counted_and_the_advice_fits_the_end() -> None:
    (notice,) = nobody_averaged(lonely())
    count = len(published(lonely()))
    assert count > 1
    assert notice.startswith(f"No peer averaged: of {count} published models, {count} {QUIET_TOLD}")
    (late,) = nobody_averaged(lonely(ended_by=EndedBy.MAX_DURATION))
    assert late.endswith("Set a longer max_duration, or use smaller models.")
    assert notice in verdict(lonely())["notices"]


def test_each_model_is_counted_once_by_what_became_of_it() -> None:
    bob, ann, dan = MODEL["bob 1"], MODEL["ann 1"], MODEL["dan 1"]
    facts = [
        ("ann", FetchFailed(PEER["bob"], bob, Reason.TIMEOUT)),
        ("cat", FetchFailed(PEER["bob"], bob, Reason.TIMEOUT)),
        ("cat", FetchFailed(PEER["bob"], bob, Reason.NOT_FOUND)),
        ("ann", AttemptFailed(PEER["dan"], dan, Reason.SHAPE)),
        ("bob", FetchFailed(PEER["dan"], dan, Reason.TIMEOUT)),
        ("bob", ModelLocked(PEER["ann"], ann)),
    ]
    (notice,) = nobody_averaged(lonely(*facts))
    left = len(published(lonely())) - 3
    assert notice.startswith(
        f"No peer averaged: of {left + 3} published models, 1 rejected (wrong shape 1), "
        "1 not fetched (timeout 2, not found 1), 1 sealed for others"
    )
    assert (f", {left} {QUIET_TOLD}" in notice) == bool(left)


@pytest.mark.parametrize("ended_by", [EndedBy.INTERRUPTED, EndedBy.STOPPED])
def test_a_session_that_somebody_ended_needs_no_explanation(ended_by: EndedBy) -> None:
    assert nobody_averaged(lonely(ended_by=ended_by)) == []


def test_a_peer_that_has_nobody_to_average_with_needs_none() -> None:
    alone = [record for record in lonely().records if record.peer in ("swarm", "ann")]
    session = fact_is("swarm", type(GOOD.records[0].fact))
    only = tuple(entry for entry in GOOD.roster.values() if entry.name == "ann")
    assert nobody_averaged(amended(session, replace(GOOD, records=tuple(alone)), roster=only)) == []
    assert nobody_averaged(History(())) == []
