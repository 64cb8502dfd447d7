"""The swarm over HTTP: what the page is sent, what it is not sent twice, and what it may load."""

import asyncio
import json
import re
from collections.abc import AsyncGenerator, AsyncIterator, Coroutine
from contextlib import aclosing, asynccontextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import httpx
import pytest
from fastapi import FastAPI
from tests.helpers.histories import GOOD, TOLD

from learnae.analysis.checks import verdict
from learnae.records.history import History, Record, SessionBegan
from learnae.records.roster_entry import RosterEntry
from learnae.web.api.guard import Guard
from learnae.web.api.server import listen, serve, url
from learnae.web.api.swarm_app import swarm_app
from learnae.web.event_log import EventLog
from learnae.web.live_page.page_state import LOG_LINES, MIN_INTERVAL, PageState

RECORDS = GOOD.records
NASTY = """</script><script>alert(1)</script><img src=x onerror="alert(2)">'&"""
DEADLINE = 60.0  # s for a whole conversation


def board_of(*records: Record) -> EventLog:
    board = EventLog()
    for record in records:
        board.add(record)
    return board


@asynccontextmanager
async def served(app: FastAPI) -> AsyncIterator[httpx.AsyncClient]:
    sock = listen("127.0.0.1", 0)
    serving = asyncio.create_task(serve(app, sock))
    try:
        async with httpx.AsyncClient(base_url=url(sock), timeout=DEADLINE) as client:
            yield client
    finally:
        serving.cancel()
        await asyncio.gather(serving, return_exceptions=True)


@dataclass
class Event:
    kind: str
    id: str | None
    data: Any


async def events(client: httpx.AsyncClient, path: str, last: int | None = None) -> AsyncGenerator[Event, None]:
    headers = {} if last is None else {"Last-Event-ID": str(last)}
    async with client.stream("GET", path, headers=headers) as answer:
        assert answer.headers["content-type"].startswith("text/event-stream")
        fields: dict[str, str] = {}
        async for line in answer.aiter_lines():
            key, _, value = line.partition(": ")
            if key:
                fields[key] = value
            elif fields:
                if "data" in fields:
                    yield Event(fields.get("event", "message"), fields.get("id"), json.loads(fields["data"]))
                fields = {}


async def first(client: httpx.AsyncClient, kind: str, last: int | None = None) -> Event:
    """Of what the page is sent."""
    async with aclosing(events(client, "/v1/page", last)) as stream:
        async for event in stream:
            if event.kind == kind:
                return event
    raise AssertionError("the stream ended")


def talk(conversation: Coroutine[Any, Any, None]) -> None:
    asyncio.run(asyncio.wait_for(conversation, DEADLINE))


def ask(app: FastAPI, path: str, **headers: str) -> httpx.Response:
    """One that does not stream."""

    async def asked() -> httpx.Response:
        async with httpx.AsyncClient(transport=httpx.ASGITransport(app), base_url="http://127.0.0.1") as client:
            return await client.get(path, headers=headers)

    return asyncio.run(asked())


# the page and what it loads


def test_the_page_may_load_nothing_but_what_is_served_beside_it() -> None:
    page = ask(swarm_app(EventLog(), Guard()), "/")
    policy = page.headers["content-security-policy"]
    assert "default-src 'none'" in policy and "script-src 'self';" in policy and "http" not in policy
    assert not re.search(r"https?:|//|url\(|@import", page.text)


def test_no_script_and_no_style_of_the_page_is_inline() -> None:
    page = ask(swarm_app(EventLog(), Guard()), "/").text
    scripts = re.findall(r"<script([^>]*)>", page)
    assert all("src=" in each or 'type="application/json"' in each for each in scripts) and len(scripts) == 4
    assert not re.search(r"<style|\sstyle=|\son\w+=", page)


def test_everything_the_page_names_is_there() -> None:
    app = swarm_app(EventLog(), Guard())
    named = re.findall(r'(?:src|href)="(static/[^"]+)"', ask(app, "/").text)
    assert len(named) == 5
    for path in named:
        answer = ask(app, f"/{path}")
        assert answer.status_code == 200 and len(answer.content) > 100
        assert answer.headers["content-type"].startswith("text/css" if path.endswith(".css") else "text/javascript")


def test_what_is_not_there_is_a_problem() -> None:
    answer = ask(swarm_app(EventLog(), Guard()), "/static/live.py")
    assert answer.status_code == 404
    assert answer.headers["content-type"] == "application/problem+json"


def test_another_sites_name_for_this_machine_gets_nothing() -> None:
    app = swarm_app(EventLog(), Guard())
    for path in ("/", "/v1/session", "/static/live.js", "/v1/page"):
        assert ask(app, path, host="evil.example").status_code == 421


def test_each_peers_api_is_mounted_by_name() -> None:
    peer = FastAPI()

    @peer.get("/v1/status")
    async def status() -> str:
        return "ann is well"

    app = swarm_app(board_of(*RECORDS), Guard(), {"ann": peer})
    assert ask(app, "/peers/ann/v1/status").json() == "ann is well"
    assert ask(app, "/peers/bob/v1/status").status_code == 404


def test_metrics_are_those_that_are_given() -> None:
    answer = ask(swarm_app(EventLog(), Guard(), metrics=lambda: b"learnae_up 1\n"), "/metrics")
    assert answer.text == "learnae_up 1\n" and answer.headers["content-type"].startswith("text/plain")


def test_the_report_is_there_as_soon_as_it_is_drawn(tmp_path: Path) -> None:
    path = tmp_path / "report.html"
    app = swarm_app(EventLog(), Guard(), report=lambda: path if path.exists() else None)
    assert ask(app, "/report.html").status_code == 404
    path.write_text("<!DOCTYPE html>")
    assert ask(app, "/report.html").text == "<!DOCTYPE html>"


# what it is sent


def test_before_the_first_record_the_page_says_that_it_waits() -> None:
    async def conversation() -> None:
        async with served(swarm_app(EventLog(), Guard())) as client:
            parts = (await first(client, "parts")).data
            assert parts["session"]["state"] == "waiting"
            assert "Waiting for the first peer" in parts["texts"]["line"]
            assert parts["table:peers"] == [] and parts["chart:matrix"] is None

    talk(conversation())


def test_what_happens_is_sent_as_it_happens_and_only_parts_that_changed_again() -> None:
    async def conversation() -> None:
        board = board_of(*RECORDS[:12])
        async with served(swarm_app(board, Guard())) as client, aclosing(events(client, "/v1/page")) as stream:
            log, parts = await anext(stream), await anext(stream)
            assert (log.kind, log.data["fresh"], parts.kind) == ("log", True, "parts")
            assert parts.data["session"]["state"] == "running"
            for record in RECORDS[12:30]:
                board.add(record)
            log, again = await anext(stream), await anext(stream)
            assert (log.kind, log.data["fresh"], log.id) == ("log", False, "29")
            assert again.kind == "parts" and "texts" in again.data
            assert "session" not in again.data and "verdict" not in again.data

    talk(conversation())


def test_whoever_comes_back_is_sent_what_was_missed_and_nothing_twice() -> None:
    async def conversation() -> None:
        board = board_of(*RECORDS[:20])
        async with served(swarm_app(board, Guard())) as client:
            before = await first(client, "log")
            for record in RECORDS[20:40]:
                board.add(record)
            after = await first(client, "log", last=int(before.id or 0))
            whole = await first(client, "log")
        assert not after.data["fresh"] and after.data["lines"]
        assert before.data["lines"] + after.data["lines"] == whole.data["lines"]

    talk(conversation())


def test_whoever_comes_back_to_another_session_begins_anew() -> None:
    async def conversation() -> None:
        async with served(swarm_app(board_of(*RECORDS[:20]), Guard())) as client:
            log = await first(client, "log", last=4711)
        assert log.data["fresh"] and log.id == "19"

    talk(conversation())


def test_all_records_can_be_followed_and_the_stream_ends_with_the_session() -> None:
    async def conversation() -> None:
        board = board_of(*RECORDS)
        board.close()
        async with served(swarm_app(board, Guard())) as client:
            told = [event async for event in events(client, "/v1/events")]
            rest = [event async for event in events(client, "/v1/events", last=len(RECORDS) - 3)]
        assert [json.loads(record.line()) for record in RECORDS] == [event.data for event in told]
        assert rest == told[-2:]

    talk(conversation())


def test_the_verdict_arrives_with_the_checks_that_failed() -> None:
    async def conversation() -> None:
        found = verdict(History(RECORDS))
        found["checks"]["wei_conserved"] = {"result": "invalid", "reason": "a wei is missing"}
        told: list[dict[str, Any]] = []
        app = swarm_app(board_of(*RECORDS), Guard(), verdict=lambda: told[0] if told else None)
        async with served(app) as client, aclosing(events(client, "/v1/page")) as stream:
            await anext(stream)
            assert (await anext(stream)).data["verdict"] is None
            told.append(found)
            shown = (await anext(stream)).data["verdict"]
            assert ["wei_conserved", "failed: a wei is missing"] in shown["problems"]
            assert "all debts are settled" in shown["text"]

    talk(conversation())


def test_the_session_is_there_as_json() -> None:
    found = verdict(GOOD)
    told = ask(swarm_app(board_of(*RECORDS), Guard(), verdict=lambda: found), "/v1/session").json()
    assert [entry["name"] for entry in told["began"]["roster"]] == ["ann", "bob", "cat", "dan", "eve"]
    assert told["verdict"]["verdict"] == "valid" and told["seconds"] == GOOD.seconds
    assert ask(swarm_app(EventLog(), Guard()), "/v1/session").json()["began"] is None


# what it costs


@dataclass
class Clock:
    now: float = 0.0

    def __call__(self) -> float:
        return self.now


def state_of(board: EventLog, clock: Clock) -> PageState:
    return PageState(board, clock=clock)


def test_nothing_is_worked_out_again_while_nothing_changes() -> None:
    async def conversation() -> None:
        clock, board = Clock(), board_of(*RECORDS[:20])
        state = state_of(board, clock)
        for clock.now in (0.0, 10.0, 20.0):
            await state.parts()
        assert state.computed == 1
        board.add(RECORDS[20])
        await state.parts()
        assert state.computed == 2

    talk(conversation())


def test_however_much_happens_it_is_worked_out_once_a_second_and_the_last_of_it_is_not_lost() -> None:
    async def conversation() -> None:
        clock, board = Clock(), EventLog()
        state = state_of(board, clock)
        for record in RECORDS[:20]:
            board.add(record)
            await state.parts()
            clock.now += MIN_INTERVAL / 20
        assert state.computed == 1
        clock.now += MIN_INTERVAL
        shown = json.loads((await state.parts())["table:peers"])
        assert state.computed == 2 and len(shown) == 5

    talk(conversation())


def test_it_is_worked_out_once_for_all_who_watch() -> None:
    async def conversation() -> None:
        state = state_of(board_of(*RECORDS), Clock())
        shown = await asyncio.gather(*(state.parts() for _ in range(5)))
        assert state.computed == 1 and all(each == shown[0] for each in shown)

    talk(conversation())


def test_while_nobody_watches_nothing_is_worked_out() -> None:
    async def conversation() -> None:
        board = EventLog()
        async with served(swarm_app(board, Guard())) as client:
            await client.get("/v1/session")
        state = state_of(board, Clock())
        for record in RECORDS:
            board.add(record)
        assert state.computed == 0

    talk(conversation())


def test_a_new_reader_is_sent_the_end_of_a_long_log() -> None:
    board = board_of(RECORDS[0], *(replace(RECORDS[-1], t=float(t)) for t in range(3 * LOG_LINES)))
    lines, at = state_of(board, Clock()).log(0)
    assert len(lines) == LOG_LINES and at == 3 * LOG_LINES + 1
    assert [each["t"].replace("\N{NO-BREAK SPACE}", " ") for each in (lines[0], lines[-1])] == [
        "16 min 40 s",
        "24 min 59 s",
    ]


# nothing from the wire is trusted


def test_names_from_the_wire_reach_no_chart_as_markup_and_no_mark_as_a_class() -> None:
    began = TOLD[0][1]
    assert isinstance(began, SessionBegan)
    entries = tuple(replace(each, name=NASTY + each.name) for each in began.roster)
    assert all(isinstance(each, RosterEntry) for each in entries)
    first_record = Record(0.0, "swarm", replace(began, session=replace(began.session, name=NASTY), roster=entries))
    board = board_of(first_record, *(replace(each, peer=NASTY + each.peer) for each in RECORDS[1:]))
    shown = asyncio.run(state_of(board, Clock()).parts())
    charts = " ".join(part for name, part in shown.items() if name.startswith("chart:"))
    assert "alert(1)" in charts and "<script" not in charts and "<img" not in charts
    assert NASTY in json.loads(shown["texts"])["name"]


@pytest.mark.parametrize("length", [0, 1, 9, 20, 40, len(RECORDS)])
def test_any_part_of_a_session_has_a_page(length: int) -> None:
    shown = asyncio.run(state_of(board_of(*RECORDS[:length]), Clock()).parts())
    assert {"texts", "phases", "table:peers", "chart:peers"} <= shown.keys()
