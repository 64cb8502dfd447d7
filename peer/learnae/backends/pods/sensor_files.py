"""The files of a sensor: what it is, and its rows as the device would measure them."""

import csv
import struct
from math import ceil
from pathlib import Path
from typing import cast

from learnae.adapters.ipfs_keys import IpfsIdentity
from learnae.protocol.types import Cid
from learnae.runtime.learning import Learning
from learnae.runtime.sensor_file import SensorFile

SENSOR, CSV = "sensor.json", "rows.csv"
LABEL = "label"


def count_readings(folder: Path, rows: int) -> int:
    """How many readings of ``rows`` rows the sensor of this folder has."""
    with (folder / CSV).open(encoding="utf-8") as file:
        lines = sum(1 for _ in file)
    return ceil((lines - 1) / rows)


def write_sensor(
    folder: Path, name: str, index: int, identity: IpfsIdentity, learning: Learning, session: Cid, feed: str
) -> None:
    """``index``: of the sensor in the roster.  ``feed``: URL."""
    mean, std = (cast("list[float]", learning.statistics[part]) for part in ("mean", "std"))
    columns = [f"x{number}" for number in range(learning.features)]
    classes = tuple(str(number) for number in range(cast(int, learning.statistics["classes"])))
    SensorFile(
        name, session, identity.sensor_key.secret.hex(), feed, tuple(columns), tuple(mean), tuple(std), LABEL, classes
    ).write(folder / SENSOR)
    with (folder / CSV).open("w", encoding="utf-8", newline="") as file:
        lines = csv.writer(file)
        lines.writerow([*columns, LABEL])
        for rows in learning.readings(index):
            features = struct.iter_unpack(f"<{len(columns)}f", rows.features)
            for standardised, label in zip(features, rows.labels, strict=True):
                measured = [value * s + m for value, m, s in zip(standardised, mean, std, strict=True)]
                lines.writerow([*measured, classes[label]])
