"""What became of the readings of sensors (section 1)."""

from collections.abc import Iterator
from math import inf
from statistics import median

from learnae.analysis.checks.faults import recorded_faults
from learnae.analysis.checks.result import check, session_began
from learnae.analysis.reading_lineage import readings_in_models
from learnae.protocol.decisions import Trained, TrainingFailed
from learnae.protocol.row_types import RowsPublished
from learnae.protocol.types import Cid
from learnae.records.history import History, ReadingPublished, ReadingsDamaged
from learnae.records.outcome import EndedBy
from learnae.session.faults import FaultKind
from learnae.session.roster import group_of_each_peer


@check
def sensors_published(history: History) -> Iterator[str]:
    """The feed has confirmed all readings of each sensor.

    If the time was over, only a sensor is judged that had ``expect.recovery`` seconds for its next reading after the
    start, after it joined, after each fault that stopped it, and after its last reading.
    """
    began = session_began(history)
    if history.ended_by in (None, EndedBy.INTERRUPTED):
        return
    session, groups = began.session, group_of_each_peer(began.session.groups, len(began.roster))
    readings: dict[str, list[tuple[float, ReadingPublished]]] = {}
    for record, fact in history.facts(ReadingPublished):
        readings.setdefault(record.peer, []).append((record.t, fact))
    damaged = {record.peer for record in history.of(ReadingsDamaged)}
    for entry, group in zip(began.roster, groups, strict=True):
        confirmed = readings.get(entry.name, [])
        count, of = len({fact.number for _, fact in confirmed}), max((fact.of for _, fact in confirmed), default=1)
        if not entry.sensor or count >= of:
            continue
        last = max((at for at, _ in confirmed), default=0.0)
        ends = _ends_of_faults(history, entry.name)
        free = max([session.start.timeout, group.joins_at, last + session.feed.every, *ends])
        if history.ended_by is EndedBy.QUIET or history.seconds >= free + session.expect.recovery:
            published = f"{count} of its {of} readings" if count else "nothing"
            none = f"nothing after {last:.1f} s" if count else "none of its readings"
            reason = (
                "the file of its readings is damaged" if entry.name in damaged else f"the feed has confirmed {none}"
            )
            yield f"{entry.name} published {published}: {reason}"


@check
def readings_are_trained_on(history: History) -> Iterator[str]:
    """What the feed has confirmed to a sensor, a peer trains on, or refuses; and it has confirmed all before it.

    Not judged: a session that was interrupted, and one with more blocks than a peer accepts.
    """
    published = {fact.cid: (record.peer, fact.number) for record, fact in history.facts(ReadingPublished)}
    most = session_began(history).session.network.max_row_blocks
    if history.ended_by is not EndedBy.QUIET or len(published) + len(history.of(RowsPublished)) > most:
        return
    numbers: dict[str, set[int]] = {}
    for sensor, number in published.values():
        numbers.setdefault(sensor, set()).add(number)
    for sensor, known in numbers.items():
        if missing := set(range(1, max(known))) - known:
            yield f"{sensor} lost reading {min(missing)}: the feed has confirmed {max(known)} and not it"
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
    """Two sentences about a session with sensors; none for others."""
    published, delays = {reading.cid for _, reading in history.facts(ReadingPublished)}, reading_delays(history)
    if not published:
        return []
    after = f"; the first model came {median(delays):.1f} s (median) after the feed had it" if delays else ""
    inside = [sum(readings.values()) for readings in readings_in_models(history).values()]
    found = " to ".join(map(str, sorted({min(inside), max(inside)}))) if any(inside) else "none"
    return [
        f"{len(delays)} of {len(published)} readings of sensors were trained on{after}.",
        f"The last models of peers descend, by training and averaging, from {found} of these readings.",
    ]


# private


def _ends_of_faults(history: History, sensor: str) -> Iterator[float]:
    """When each fault that stopped this sensor was healed; infinity: never."""
    for fault in recorded_faults(history):
        if fault.kind is FaultKind.FEED_KILL or fault.kind.of_sensors and sensor in fault.targets:
            yield inf if fault.end is None else fault.end
