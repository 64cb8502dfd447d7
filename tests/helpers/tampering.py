"""Ways to edit a run directory."""

import json
import sqlite3
from collections.abc import Callable
from contextlib import closing
from dataclasses import replace
from pathlib import Path
from typing import Any

from learnae.adapters.sqlite_journal import read_journal
from learnae.messages.codec import encode, to_json
from learnae.protocol.events import Event, ModelScored, SessionClosed
from learnae.protocol.replay import digest, new_peer

Tamper = Callable[[Path], None]
Events = list[Event]
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


def events(file: str, change: Callable[[Events], Events]) -> Tamper:
    """Change the events of a live peer, with the digests of what a peer does then: the journal is consistent."""

    def tamper(run: Path) -> None:
        config, entries, *_ = read_journal(run / file)
        changed = change([event for event, _ in entries])
        assert changed != [event for event, _ in entries]
        peer = new_peer(config)
        rows = [
            (to_json(encode(event)), digest(peer.handle(event)), number)
            for number, event in enumerate(changed, start=1)
        ]
        with closing(sqlite3.connect(run / file)) as connection, connection:
            connection.executemany("UPDATE events SET event = ?, digest = ? WHERE number = ?", rows)
            connection.execute("DELETE FROM events WHERE number > ?", (len(changed),))

    return tamper


def lower_last_score(events: Events) -> Events:
    """The last attempt, which failed, failed by one row more."""
    last = max(number for number, event in enumerate(events) if isinstance(event, ModelScored))
    scored = events[last]
    assert isinstance(scored, ModelScored)
    lower = replace(scored, score=replace(scored.score, correct=scored.score.correct - 1))
    return [*events[:last], lower, *events[last + 1 :]]


def end_later(events: Events) -> Events:
    assert isinstance(events[-1], SessionClosed)
    return [*events[:-1], replace(events[-1], at=events[-1].at + 1)]


def in_roster(change: Callable[[list[dict[str, Any]]], object]) -> Tamper:
    def tamper(run: Path) -> None:
        roster = json.loads((run / "roster.json").read_text())
        change(roster["peers"])
        (run / "roster.json").write_text(json.dumps(roster))

    return tamper


def exchange_names(peers: list[dict[str, Any]]) -> None:
    peers[1], peers[2] = peers[2] | {"name": peers[1]["name"]}, peers[1] | {"name": peers[2]["name"]}


def both(one: Tamper, other: Tamper) -> Tamper:
    def tamper(run: Path) -> None:
        one(run)
        other(run)

    return tamper
