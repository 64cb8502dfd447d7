"""Row blocks in a history: each breach of the rules is caught by its check."""

from dataclasses import replace

import pytest
from tests.helpers.histories import GOOD, SETTINGS, amended, caught, fact_is, score

from learnae.analysis.checks.readings import trained_readings
from learnae.errors import Reason
from learnae.protocol.decisions import Trained, TrainingFailed
from learnae.protocol.row_types import RowsForwarded, RowsPublished
from learnae.protocol.types import Cid
from learnae.records.history import (
    Effect,
    Fact,
    FaultBegan,
    FaultEnded,
    History,
    ReadingPublished,
    ReadingsDamaged,
    SessionBegan,
    SessionEnded,
)
from learnae.records.outcome import EndedBy
from learnae.session.faults import FaultKind

ROWS = Cid("rows of bob")
BEGAN = fact_is("swarm", SessionBegan)
OPEN = amended(BEGAN, session=replace(SETTINGS, privacy=False))
READINGS = ((1, 2.0, ROWS), (2, 3.0, Cid("more rows of cat")))
ON_ROWS = Trained(1, 3, Cid("more"), score(730), ROWS)


def with_facts(history: History, *facts: tuple[str, Fact]) -> History:
    """The history with these facts right after its first record."""
    first, *others = history.records
    more = [replace(first, peer=peer, fact=fact) for peer, fact in facts]
    return replace(history, records=(first, *more, *others))


OF_ROWS = {"private_rows_stay_private", "trained_rows_were_announced", "readings_are_trained_on"}


def names(history: History) -> set[str]:
    return OF_ROWS & caught(history).keys()


def test_training_on_rows_that_another_has_published_is_valid() -> None:
    assert names(with_facts(OPEN, ("bob", RowsPublished(1, ROWS)), ("ann", ON_ROWS))) == set()


@pytest.mark.parametrize(
    "fact", [RowsPublished(1, ROWS), TrainingFailed(1, Reason.LABELS, ROWS)], ids=["published", "refused"]
)
def test_in_privacy_mode_neither_publishing_nor_using_rows_is_valid(fact: Fact) -> None:
    assert names(with_facts(GOOD, ("bob", fact))) == {"private_rows_stay_private"}


def test_rows_that_nobody_or_only_the_peer_itself_has_published_are_not_trained_on() -> None:
    assert names(with_facts(OPEN, ("ann", ON_ROWS))) == {"trained_rows_were_announced"}
    own = with_facts(OPEN, ("ann", RowsPublished(1, ROWS)), ("ann", ON_ROWS))
    assert names(own) == {"trained_rows_were_announced"}


def test_a_block_is_trained_on_once() -> None:
    twice = with_facts(OPEN, ("bob", RowsPublished(1, ROWS)), ("ann", ON_ROWS), ("ann", ON_ROWS))
    assert names(twice) == {"trained_rows_were_announced"}


SENSOR = GOOD.roster["cat"]
FORWARDED = RowsForwarded(SENSOR.peer, 1, ROWS)


def with_sensor() -> History:
    """``cat`` is a sensor."""
    assert OPEN.began
    entries = tuple(replace(entry, sensor=entry.name == "cat") for entry in OPEN.began.roster)
    first, *others = OPEN.records
    return replace(OPEN, records=(replace(first, fact=replace(OPEN.began, roster=entries)), *others))


def test_rows_of_a_sensor_count_as_published_once_they_are_forwarded_also_for_the_peer_that_forwarded_them() -> None:
    assert names(with_facts(with_sensor(), ("ann", FORWARDED), ("ann", ON_ROWS))) == set()
    assert names(with_facts(with_sensor(), ("ann", ON_ROWS), ("ann", FORWARDED))) == {"trained_rows_were_announced"}


def test_only_rows_of_sensors_are_forwarded_and_never_in_privacy_mode() -> None:
    assert names(with_facts(OPEN, ("ann", FORWARDED))) == {"trained_rows_were_announced"}
    assert "private_rows_stay_private" in names(with_facts(GOOD, ("ann", FORWARDED)))


def test_nobody_waits_for_a_sensor_to_finish() -> None:
    work = [record for record in with_sensor().records if record.peer != "cat"]
    assert "every_peer_finished" not in caught(replace(with_sensor(), records=tuple(work)))


@pytest.mark.parametrize("fact", [ON_ROWS, TrainingFailed(1, Reason.LABELS, ROWS)])
def test_a_confirmed_reading_is_trained_on_or_refused_unless_peers_could_not_take_it(fact: Fact) -> None:
    confirmed, unread = (("cat", ReadingPublished(1, ROWS)), ("ann", FORWARDED)), {"readings_are_trained_on"}
    assert names(with_facts(with_sensor(), *confirmed, ("bob", fact))) == set()
    assert names(with_facts(with_sensor(), *confirmed)) == unread
    interrupted = amended(fact_is("swarm", SessionEnded), history=with_sensor(), ended_by=EndedBy.INTERRUPTED)
    assert unread.isdisjoint(names(with_facts(interrupted, *confirmed)))
    few = replace(SETTINGS, privacy=False, network=replace(SETTINGS.network, max_row_blocks=0))
    assert names(with_facts(amended(BEGAN, history=with_sensor(), session=few), *confirmed)) == set()


def test_a_reading_that_the_feed_has_not_confirmed_although_it_has_a_later_one_is_lost() -> None:
    facts = (("cat", ReadingPublished(2, ROWS)), ("ann", FORWARDED), ("bob", ON_ROWS))
    assert "lost reading 1" in caught(with_facts(with_sensor(), *facts))["readings_are_trained_on"]


SILENT = "invalid: cat published nothing: the feed has confirmed none of its readings"
STOPPED = "invalid: cat published 1 of its 3 readings: the feed has confirmed nothing after 0.0 s"


def ended(
    *facts: tuple[str, Fact], ended_by: EndedBy = EndedBy.MAX_DURATION, joins_at: float = 0.0, every: float = 1.0
) -> str:
    """What is said of a sensor that published too little in a session that had time; ``facts`` at its beginning."""
    one, group, *others = SETTINGS.groups
    quick = replace(
        SETTINGS,
        privacy=False,
        groups=(one, replace(group, joins_at=joins_at), *others),
        start=replace(SETTINGS.start, timeout=1.0),
        feed=replace(SETTINGS.feed, every=every),
        expect=replace(SETTINGS.expect, recovery=1.0),
    )
    history = amended(BEGAN, history=with_sensor(), session=quick)
    history = amended(fact_is("swarm", SessionEnded), history=history, ended_by=ended_by)
    return caught(with_facts(history, *facts)).get("sensors_published", "")


def test_a_sensor_that_published_nothing_although_it_had_time_is_found() -> None:
    assert ended() == ended(ended_by=EndedBy.QUIET) == SILENT
    assert ended(("cat", ReadingPublished(1, ROWS, of=1))) == ""
    assert ended(("cat", ReadingPublished(1, ROWS, of=3))) == STOPPED
    assert ended(("cat", ReadingPublished(1, ROWS, of=3)), every=1e9) == "", "its next reading was not due yet"
    assert ended(ended_by=EndedBy.INTERRUPTED) == ended(joins_at=1e9) == ""
    assert ended(joins_at=1e9, ended_by=EndedBy.QUIET) == SILENT, "a session waits for its sensors"


def test_the_feed_is_not_blamed_for_readings_that_are_missing_because_a_sensors_file_is_damaged() -> None:
    readings = ("cat", ReadingPublished(1, ROWS, of=3)), ("cat", ReadingsDamaged())
    assert ended(*readings) == "invalid: cat published 1 of its 3 readings: the file of its readings is damaged"
    assert ended(("another", ReadingsDamaged())) == SILENT


@pytest.mark.parametrize(
    ("kind", "targets", "healed", "said"),
    [
        (FaultKind.FEED_KILL, (), True, SILENT),
        (FaultKind.FEED_KILL, (), False, ""),
        (FaultKind.SENSOR_KILL, ("cat",), True, SILENT),
        (FaultKind.SENSOR_KILL, ("cat",), False, ""),
        (FaultKind.SENSOR_KILL, ("another",), False, SILENT),
    ],
)
def test_a_sensor_that_a_fault_stopped_to_the_end_may_publish_nothing(
    kind: FaultKind, targets: tuple[str, ...], healed: bool, said: str
) -> None:
    fault = ("swarm", FaultBegan(0, kind, targets, ()))
    heal = [("swarm", FaultEnded(0, Effect.APPLIED))] if healed else []
    assert ended(fault, *heal) == said


def test_how_long_readings_take_to_a_model_and_how_many_are_in_the_last_models_is_said_in_two_sentences() -> None:
    assert trained_readings(GOOD) == []
    begin, *others = with_sensor().records
    said = [replace(begin, t=at, peer="cat", fact=ReadingPublished(number, cid)) for number, at, cid in READINGS]
    assert trained_readings(replace(GOOD, records=(begin, *said))) == [
        "0 of 2 readings of sensors were trained on.",
        "The last models of peers descend, by training and averaging, from none of these readings.",
    ]
    more = [replace(begin, t=at, peer=peer, fact=ON_ROWS) for at, peer in ((4.5, "ann"), (9.0, "bob"))]
    assert trained_readings(replace(GOOD, records=(begin, *said, *more))) == [
        "1 of 2 readings of sensors were trained on; the first model came 2.5 s (median) after the feed had it.",
        "The last models of peers descend, by training and averaging, from 1 of these readings.",
    ]
