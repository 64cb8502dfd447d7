"""The host ends a session as soon as its peers report that nothing can happen any more, and not before."""

import asyncio
from collections.abc import Collection, Mapping, Sequence
from contextlib import AsyncExitStack
from pathlib import Path
from typing import Any

import pytest
from fastapi import FastAPI, Request, Response

from learnae.backends.pods import ending
from learnae.backends.pods.ending import NO_FEED, Ending, FollowedFeed
from learnae.protocol.decisions import IdentityChanged, IdentityState, Published
from learnae.protocol.rest import Rest
from learnae.protocol.row_types import RowsPublished
from learnae.protocol.types import Address, Cid, PeerId, TxHash
from learnae.records.history import Record
from learnae.runtime.session_end import SessionEnd
from learnae.web.api.server import listen, serving, url

INF, DEADLINE = float("inf"), 60.0
ROWS: dict[str, Any] = {"rows_announced": [], "rows_received": None, "sealed_for": [], "locked": []}
BUSY = {"at_rest": False, "announced": [], "received": []}


def rest(announced: str, *received: str) -> dict[str, Any]:
    return {"at_rest": True, "announced": [announced], "received": list(received), **ROWS}


ANN, BOB = rest("ann 1", "bob 2"), rest("bob 2", "ann 1")


class Pod:
    """Gives these answers one after the other, and the last one from then on.  Text is sent as it is."""

    def __init__(self, *answers: Any) -> None:
        self.answers, self.asked, self.closed_with = answers, 0, ""
        self.app, self.thrice = FastAPI(), asyncio.Event()

        @self.app.get("/v1/rest")
        async def report() -> Any:
            self.asked += 1
            if self.asked == 3:
                self.thrice.set()
            answer = self.answers[min(self.asked, len(self.answers)) - 1]
            return Response(answer) if isinstance(answer, str | bytes) else answer

        @self.app.post("/v1/close", status_code=202)
        async def close(request: Request) -> dict[str, str]:
            self.closed_with = request.headers["authorization"]
            return {}


async def ended(
    folder: Path,
    pods: Mapping[str, Pod | None],
    records: Sequence[Record] = (),
    end: SessionEnd | None = None,
    gone: Collection[str] = (),
    feed: FollowedFeed = NO_FEED,
) -> None:
    """Run to the end.  A pod that is None does not answer; those in ``gone`` have left by themselves."""

    async def left(silent: Collection[str]) -> list[str]:
        return [name for name in silent if name in gone]

    async with AsyncExitStack() as stack:
        urls = dict[str, str]()
        for name, pod in pods.items():
            (folder / "pods" / name / "peer").mkdir(parents=True)
            (folder / "pods" / name / "peer" / "token").write_text(f"token of {name}")
            sock = listen("127.0.0.1", 0)
            urls[name] = url(sock)
            if pod:
                await stack.enter_async_context(serving(pod.app, sock))
            else:
                sock.close()
        ids = dict(zip(pods, map(PeerId, ("ann", "bob", "cat")), strict=False))
        clock = iter(range(1000)).__next__
        async with asyncio.timeout(DEADLINE):
            await Ending(urls, folder, ids, end or SessionEnd(INF, INF), clock, lambda: records, left, feed).run()


@pytest.fixture(autouse=True)
def at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(ending, "LOOK", 0.0)


def test_peers_that_have_received_everything_are_told_that_the_session_is_over(tmp_path: Path) -> None:
    pods = {"p00": Pod(ANN), "p01": Pod(BOB)}
    asyncio.run(ended(tmp_path, pods))
    assert {name: pod.closed_with for name, pod in pods.items()} == {
        "p00": "Bearer token of p00",
        "p01": "Bearer token of p01",
    }


def test_while_a_peer_is_busy_it_alone_is_asked(tmp_path: Path) -> None:
    pods = {"p00": Pod(ANN), "p01": Pod(*[BUSY] * 5, BOB)}
    asyncio.run(ended(tmp_path, pods))
    assert (pods["p00"].asked, pods["p01"].asked) == (2, 6)


@pytest.mark.parametrize(
    "not_yet",
    [
        rest("bob 2"),
        rest("bob 3", "ann 1"),
        "no JSON",
        "[" * 100_000,
        b"x" * (1 << 21),
        {},
        {"at_rest": True, "announced": [1], "received": [], **ROWS},
        {"at_rest": True, "announced": {}, "received": [], **ROWS},
        {**BOB, "rows_announced": ["block"]},
        {**BOB, "rows_received": "all"},
    ],
    ids=["not received", "on its way", "text", "nested", "long", "empty", "numbers", "no list", "rows", "rows text"],
)
def test_nothing_ends_before_each_has_received_what_the_others_announced(tmp_path: Path, not_yet: Any) -> None:
    fake = {"p00": Pod(ANN), "p01": Pod(not_yet, not_yet, BOB)}
    fake["p00"].answers = ({**ANN, "rows_received": ["other"]},)
    asyncio.run(ended(tmp_path, fake))
    assert fake["p01"].asked == 3 and fake["p01"].closed_with


def test_nothing_ends_before_sensors_have_published_all_and_the_peers_that_follow_have_received_it(
    tmp_path: Path,
) -> None:
    follower = {**ANN, "rows_received": ["other"]}
    pods = {"p00": Pod(follower, {**follower, "rows_received": ["reading"]}), "p01": Pod(BOB)}
    published = Rest(frozenset(), frozenset(), frozenset({Cid("reading")}))
    answers = iter([None, None, *[published] * 2])
    asyncio.run(ended(tmp_path, pods, feed=FollowedFeed(["p00"], lambda: next(answers))))
    assert pods["p00"].asked == 2 and pods["p00"].closed_with


def test_a_fault_that_has_begun_is_waited_for(tmp_path: Path) -> None:
    pods = {"p00": Pod(ANN), "p01": Pod(BOB)}
    asyncio.run(ended(tmp_path, pods, end=SessionEnd(2.0, INF, faults=[(0.0, 5.0)])))
    assert pods["p00"].asked == 8  # at second 7


def of_cat(step: int) -> list[Record]:
    registered = IdentityChanged(IdentityState.REGISTERED, Address("0xc"), TxHash("0xtx"))
    return [
        Record(1.0, "p02", Published(step - 1, Cid("earlier"))),
        Record(2.0, "p02", registered),
        Record(3.0, "p00", Published(9, Cid("of another"))),
        Record(3.0, "p00", RowsPublished(1, Cid("rows of another"))),
        Record(3.0, "p02", Published(step, Cid("last"))),
        Record(4.0, "p02", RowsPublished(1, Cid("rows"))),
    ]


def test_a_peer_that_has_left_by_itself_is_known_from_its_records(tmp_path: Path) -> None:
    last = ("cat 4", "cat 0xtx")
    ann = [rest("ann 1", "bob 2", *known) for known in (last[:1], last[1:], ("cat 3", last[1]), last, last)]
    for report, rows in zip(ann, ([], [], ["rows"], ["rows of another"], ["rows"]), strict=True):
        report["rows_received"] = rows
    pods = {"p00": Pod(*ann), "p01": Pod(rest("bob 2", "ann 1", *last)), "p02": None}
    asyncio.run(ended(tmp_path, pods, of_cat(4), gone=["p02"]))
    assert pods["p00"] and (pods["p00"].asked, bool(pods["p00"].closed_with)) == (5, True)


def test_a_peer_that_does_not_answer_and_has_not_left_is_waited_for(tmp_path: Path) -> None:
    pods = {"p00": Pod(ANN), "p01": Pod(BOB), "p02": None}

    async def waits() -> None:
        ending_it = asyncio.create_task(ended(tmp_path, pods, of_cat(4)))
        first = pods["p00"]
        assert first
        await first.thrice.wait()
        ending_it.cancel()
        await asyncio.wait([ending_it])
        assert not first.closed_with

    asyncio.run(waits())
