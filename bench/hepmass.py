"""Does a full-size HEPMASS file go through `learnae data hepmass`, how fast, and in how much memory?

Makes a file of UCI's form, quirks included (random numbers: only size and form count), converts it in a process of its
own, and prints rows/s and that process's peak of memory, which must stay below 1 GB.  Then the same file, cut off.

    python bench/hepmass.py [--gigabytes 2.1] [--folder DIR]
"""

import argparse
import gzip
import os
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import numpy as np

DISTINCT = 20_000  # lines made; each block holds them in another order
LIMIT = 1 << 30  # bytes of memory


def lines(dice: np.random.Generator) -> list[bytes]:
    """As UCI's: label first, 18 digits, mass last and slightly off."""
    label = dice.integers(0, 2, DISTINCT)
    features = dice.normal(label[:, None] * 0.3, 1, (DISTINCT, 27))
    mass = dice.choice([500, 750, 1000, 1250, 1500], DISTINCT) * (1 + dice.normal(0, 1e-7, DISTINCT))
    rows = np.column_stack([label, features, mass])
    form = ",".join(["%.18e"] * 29) + "\n"
    return [(form % tuple(row)).encode() for row in rows.tolist()]


def write(path: Path, size: int) -> tuple[int, int]:
    """Rows and bytes before compression."""
    dice = np.random.default_rng(0)
    known, rows = lines(dice), 0
    header = ("# label," + ",".join(f"f{number}" for number in range(27)) + ",mass\n").encode()
    written = len(header)
    with gzip.open(path, "wb", 1) as file:
        file.write(header)
        while written < size:
            block = b"".join(known[place] for place in dice.permutation(DISTINCT))
            file.write(block)
            written, rows = written + len(block), rows + DISTINCT
    return rows, written


def convert(path: Path, folder: Path) -> tuple[int, str, float, int]:
    """Exit code, last line said, seconds, peak memory in bytes."""
    command = ["env", f"LEARNAE_DATA={folder}", sys.executable, "-m", "learnae", "data", "hepmass", str(path)]
    began = time.perf_counter()
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True) as process:
        assert process.stdout
        said = process.stdout.read()
        _, status, used = os.wait4(process.pid, 0)
        process.returncode = os.waitstatus_to_exitcode(status)
    peak = used.ru_maxrss * (1 if sys.platform == "darwin" else 1024)
    return process.returncode, said, time.perf_counter() - began, peak


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument(
        "--gigabytes", type=float, default=2.1, help="size of the file before compression (default 2.1)"
    )
    parser.add_argument("--folder", type=Path, help="where to work, instead of the system's temporary folder")
    arguments = parser.parse_args()
    with tempfile.TemporaryDirectory(dir=arguments.folder) as name:
        folder = Path(name)
        path = folder / "all_synthetic.csv.gz"
        began = time.perf_counter()
        rows, size = write(path, int(arguments.gigabytes * 1e9))
        print(
            f"made {rows:,} rows, {size / 1e9:.2f} GB, packed {path.stat().st_size / 1e9:.2f} GB "
            f"in {time.perf_counter() - began:.0f} s",
            flush=True,
        )
        code, said, seconds, peak = convert(path, folder)
        print(said, end="")
        print(f"converted in {seconds:.1f} s: {rows / seconds:,.0f} rows/s, {size / seconds / 1e6:.0f} MB/s of text")
        print(f"peak memory {peak / 1e6:.0f} MB, written {_size(folder / 'hepmass') / 1e6:.0f} MB")
        os.truncate(path, path.stat().st_size // 2)
        before = _size(folder / "hepmass")
        cut, told, *_ = convert(path, folder)
        print(f"cut in half: exit code {cut}: {told.splitlines()[-1]}")
        if (code, cut) != (0, 2) or peak > LIMIT or _size(folder / "hepmass") != before:
            raise SystemExit("FAILED")


def _size(folder: Path) -> int:
    return sum(path.stat().st_size for path in folder.iterdir())


if __name__ == "__main__":
    main()
