"""What became of the readings of sensors."""

from statistics import median

from learnae.protocol.decisions import Trained
from learnae.protocol.types import Cid
from learnae.records.history import History, ReadingPublished


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
    """One sentence about a session with sensors in the process of the command; none for others."""
    published, delays = {reading.cid for _, reading in history.facts(ReadingPublished)}, reading_delays(history)
    if not published:
        return []
    after = f"; the first model came {median(delays):.1f} s (median) after the feed had it" if delays else ""
    return [f"{len(delays)} of {len(published)} readings of sensors were trained on{after}."]
