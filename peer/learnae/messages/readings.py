"""Readings: the messages in which a sensor publishes its rows on a feed.

    version  session  sensor's key  number  previous  columns  rows  features  labels  signature of rows  signature
          1       36            32       4        32        2     2   4 x n x c       n                 64         64

Integers are little-endian, features float32, a label is one byte.  ``number`` counts a sensor's readings from 1;
``previous`` is the SHA-256 of the one before.  The rows of a reading are one row block.  The sensor signs it as any
creator of row blocks does, so that every receiver of the reading can announce the block and none can alter it.
"""

import hashlib
import json
import struct
from collections import Counter
from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass
from math import isfinite

from learnae.errors import BadMessage, Reason
from learnae.messages.ids import CID_PREFIX, base64url, cid_from_bytes, cid_to_bytes, peer_id, public_key
from learnae.messages.wire import MAX_READING, SIGNING_PREFIX, cid_of, rows_text
from learnae.protocol.row_types import RowBlock, RowsAnnouncement
from learnae.protocol.types import Cid, PeerId

Sign = Callable[[bytes], bytes]
Verify = Callable[[PeerId, bytes, bytes], bool]

VERSION = 1
HEADER = struct.Struct("<B36s32sI32sHH")
SIGNATURE = 64  # bytes
FIRST = bytes(32)  # ``previous`` of a sensor's first reading
DOMAIN = b"learnae reading 1"  # signed together with a reading
MAX_CLASSES = 256
WINDOW = 1000  # newest readings of a sensor that are remembered; older ones are refused


@dataclass(frozen=True, slots=True)
class SensorRows:
    """Standardised rows.  ``features``: (n, columns) little-endian float32; ``labels``: one byte per row."""

    columns: int
    features: bytes
    labels: bytes

    @property
    def block(self) -> bytes:
        """The row block: safetensors, exactly as ``learn.row_blocks`` encodes these rows."""
        count, size = len(self.labels), len(self.features)
        tensors = {
            "features": {"dtype": "F32", "shape": [count, self.columns], "data_offsets": [0, size]},
            "labels": {"dtype": "I32", "shape": [count], "data_offsets": [size, size + 4 * count]},
        }
        header = json.dumps(tensors, separators=(",", ":")).encode()
        header += b" " * (-len(header) % 8)
        return struct.pack("<Q", len(header)) + header + self.features + struct.pack(f"<{count}I", *self.labels)


@dataclass(frozen=True, slots=True)
class Reading:
    session: Cid
    sensor: PeerId
    number: int
    previous: bytes
    rows: SensorRows
    rows_signature: bytes

    @property
    def announcement(self) -> RowsAnnouncement:
        """What any peer may announce under the sensor's name."""
        rows = RowBlock(self.sensor, self.number, cid_of(self.rows.block))
        return RowsAnnouncement(self.session, rows, base64url(self.rows_signature), ())


@dataclass(frozen=True, slots=True)
class FeedCounts:
    """Messages since a peer began to follow the feed.

    ``verified``: new readings.  ``reordered``: those that arrived after a later one.  ``missing``: readings that have
    not arrived although a later one has.  ``refused``: messages that were dropped.
    """

    verified: int
    reordered: int
    missing: int
    refused: Mapping[Reason, int]


def max_rows(columns: int) -> int:
    """How many rows fit into one reading."""
    return (MAX_READING - HEADER.size - 2 * SIGNATURE) // (4 * columns + 1)


def digest(message: bytes) -> bytes:
    """``previous`` of the reading that follows this one."""
    return hashlib.sha256(message).digest()


def encode_reading(session: Cid, sensor: PeerId, number: int, previous: bytes, rows: SensorRows, sign: Sign) -> bytes:
    """``sign``: with the sensor's key."""
    block = RowBlock(sensor, number, cid_of(rows.block))
    header = HEADER.pack(
        VERSION, cid_to_bytes(session), public_key(sensor), number, previous, rows.columns, len(rows.labels)
    )
    signed = header + rows.features + rows.labels + sign(SIGNING_PREFIX + rows_text(session, block))
    return signed + sign(DOMAIN + signed)


def decode_reading(message: bytes) -> Reading:
    """Without a look at signatures and values.  Raises BadMessage: OVERSIZE, MALFORMED, VERSION."""
    if len(message) > MAX_READING:
        raise BadMessage(Reason.OVERSIZE)
    if len(message) < HEADER.size:
        raise BadMessage(Reason.MALFORMED)
    version, session, key, number, previous, columns, count = HEADER.unpack_from(message)
    if version != VERSION:
        raise BadMessage(Reason.VERSION)
    labels = HEADER.size + 4 * columns * count
    end = labels + count
    if not (columns and count and number and session.startswith(CID_PREFIX)) or len(message) != end + 2 * SIGNATURE:
        raise BadMessage(Reason.MALFORMED)
    rows = SensorRows(columns, message[HEADER.size : labels], message[labels:end])
    signature = message[end : end + SIGNATURE]
    return Reading(cid_from_bytes(session), peer_id(key), number, previous, rows, signature)


class SensorOutbox:
    """The readings that a sensor has made and that the feed has not confirmed: it publishes them until it has.

    ``number`` and ``previous``: of its last reading, if it made some before.
    """

    def __init__(self, session: Cid, sensor: PeerId, sign: Sign, number: int = 0, previous: bytes = FIRST) -> None:
        self.session, self.sensor, self._sign = session, sensor, sign
        self.number, self.previous = number, previous
        self.unconfirmed: dict[int, bytes] = {}  # by number, in order

    def add(self, rows: SensorRows) -> bytes:
        """The next reading."""
        self.number += 1
        message = encode_reading(self.session, self.sensor, self.number, self.previous, rows, self._sign)
        self.previous = digest(message)
        self.unconfirmed[self.number] = message
        return message

    def confirm(self, number: int) -> None:
        self.unconfirmed.pop(number, None)


class ReadingLog:
    """Which readings of a session's sensors have arrived, whatever a feed repeats, forges, loses or reorders."""

    def __init__(self, session: Cid, sensors: Collection[PeerId], columns: int, classes: int, verify: Verify) -> None:
        self._session, self._columns, self._classes, self._verify = session, columns, classes, verify
        self._sensors = {sensor: _SensorLog() for sensor in sensors}
        self._refused: Counter[Reason] = Counter()

    @property
    def counts(self) -> FeedCounts:
        logs = self._sensors.values()
        verified = sum(log.verified for log in logs)
        missing = sum(log.newest for log in logs) - verified
        return FeedCounts(verified, sum(log.reordered for log in logs), missing, dict(self._refused))

    def accept(self, message: bytes) -> Reading:
        """A new reading of one of the sensors.  Raises BadMessage, and counts it."""
        try:
            return self._accept(message)
        except BadMessage as error:
            self._refused[error.reason] += 1
            raise

    def _accept(self, message: bytes) -> Reading:
        reading = decode_reading(message)
        log = self._sensors.get(reading.sensor)
        if reading.session != self._session:
            raise BadMessage(Reason.SESSION)
        if log is None:
            raise BadMessage(Reason.SENSOR)
        log.require_new(reading, digest(message))  # most refused messages are repeats, and signatures take long
        rows, signed = reading.rows, message[:-SIGNATURE]
        announcement = reading.announcement
        text = SIGNING_PREFIX + rows_text(self._session, announcement.rows)
        if not self._verify(reading.sensor, DOMAIN + signed, message[-SIGNATURE:]) or not self._verify(
            reading.sensor, text, reading.rows_signature
        ):
            raise BadMessage(Reason.SIGNATURE)
        if rows.columns != self._columns:
            raise BadMessage(Reason.SHAPE)
        if max(rows.labels) >= self._classes:
            raise BadMessage(Reason.LABELS)
        if not all(map(isfinite, struct.unpack(f"<{len(rows.features) // 4}f", rows.features))):
            raise BadMessage(Reason.NOT_FINITE)
        log.require_consistent(reading, digest(message))
        log.add(reading, digest(message))
        return reading


class _SensorLog:
    """The newest readings of one sensor."""

    def __init__(self) -> None:
        self.newest = self.verified = self.reordered = 0
        self._known: dict[int, tuple[bytes, bytes]] = {}  # digests of a reading and of the one before it

    def require_new(self, reading: Reading, message: bytes) -> None:
        """Raises BadMessage: STALE, REPEAT."""
        if reading.number <= self.newest - WINDOW:
            raise BadMessage(Reason.STALE)
        if self._known.get(reading.number, (b"", b""))[0] == message:
            raise BadMessage(Reason.REPEAT)

    def require_consistent(self, reading: Reading, message: bytes) -> None:
        """Raises BadMessage FORK: the sensor has signed two different histories."""
        number = reading.number
        before, after = self._known.get(number - 1), self._known.get(number + 1)
        begins = (number == 1) == (reading.previous == FIRST)
        follows = before is None or before[0] == reading.previous
        precedes = after is None or after[1] == message
        if number in self._known or not (begins and follows and precedes):
            raise BadMessage(Reason.FORK)

    def add(self, reading: Reading, message: bytes) -> None:
        self.verified += 1
        self.reordered += reading.number < self.newest
        self.newest = max(self.newest, reading.number)
        self._known[reading.number] = message, reading.previous
        if len(self._known) > 2 * WINDOW:
            self._known = {number: known for number, known in self._known.items() if number > self.newest - WINDOW}
