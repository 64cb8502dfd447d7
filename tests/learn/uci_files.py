"""Files of UCI's form, small, with whatever is wrong in them."""

import gzip
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

HEADER = "# label," + ",".join(f"f{number}" for number in range(27))
MASSES = (500, 750, 1000, 1250, 1500)


def values(rows: int = 300, seed: int = 0) -> NDArray[np.float64]:
    """(R, 29): label, features, mass."""
    dice = np.random.default_rng(seed)
    label, mass = dice.integers(0, 2, rows), dice.choice(MASSES, rows) + dice.normal(0, 1e-4, rows)
    return np.column_stack([label, dice.normal(0.3, 2, (rows, 27)), mass])


def lines(rows: NDArray[np.float64]) -> list[str]:
    return [",".join(f"{value:.18e}" for value in row) for row in rows.tolist()]


def write(path: Path, rows: list[str], header: str = HEADER + ",mass") -> Path:
    text = "\n".join([header, *rows, ""])
    path.write_bytes(gzip.compress(text.encode(), 1, mtime=0))
    return path


def sound(folder: Path, name: str = "all_part.csv.gz", rows: int = 300, seed: int = 0) -> Path:
    return write(folder / name, lines(values(rows, seed)))
