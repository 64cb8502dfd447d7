"""Readings of sensors: what comes back is what was sent; replays, forgeries, gaps and reordering are counted."""

import hashlib
import random
import struct
from collections import Counter

import pytest
from hypothesis import given
from hypothesis import strategies as st
from tests.helpers.fuzzing import damaged

from learnae.errors import BadMessage, Reason
from learnae.messages import readings
from learnae.messages.ids import base64url, peer_id
from learnae.messages.readings import (
    FIRST,
    HEADER,
    SIGNATURE,
    FeedCounts,
    ReadingLog,
    SensorOutbox,
    SensorRows,
    decode_reading,
    digest,
    encode_reading,
    max_rows,
)
from learnae.messages.wire import MAX_READING, SIGNING_PREFIX, cid_of, rows_text
from learnae.protocol.types import Cid, PeerId

SESSION, OTHER = cid_of(b"a session"), cid_of(b"another session")
SENSOR, STRANGER = peer_id(bytes(range(32))), peer_id(bytes(32))
COLUMNS, CLASSES = 3, 2


def signature(peer: PeerId, message: bytes) -> bytes:
    """Stands for Ed25519, which needs more than Python."""
    return hashlib.sha512(peer.encode() + message).digest()


def verify(peer: PeerId, message: bytes, signed: bytes) -> bool:
    return signature(peer, message) == signed


def rows(number: int, count: int = 2, columns: int = COLUMNS) -> SensorRows:
    values = [number + index / 4 for index in range(count * columns)]
    return SensorRows(columns, struct.pack(f"<{len(values)}f", *values), bytes(index % 2 for index in range(count)))


def message(
    number: int,
    previous: bytes = FIRST,
    content: SensorRows | None = None,
    session: Cid = SESSION,
    sensor: PeerId = SENSOR,
) -> bytes:
    return encode_reading(
        session, sensor, number, previous, content or rows(number), lambda text: signature(sensor, text)
    )


def chain(count: int) -> list[bytes]:
    """The readings of one sensor, in order."""
    made: list[bytes] = []
    for number in range(1, count + 1):
        made.append(message(number, digest(made[-1]) if made else FIRST))
    return made


def log() -> ReadingLog:
    return ReadingLog(SESSION, [SENSOR], COLUMNS, CLASSES, verify)


def refusal(reader: ReadingLog, received: bytes) -> Reason:
    with pytest.raises(BadMessage) as refused:
        reader.accept(received)
    return refused.value.reason


@given(
    st.integers(1, 5).flatmap(
        lambda columns: st.lists(
            st.tuples(
                st.lists(st.floats(width=32, allow_nan=False), min_size=columns, max_size=columns), st.integers(0, 255)
            ),
            min_size=1,
            max_size=20,
        )
    ),
    st.integers(1, 2**32 - 1),
    st.binary(min_size=32, max_size=32),
)
def test_a_reading_comes_back_as_it_was_made(
    table: list[tuple[list[float], int]], number: int, previous: bytes
) -> None:
    columns = len(table[0][0])
    values = [value for row, _ in table for value in row]
    content = SensorRows(columns, struct.pack(f"<{len(values)}f", *values), bytes(label for _, label in table))
    reading = decode_reading(message(number, previous, content))
    assert (reading.session, reading.sensor, reading.number, reading.previous) == (SESSION, SENSOR, number, previous)
    assert reading.rows == content


def test_the_bytes_of_a_reading_and_of_its_row_block_stay_the_same() -> None:
    made = message(1)
    assert len(made) == HEADER.size + 2 * (4 * COLUMNS + 1) + 2 * SIGNATURE
    assert hashlib.sha256(made).hexdigest() == "57efec74efa0e032d8cf950919db7c15ce05f2b9e17640fec5e6179eb22d0a6e"
    assert (
        hashlib.sha256(rows(1).block).hexdigest() == "4d08fd65b5408814a42976c6c0e8c98537c37436ec3fe3de092be5cf256a7aa1"
    )


def test_a_reading_is_announced_as_a_row_block_that_its_sensor_has_signed() -> None:
    announcement = decode_reading(message(3, bytes(31) + b"x")).announcement
    block = announcement.rows
    assert (block.creator, block.number, block.cid) == (SENSOR, 3, cid_of(rows(3).block))
    expected = signature(SENSOR, SIGNING_PREFIX + rows_text(SESSION, block))
    assert announcement.signature == base64url(expected) and announcement.session == SESSION


@pytest.mark.parametrize("columns", [1, 28, 1000])
def test_the_longest_reading_fits_the_feed(columns: int) -> None:
    longest = message(1, content=rows(1, max_rows(columns), columns))
    assert MAX_READING - 4 * columns - 1 < len(longest) <= MAX_READING
    with pytest.raises(BadMessage, match="oversize"):
        decode_reading(message(1, content=rows(1, max_rows(columns) + 1, columns)))


@given(st.binary(max_size=400) | st.binary(max_size=300).map(lambda noise: message(1)[:150] + noise))
def test_whatever_else_arrives_is_refused_and_counted(noise: bytes) -> None:
    reader = log()
    reason = refusal(reader, noise)
    assert reader.counts == FeedCounts(0, 0, 0, {reason: 1})


@given(st.integers(0, len(message(1)) - 1), st.integers(1, 255))
def test_a_reading_with_one_changed_byte_is_refused(place: int, change: int) -> None:
    changed = bytearray(message(1))
    changed[place] ^= change
    reader = log()
    refusal(reader, bytes(changed))
    assert reader.accept(message(1)).number == 1


def nan() -> SensorRows:
    return SensorRows(COLUMNS, struct.pack("<3f", 0.0, float("nan"), 0.0), b"\0")


@pytest.mark.parametrize(
    ("received", "reason"),
    [
        (bytes(MAX_READING + 1), Reason.OVERSIZE),
        (b"\x02" + message(1)[1:], Reason.VERSION),
        (message(1)[:-1], Reason.MALFORMED),
        (message(0), Reason.MALFORMED),
        (message(1, session=OTHER), Reason.SESSION),
        (message(1, sensor=STRANGER), Reason.SENSOR),
        (message(1)[:-SIGNATURE] + bytes(SIGNATURE), Reason.SIGNATURE),
        (message(1, content=rows(1, columns=2)), Reason.SHAPE),
        (message(1, content=SensorRows(COLUMNS, bytes(12), b"\x02")), Reason.LABELS),
        (message(1, content=nan()), Reason.NOT_FINITE),
        (message(1, previous=bytes(31) + b"x"), Reason.FORK),
        (message(2), Reason.FORK),
    ],
)
def test_a_bad_reading_is_refused_with_a_reason(received: bytes, reason: Reason) -> None:
    assert refusal(log(), received) is reason


def test_a_signature_of_the_rows_alone_is_not_enough_nor_one_of_the_rest() -> None:
    good = message(1)
    head, tail = good[: -2 * SIGNATURE], signature(SENSOR, b"another")
    forged = head + tail
    assert refusal(log(), forged + good[-SIGNATURE:]) is Reason.SIGNATURE
    assert refusal(log(), forged + signature(SENSOR, readings.DOMAIN + forged)) is Reason.SIGNATURE


def test_a_replay_is_refused_however_often_it_comes() -> None:
    reader = log()
    for received in chain(3):
        reader.accept(received)
    assert [refusal(reader, received) for received in chain(3) * 2] == [Reason.REPEAT] * 6
    assert reader.counts == FeedCounts(3, 0, 0, {Reason.REPEAT: 6})


def test_a_gap_is_counted_until_it_is_filled() -> None:
    reader, (first, second, third) = log(), chain(3)
    reader.accept(third)
    assert reader.counts == FeedCounts(1, 0, 2, {})
    reader.accept(first)
    assert reader.counts == FeedCounts(2, 1, 1, {})
    reader.accept(second)
    assert reader.counts == FeedCounts(3, 2, 0, {})


@given(st.permutations(range(6)))
def test_every_order_gives_the_same_readings(order: list[int]) -> None:
    reader, sent = log(), chain(6)
    assert {reader.accept(sent[index]).number for index in order} == set(range(1, 7))
    assert reader.counts.missing == 0


@pytest.mark.parametrize("order", [(0, 1), (1, 0)])
def test_a_second_history_of_a_sensor_is_refused(order: tuple[int, int]) -> None:
    true = chain(2)
    other = message(1, content=rows(9))
    reader = log()
    reader.accept(true[0])
    assert refusal(reader, other) is Reason.FORK
    late = log()
    pair = (other, true[1])
    late.accept(pair[order[0]])
    assert refusal(late, pair[order[1]]) is Reason.FORK


def test_what_a_log_remembers_is_limited_and_what_is_older_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(readings, "WINDOW", 3)
    reader, sent = log(), chain(10)
    for received in sent[1:]:
        reader.accept(received)
    assert refusal(reader, sent[0]) is Reason.STALE
    assert refusal(reader, sent[9]) is Reason.REPEAT


def test_a_sensor_keeps_each_reading_until_it_is_confirmed_and_continues_where_it_ended() -> None:
    outbox = SensorOutbox(SESSION, SENSOR, lambda text: signature(SENSOR, text))
    made = [outbox.add(rows(number)) for number in (1, 2, 3)]
    assert made == chain(3) and list(outbox.unconfirmed) == [1, 2, 3]
    outbox.confirm(2)
    outbox.confirm(2)
    assert outbox.unconfirmed == {1: made[0], 3: made[2]}
    later = SensorOutbox(SESSION, SENSOR, lambda text: signature(SENSOR, text), outbox.number, outbox.previous)
    assert later.add(rows(4)) == chain(4)[3]


def fuzzed(count: int, seed: int) -> Counter[Reason | None]:
    """Why so many damaged readings were refused, half of them signed again by their sensor; None: accepted."""
    rng, sent, found = random.Random(seed), chain(20), Counter[Reason | None]()
    reader = log()
    for _ in range(count):
        received = damaged(rng, rng.choice(sent))
        if rng.random() < 0.5 and len(received) > 2 * SIGNATURE:
            received = signed_again(received[: -2 * SIGNATURE])
        try:
            reading = reader.accept(received)
        except BadMessage as error:
            found[error.reason] += 1
            continue
        found[None] += 1
        assert signature(SENSOR, readings.DOMAIN + received[:-SIGNATURE]) == received[-SIGNATURE:]
        assert (reading.session, reading.sensor, reading.rows.columns) == (SESSION, SENSOR, COLUMNS)
        reader = log() if rng.random() < 0.5 else reader
    return found


def signed_again(body: bytes) -> bytes:
    try:
        announcement = decode_reading(body + bytes(2 * SIGNATURE)).announcement
        rows_signed = signature(SENSOR, SIGNING_PREFIX + rows_text(SESSION, announcement.rows))
    except BadMessage:
        rows_signed = bytes(SIGNATURE)
    return body + rows_signed + signature(SENSOR, readings.DOMAIN + body + rows_signed)


def test_a_damaged_reading_is_refused_or_one_that_its_sensor_signed() -> None:
    expected = {Reason.MALFORMED, Reason.VERSION, Reason.SESSION, Reason.SENSOR, Reason.SIGNATURE, Reason.REPEAT, None}
    assert fuzzed(2000, seed=1).keys() >= expected


@pytest.mark.soak
def test_of_a_million_damaged_readings_none_is_taken_for_another() -> None:
    assert sum(fuzzed(1_000_000, seed=2).values()) == 1_000_000
