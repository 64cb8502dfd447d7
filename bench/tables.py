"""What the programs about incentives share: defences, results that are kept in a file, tables."""

import json
from argparse import ArgumentParser, RawDescriptionHelpFormatter
from collections.abc import Callable, Iterable
from functools import cache
from pathlib import Path
from statistics import fmean
from typing import Any

from tools.generate import Part

from learnae.learn.datasets.dataset import Dataset
from learnae.learn.datasets.sources import load_dataset
from learnae.runs.provenance import result_key
from learnae.runtime.torch_learning import TorchLearning
from learnae.session.settings import DataSettings, Session

DEFENCES: dict[str, dict[str, Any]] = {  # by name in the tables: tables of a session file
    "none": {},
    "reciprocity": {"defence": {"kind": "reciprocity", "scope": "all", "limit": 1, "grace": 4.0}},
    "profiles": {"defence": {"kind": "profiles"}},
}
AGAINST_COPIES: dict[str, dict[str, Any]] = {
    "lineage": {"reward": {"lineage": "0.5"}},
    "similarity": {"defence": {"similar": "0.995"}},
}


class KeptResults:
    """Results of sessions, in a file to which each is added, so that an interrupted program continues.

    They are kept by session, data and program (``result_key``).  ``part``: what else distinguishes two of them.
    """

    def __init__(self, path: Path) -> None:
        self._path = path
        path.parent.mkdir(parents=True, exist_ok=True)
        lines = path.read_text(encoding="utf-8").splitlines() if path.exists() else []
        self._results = {entry["key"]: entry["result"] for entry in map(json.loads, lines)}

    def get(self, session: Session, part: str, compute: Callable[[], dict[str, Any]]) -> dict[str, Any]:
        key = f"{result_key(session)} {part}"
        if key not in self._results:
            self._results[key] = compute()
            with self._path.open("a", encoding="utf-8") as file:
                file.write(json.dumps({"key": key, "result": self._results[key]}) + "\n")
        result: dict[str, Any] = self._results[key]
        return result


def learning(session: Session) -> TorchLearning:
    """On one core.  The data is read once."""
    return TorchLearning(session, threads=1, table=_dataset(session.data))


def publish(rows: Iterable[str], part: str, page: Path | None) -> None:
    """Print each row once it is known; then put all of them into the page, between the comments of this part."""
    known = []
    for row in rows:
        print(row, flush=True)
        known.append(row)
    if page:
        text = Part(page.name, part, lambda: "\n".join(known)).updated(page.read_text(encoding="utf-8"))
        page.write_text(text, encoding="utf-8")


def band(values: Iterable[float], digits: int = 2) -> str:
    """Mean, and range; "-" if there are none."""
    known = list(values)
    if not known:
        return "-"
    mean, low, high = (f"{round(value, digits) + 0.0:.{digits}f}" for value in (fmean(known), min(known), max(known)))
    return f"{mean} ({low} to {high})"  # + 0.0: no negative zero


def options(description: str | None, out: str | None = None) -> ArgumentParser:
    """``out``: where the program keeps its results, if it does."""
    parser = ArgumentParser(description=description, formatter_class=RawDescriptionHelpFormatter)
    parser.add_argument("--seeds", type=int, default=10)
    parser.add_argument("--into", type=Path, metavar="PAGE", help="put the table into this page, too")
    if out:
        parser.add_argument("--out", type=Path, default=Path(out))
    return parser


@cache
def _dataset(data: DataSettings) -> Dataset:
    return load_dataset(data)
