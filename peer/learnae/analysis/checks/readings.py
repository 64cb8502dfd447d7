"""What became of the readings of sensors (section 1)."""

from collections.abc import Iterator
from statistics import median

from learnae.analysis.checks.result import check, session_began
from learnae.protocol.decisions import RowsPublished, Trained, TrainingFailed
from learnae.protocol.types import Cid
from learnae.records.history import History, ReadingPublished
from learnae.records.outcome import EndedBy


@check
def readings_are_trained_on(history: History) -> Iterator[str]:
    """What the feed has confirmed to a sensor, a peer trains on, or refuses; and it has confirmed all readings.

    Not judged: a session that was interrupted, and one with more blocks than a peer accepts.
    """
    published = {fact.cid: (record.peer, fact.number) for record, fact in history.facts(ReadingPublished)}
    most = session_began(history).session.network.max_row_blocks
    if history.ended_by is not EndedBy.QUIET or len(published) + len(history.of(RowsPublished)) > most:
        return
    newest: dict[str, int] = {}
    for sensor, number in published.values():
        newest[sensor] = max(number, newest.get(sensor, 0))
    for sensor, number in newest.items():
        if missing := set(range(1, number)).difference(other for name, other in published.values() if name == sensor):
            yield f"{sensor} lost reading {min(missing)}: the feed has confirmed {number} and not it"
    trained = {fact.rows for _, fact in history.facts(Trained)} | {
        fact.rows for _, fact in history.facts(TrainingFailed)
    }
    for cid, (sensor, number) in published.items():
        if cid not in trained:
            yield f"reading {number} of {sensor}, {cid}, was trained on by nobody"


def reading_delays(history: History) -> list[float]:
    """For each published reading that a peer trained on: seconds from its confirmation to the first such model."""
    published: dict[Cid, float] = {}
    first: dict[Cid, float] = {}
    for record, reading in history.facts(ReadingPublished):
        published.setdefault(reading.cid, record.t)
    for record, fact in history.facts(Trained):
        if fact.rows in published:
            first.setdefault(fact.rows, record.t)
    return [max(0.0, at - published[cid]) for cid, at in first.items()]


def trained_readings(history: History) -> list[str]:
    """One sentence about a session with sensors; none for others."""
    published, delays = {reading.cid for _, reading in history.facts(ReadingPublished)}, reading_delays(history)
    if not published:
        return []
    after = f"; the first model came {median(delays):.1f} s (median) after the feed had it" if delays else ""
    return [f"{len(delays)} of {len(published)} readings of sensors were trained on{after}."]
