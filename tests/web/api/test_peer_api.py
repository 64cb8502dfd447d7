"""The API of a live peer: what it says before, during and after a session."""

import asyncio
import json
from collections.abc import Callable, Sequence

import httpx
import pytest
from fastapi import FastAPI
from tests.helpers.apis import TOKEN, Asked
from tests.helpers.stages import Stage, all_of

from learnae.adapters.memory import MemoryPredictor
from learnae.protocol.decisions import DebtState, WorkState
from learnae.protocol.types import Cid
from learnae.records.history import History
from learnae.runtime.live import LivePeer
from learnae.runtime.session_end import settled
from learnae.runtime.shard_learning import LazyPredictor

Staged = Callable[..., Stage]


def test_a_peer_that_is_starting_says_so(staged: Staged) -> None:
    async def play() -> None:
        asked = Asked(staged())
        member = asked.inside.member
        status = await asked.get("/v1/status")
        assert (status["state"], status["name"], status["wallet"]) == ("starting", "p00", member.wallet)
        assert status["accuracy_validation"] is status["balance"] is status["session"] is None
        for path in ("/v1/model", "/v1/model/safetensors"):
            assert "no model yet" in (await asked.get(path, 503))["detail"]
        await asked.post("/v1/predict", 503, json={"rows": [[0, 0, 0]]})
        assert "no Kubo node" in (await asked.get("/kubo/metrics", 503))["detail"]
        for path in ("/v1/directory", "/v1/payments/sent", "/v1/payments/received"):
            assert await asked.get(path) == []
        assert (await asked.get("/v1/history"))["records"] == []
        assert await asked.get("/healthz") == {"name": "p00", "ready": False, "kubo": None, "chain": None}

    asyncio.run(play())


async def _whole_session(stage: Stage) -> Asked:
    asked = Asked(stage)
    asked.begin()
    assert asked.inside.live
    others = [stage.peer(name) for name in ("p01", "p02")]
    assert await all_of([asked.inside.live, *others]) == ["quiet"] * 3
    asked.inside.end()
    return asked


def test_what_it_says_after_a_session_is_what_it_decided(staged: Staged) -> None:
    async def play() -> None:
        stage = staged()
        asked = await _whole_session(stage)
        decided = [record for record in stage.recording.records if record.peer == "p00"]
        live, status = asked.inside.live, await asked.get("/v1/status")
        assert live
        assert (status["state"], status["work"], status["identity"]) == ("over", "done", "registered")
        assert (status["role"]["role"], status["role"]["has_rows"], status["role"]["computes"]) == (
            "trainer",
            True,
            True,
        )
        assert status["slices"] == {"done": 3, "planned": 3}
        assert status["peers_known"] == 2
        assert int(status["balance"]["wei"]) > 10**17
        debts = [change[-1][1] for (peer, _), change in History(tuple(decided)).debts.items() if peer == "p00"]
        assert status["debts"]["final"] == len(debts) == len(await asked.get("/v1/payments/sent")) > 0
        assert {debt["tx"] for debt in await asked.get("/v1/payments/sent")} == {debt.tx for debt in debts}
        assert sum(int(debt["wei"]) for debt in await asked.get("/v1/payments/sent")) == sum(debt.wei for debt in debts)
        attempts = status["attempts"]
        assert attempts["adopted"] == len(debts)
        assert attempts["success_rate"] == round(len(debts) / attempts["scored"], 4)
        model = await asked.get("/v1/model")
        assert model["score"] == status["accuracy_validation"]
        assert model["creator"] == status["peer"]
        assert model["widths"] == [3, 2]
        entries = await asked.get("/v1/directory")
        assert [entry["verdict"] for entry in entries] == ["winner"] * 2
        assert {entry["wallet"] for entry in entries} == {each.wallet for each in stage.simulation.setup.members[1:]}

    asyncio.run(play())


def test_the_history_comes_in_pages_that_together_are_all_of_it(staged: Staged) -> None:
    async def play() -> None:
        stage = staged()
        asked = await _whole_session(stage)
        after, numbers = -1, []
        while True:
            page = await asked.get("/v1/history", params={"after": after, "limit": 7})
            numbers += [record["number"] for record in page["records"]]
            if page["next"] is None:
                break
            after = page["next"]
        assert numbers == list(range(page["total"]))
        lines = [record.line() for record in stage.recording.records if record.peer == "p00"]
        assert len(lines) == page["total"]
        past = await asked.get("/v1/history", params={"after": page["total"] + 5})
        assert (past["records"], past["next"]) == ([], None)

    asyncio.run(play())


def _kind(line: str) -> str:
    kind: str = json.loads(line)["kind"]
    return kind


def _events(stream: str) -> list[tuple[int, str]]:
    """Number and data of each event."""
    found = []
    for event in filter(None, stream.split("\n\n")):
        fields = dict(line.split(": ", 1) for line in event.splitlines() if not line.startswith(":"))
        if fields:
            found.append((int(fields["id"]), fields["data"]))
    return found


def test_who_follows_the_events_and_comes_back_misses_nothing(staged: Staged) -> None:
    async def play() -> None:
        stage = staged()
        asked = await _whole_session(stage)
        lines = [record.line() for record in stage.recording.records if record.peer == "p00"]
        whole = await asked.answer("GET", "/v1/events", 200)
        assert whole.headers["content-type"].startswith("text/event-stream")
        assert [number for number, _ in _events(whole.text)] == list(range(len(lines)))
        assert [_kind(data) for _, data in _events(whole.text)] == [_kind(line) for line in lines]
        for seen in (0, 5, len(lines) - 1):
            back = await asked.answer("GET", "/v1/events", 200, headers={"Last-Event-ID": str(seen)})
            assert _events(back.text) == _events(whole.text)[seen + 1 :]
        asked_for = await asked.answer("GET", "/v1/events", 200, params={"after": 3})
        assert _events(asked_for.text) == _events(whole.text)[4:]
        of_another_session = await asked.answer("GET", "/v1/events", 200, headers={"Last-Event-ID": "100000"})
        assert of_another_session.text == whole.text
        await asked.get("/v1/events", 422, headers={"Last-Event-ID": "seven"})

    asyncio.run(play())


def test_a_model_is_downloaded_once_and_its_tag_is_its_cid(staged: Staged) -> None:
    async def play() -> None:
        asked = await _whole_session(staged())
        assert asked.inside.live
        cid = (await asked.get("/v1/model"))["cid"]
        first = await asked.answer("GET", "/v1/model/safetensors", 200)
        assert first.content == asked.inside.live.ports.blocks[cid]
        assert first.headers["etag"] == f'"{cid}"'
        assert first.headers["content-disposition"] == f'attachment; filename="{cid}.safetensors"'
        again = await asked.answer(
            "GET", "/v1/model/safetensors", 304, headers={"If-None-Match": first.headers["etag"]}
        )
        assert again.content == b""

    asyncio.run(play())


def test_a_sealed_model_is_downloaded_with_the_token_only(staged: Staged) -> None:
    async def play() -> None:
        asked = await _whole_session(staged(defence={"kind": "reciprocity", "access": "sealed"}))
        assert asked.inside.live
        await asked.answer("GET", "/v1/model/safetensors", 401)
        block = await asked.answer("GET", "/v1/model/safetensors", 200, headers={"Authorization": f"Bearer {TOKEN}"})
        assert block.content == asked.inside.live.ports.blocks[(await asked.get("/v1/model"))["cid"]]

    asyncio.run(play())


def test_rows_are_classified_and_rows_that_do_not_fit_are_refused(staged: Staged) -> None:
    async def play() -> None:
        asked = await _whole_session(staged())
        found = await asked.post("/v1/predict", json={"rows": [[9, 9, 9], [-9, -9, -9]]}, headers={})
        assert found["cid"] == (await asked.get("/v1/model"))["cid"]
        assert [each["label"] for each in found["predictions"]] == [1, 0]
        for each in found["predictions"]:
            assert each["probability"] == max(each["probabilities"]) and sum(each["probabilities"]) == pytest.approx(1)
        refused = {
            "2 features, but this session uses 3": {"rows": [[1, 2, 3], [1, 2]]},
            "finite": {"rows": [[1, 2, float("nan")]]},
            "at most 1000": {"rows": [[0, 0, 0]] * 1001},
            "at least 1": {"rows": []},
            "Extra inputs": {"rows": [[0, 0, 0]], "model": "other"},
        }
        for said, wanted in refused.items():
            content = json.dumps(wanted)
            problem = await asked.post(
                "/v1/predict", 422, content=content, headers={"Content-Type": "application/json"}
            )
            assert said in problem["detail"]
        for content in ("", "{", "[" * 5000, "7" * 5000, '{"rows":"x"}'):
            answer = await asked.client.post("/v1/predict", content=content)
            assert 400 <= answer.status_code < 500
            assert answer.headers["content-type"] == "application/problem+json"

    asyncio.run(play())


def off_the_loop() -> MemoryPredictor:
    """May take its time: nobody else waits meanwhile."""
    with pytest.raises(RuntimeError, match="no running event loop"):
        asyncio.get_running_loop()
    return MemoryPredictor()


class Numbers(MemoryPredictor):
    def predict(self, cid: Cid, rows: Sequence[Sequence[float]], standardised: bool) -> list[list[float]]:
        return [[sum(row)] for row in rows]


def test_a_label_that_is_a_number_is_predicted_as_a_number(staged: Staged) -> None:
    async def play() -> None:
        asked = await _whole_session(staged())
        live = asked.inside.live
        assert live
        asked.inside.begin(live, Numbers())
        answer = await asked.post("/v1/predict", json={"rows": [[100, 50, 1.5]]})
        assert answer["predictions"] == [{"value": 151.5}]

    asyncio.run(play())


def test_a_peer_that_has_come_back_imports_what_its_first_answer_needs_off_the_loop(staged: Staged) -> None:
    async def play() -> None:
        asked = await _whole_session(staged())
        live = asked.inside.live
        assert live
        asked.inside.begin(live, LazyPredictor(off_the_loop))
        assert (await asked.get("/v1/model"))["widths"] == [3, 2]
        assert (await asked.post("/v1/predict", json={"rows": [[0, 0, 0]]}))["predictions"]
        await asked.post("/v1/predict", 422, json={"rows": [[0, 0]]})

    asyncio.run(play())


def test_a_paused_peer_computes_nothing_and_pays_and_goes_on_when_it_is_told_to(staged: Staged) -> None:
    async def play() -> None:
        stage = staged(work={"slices": 20, "patience": 12, "idle_after": 0.4})
        asked = Asked(stage)
        asked.begin()
        live = asked.inside.live
        assert live
        status = live.peer.status
        others = [stage.peer("p01"), stage.peer("p02")]
        async with asyncio.TaskGroup() as group:
            tasks = [group.create_task(peer.run()) for peer in (live, *others)]
            await asked.post("/v1/pause")  # it falls behind the others, so that it gains from them, and owes them
            await stage.when(lambda: all(peer.peer.status().slices_trained > 5 for peer in others))
            await asked.post("/v1/resume")
            await stage.when(lambda: any(not debt.state.terminal for debt in status().debts))
            told = await asked.post("/v1/pause")
            assert told == {"name": "p00", "paused": True, "state": "running"}
            assert (await asked.get("/v1/status"))["paused"]
            await stage.when(lambda: all(peer.peer.status().work is WorkState.DONE for peer in others))
            await stage.when(lambda: all(debt.state is DebtState.FINAL for debt in status().debts))
            paused = status()
            assert paused.slices_trained < 20
            await asyncio.gather(*tasks[1:])
            assert (status().slices_trained, status().debts) == (paused.slices_trained, paused.debts)
            await asked.post("/v1/resume")
        assert [task.result() for task in tasks] == ["quiet"] * 3
        assert status().slices_trained == 20

    asyncio.run(play())


def test_a_peer_is_told_to_stop(staged: Staged) -> None:
    async def play() -> None:
        asked = Asked(staged())
        asked.begin()
        live = asked.inside.live
        assert live
        running = asyncio.create_task(live.run())
        assert (await asked.post("/v1/stop", 202))["name"] == "p00"
        assert await running == "stopped"

    asyncio.run(play())


def all_received(peers: list[LivePeer]) -> bool:
    return settled((live.peer.rest(), [other.peer.rest() for other in peers if other is not live]) for live in peers)


def test_a_peer_reports_what_it_has_announced_and_received_once_it_is_at_rest(staged: Staged) -> None:
    async def play() -> None:
        stage = staged(linger=60.0)
        asked = Asked(stage)
        rows: dict[str, list[str] | None] = {
            "rows_announced": [],
            "rows_received": None,
            "sealed_for": [],
            "locked": [],
        }
        busy = {"at_rest": False, "announced": [], "received": [], **rows}
        assert await asked.get("/v1/rest") == busy
        assert "has not begun" in (await asked.post("/v1/close", 503))["detail"]
        asked.begin()
        live = asked.inside.live
        assert live and await asked.get("/v1/rest") == busy
        peers = [live, stage.peer("p01"), stage.peer("p02")]
        running = [asyncio.create_task(peer.run()) for peer in peers]
        await stage.when(lambda: all_received(peers))
        report, status = await asked.get("/v1/rest"), live.peer.status()
        assert status.published and status.claim
        announced = {f"{live.config.peer} {status.published.step}", f"{live.config.peer} {status.claim.deploy_tx}"}
        assert report["at_rest"] and set(report["announced"]) == announced
        assert len(report["received"]) == 4 and report.items() >= rows.items()
        assert (await asked.post("/v1/close", 202))["name"] == "p00"
        assert await running[0] == "closed" and live.peer.status().closed
        for peer in peers[1:]:
            peer.close()
        await asyncio.gather(*running)

    asyncio.run(play())


def test_a_peer_that_was_paused_or_stopped_before_it_began_obeys(staged: Staged) -> None:
    async def play() -> None:
        asked = Asked(staged())
        abandoned = asyncio.Event()
        asked.inside.abandon = abandoned.set
        await asked.post("/v1/pause")
        await asked.post("/v1/stop", 202)
        assert abandoned.is_set() and asked.inside.stopped
        asked.begin()
        assert asked.inside.live and asked.inside.live.paused

    asyncio.run(play())


def test_who_has_not_the_token_commands_nothing(staged: Staged) -> None:
    async def play() -> None:
        asked = Asked(staged())
        for path in ("/v1/pause", "/v1/resume", "/v1/stop", "/v1/close"):
            for wrong in ({}, {"Authorization": "Bearer other"}, {"Authorization": f"Basic {TOKEN}"}):
                answer = await asked.answer("POST", path, 401, headers=wrong)
                assert answer.headers["www-authenticate"] == "Bearer"
            assert "commands are disabled" in (await Asked(staged(), token=None).post(path, 403))["detail"]
        assert not asked.inside.stopped and not (await asked.get("/v1/status"))["paused"]

    asyncio.run(play())


def test_a_fault_of_ours_is_a_problem_and_shows_no_traceback(staged: Staged) -> None:
    async def play() -> None:
        asked = Asked(staged())
        asked.inside.status = lambda: 1 / 0  # type: ignore[assignment, method-assign, return-value]
        problem = await asked.get("/v1/status", 500)
        assert problem["detail"] == "internal error: see the log of this server"
        assert "ZeroDivision" not in str(problem)

    asyncio.run(play())


def test_what_is_not_there_and_what_is_not_done_is_a_problem(staged: Staged) -> None:
    async def play() -> None:
        asked = Asked(staged())
        for path in ("/", "/v1", "/v1/nothing", "/docs", "/v1/model/pickle"):
            await asked.get(path, 404)
        answer = await asked.answer("DELETE", "/v1/status", 405)
        assert answer.headers["allow"] == "GET"
        await asked.get("/v1/stop", 405)
        await asked.get("/v1/history", 422, params={"limit": 0})
        await asked.get("/v1/history", 422, params={"after": 10**30})

    asyncio.run(play())


def test_a_peers_api_can_be_mounted_below_a_swarms(staged: Staged) -> None:
    async def play() -> None:
        asked = Asked(staged())
        swarm = FastAPI()
        swarm.mount("/peers/p00", asked.app)
        async with httpx.AsyncClient(transport=httpx.ASGITransport(swarm), base_url="http://localhost") as client:
            assert (await client.get("/peers/p00/v1/status")).json()["name"] == "p00"
            assert (await client.get("/peers/p00/v1/nothing")).headers["content-type"] == "application/problem+json"
            assert "/v1/status" in (await client.get("/peers/p00/v1/openapi.json")).json()["paths"]

    asyncio.run(play())
