"""How a sensor makes readings of lines of CSV, and what it keeps over a restart."""

import csv
import json
import os
import struct
from collections.abc import Sequence
from dataclasses import dataclass
from math import isfinite
from pathlib import Path

from learnae.errors import InputError
from learnae.input_file import read_utf8
from learnae.messages.foreign_json import from_json
from learnae.messages.readings import SensorOutbox, SensorRows
from learnae.runtime.sensor_file import SensorFile


class RowReader:
    """Turns lines of CSV into rows.  ``bad``: lines that were left out."""

    def __init__(self, file: SensorFile, header: str, name: str) -> None:
        """``header``: the first line.  Raises InputError if a column is missing."""
        try:
            names = _fields(header)
        except csv.Error:
            names = []
        if missing := [column for column in (*file.columns, file.label) if column not in names]:
            raise InputError(f"{name} has no column '{missing[0]}': its first line must name the columns")
        self._file = file
        self._places = [names.index(column) for column in file.columns]
        self._label = names.index(file.label)
        self._classes = {text: number for number, text in enumerate(file.classes)}
        self.bad = 0

    def rows(self, lines: Sequence[str]) -> SensorRows | None:
        """None if all lines are bad."""
        features, labels = [], bytearray()
        for line in lines:
            try:
                fields = _fields(line)
                features.append(self._features(fields))
                labels.append(self._classes[fields[self._label].strip()])
            except (csv.Error, ValueError, IndexError, KeyError, OverflowError, struct.error):
                del features[len(labels) :]
                self.bad += 1
        return SensorRows(len(self._places), b"".join(features), bytes(labels)) if labels else None

    def _features(self, fields: Sequence[str]) -> bytes:
        values = [float(fields[place]) for place in self._places]
        scaled = [
            (value - mean) / std for value, mean, std in zip(values, self._file.mean, self._file.std, strict=True)
        ]
        packed = struct.pack(f"<{len(scaled)}f", *scaled)
        if not all(map(isfinite, struct.unpack(f"<{len(scaled)}f", packed))):
            raise ValueError("not a finite number")
        return packed


def _fields(line: str) -> list[str]:
    """Of one line; no value contains a line break.  Raises csv.Error."""
    return next(csv.reader([line]), [])


@dataclass
class SensorState:
    """What a sensor must remember: ``lines`` it has read, and its readings.  Without a file it remembers nothing."""

    path: Path | None
    lines: int = 0

    def restore(self, outbox: SensorOutbox) -> None:
        """Raises InputError for a damaged file, or one of another session or sensor."""
        if self.path is None:
            return
        try:
            match from_json(read_utf8(self.path)):
                case {
                    "session": str(session),
                    "sensor": str(sensor),
                    "lines": int(lines),
                    "number": int(number),
                    "previous": str(previous),
                    "unconfirmed": dict(waiting),
                }:
                    if (session, sensor) != (outbox.session, outbox.sensor):
                        raise InputError(f"{self.path} is the state of another session or sensor: name another file")
                    self.lines, outbox.number, outbox.previous = lines, number, bytes.fromhex(previous)
                    outbox.unconfirmed = {int(at): bytes.fromhex(message) for at, message in waiting.items()}
                    return
        except FileNotFoundError:
            return
        except OSError as error:
            raise InputError(f"{self.path} cannot be read ({error.strerror}): name another file by --state") from None
        except (ValueError, TypeError, RecursionError):
            pass
        raise InputError(f"{self.path} is not the state of a sensor: delete it to begin anew with other rows")

    def save(self, outbox: SensorOutbox) -> None:
        """Raises InputError."""
        if self.path is None:
            return
        state = {
            "session": outbox.session,
            "sensor": outbox.sensor,
            "lines": self.lines,
            "number": outbox.number,
            "previous": outbox.previous.hex(),
            "unconfirmed": {str(number): message.hex() for number, message in outbox.unconfirmed.items()},
        }
        new = self.path.with_name(self.path.name + ".new")
        try:
            new.write_text(json.dumps(state), encoding="utf-8")
            os.replace(new, self.path)
        except OSError as error:
            raise InputError(f"{new} cannot be written ({error.strerror}): name another file by --state") from None
