"""Ways to edit a run directory."""

import json
import sqlite3
from collections.abc import Callable
from contextlib import closing
from pathlib import Path
from typing import Any

Tamper = Callable[[Path], None]
Lines = Callable[[list[str]], list[str]]

HISTORY, CHAIN, VERDICT, SESSION = "history.jsonl", "chain.jsonl", "verdict.json", "session.toml"


def lines(file: str, change: Lines) -> Tamper:
    def tamper(run: Path) -> None:
        path = run / file
        path.write_text("".join(line + "\n" for line in change(path.read_text().splitlines())))

    return tamper


def records(kind: str, change: Callable[[dict[str, Any]], object], file: str = HISTORY) -> Tamper:
    """Change all records of one kind in place."""

    def changed(line: str) -> str:
        record = json.loads(line)
        if record["kind"] == kind:
            before = json.dumps(record)
            change(record)
            assert json.dumps(record) != before
        return json.dumps(record, separators=(",", ":"))

    return lines(file, lambda text: [changed(line) for line in text])


def without(condition: Callable[[dict[str, Any]], bool], file: str = HISTORY) -> Tamper:
    def change(text: list[str]) -> list[str]:
        kept = [line for line in text if not condition(json.loads(line))]
        assert len(kept) < len(text)
        return kept

    return lines(file, change)


def setting(**values: Any) -> Callable[[dict[str, Any]], object]:
    return lambda record: record.update(values)


def swap_roles(record: dict[str, Any]) -> None:
    first, second = record["roster"][0], record["roster"][1]
    first["policy"], second["policy"] = second["policy"], first["policy"]


def shuffle_times(text: list[str]) -> list[str]:
    """Exchange the times of two records of one peer."""
    told = [json.loads(line) for line in text]
    mine = [number for number, record in enumerate(told) if record["peer"] == "p01"]
    one, other = mine[3], mine[-3]
    assert told[one]["t"] != told[other]["t"]
    told[one]["t"], told[other]["t"] = told[other]["t"], told[one]["t"]
    return [json.dumps(record, separators=(",", ":")) for record in told]


def exchange(one: str, other: str) -> Tamper:
    def tamper(run: Path) -> None:
        (run / one).rename(run / "third")
        (run / other).rename(run / one)
        (run / "third").rename(run / other)

    return tamper


def content(file: str, change: Callable[[bytes], bytes]) -> Tamper:
    def tamper(run: Path) -> None:
        before = (run / file).read_bytes() if (run / file).exists() else b""
        (run / file).write_bytes(change(before))
        assert (run / file).read_bytes() != before

    return tamper


def removed(file: str) -> Tamper:
    return lambda run: (run / file).unlink()


def linked(file: str) -> Tamper:
    def tamper(run: Path) -> None:
        (run / file).rename(run.parent / "elsewhere")
        (run / file).symlink_to(run.parent / "elsewhere")

    return tamper


def verdict_of(change: Callable[[dict[str, Any]], object]) -> Tamper:
    def tamper(run: Path) -> None:
        verdict = json.loads((run / VERDICT).read_text())
        change(verdict)
        (run / VERDICT).write_text(json.dumps(verdict, indent=2) + "\n")

    return tamper


def in_seal(change: Callable[[dict[str, Any]], object]) -> Tamper:
    def tamper(run: Path) -> None:
        seal = json.loads((run / "seal.json").read_text())
        change(seal)
        (run / "seal.json").write_text(json.dumps(seal))

    return tamper


def sql(file: str, statement: str) -> Tamper:
    def tamper(run: Path) -> None:
        with closing(sqlite3.connect(run / file)) as connection, connection:
            assert connection.execute(statement).rowcount

    return tamper
