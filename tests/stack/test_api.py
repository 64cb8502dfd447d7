"""The API of a real peer: a process beside Kubo and Anvil, asked over HTTP while it starts, works and stops."""

import re
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import httpx
import pytest
from prometheus_client.parser import text_string_to_metric_families
from tests.helpers.waiting import until
from tests.stack.live_peers import END, LivePeerProcess, changed, decided
from tests.stack.live_swarm import LiveSwarm
from tests.stack.test_walking_skeleton import SESSION

from learnae.adapters.metrics.metric_list import TABLE
from learnae.messages.wire import cid_of

pytestmark = pytest.mark.real

TOKEN = "0123456789abcdef0123"
BEARER = {"Authorization": f"Bearer {TOKEN}"}
ENDLESS = replace(SESSION, work=replace(SESSION.work, slices=200))  # its peers work until they are stopped


@pytest.fixture
def swarm(tmp_path: Path) -> Iterator[LiveSwarm]:
    swarm = LiveSwarm(tmp_path, ENDLESS)
    token = tmp_path / "token"
    token.touch(0o600)
    token.write_text(TOKEN)
    yield swarm
    swarm.end()


def served(swarm: LiveSwarm, *program: str) -> LivePeerProcess:
    """p00, with its API at a free port.  ``program``: see ``LiveSwarm.start``."""
    options = ("--listen", "127.0.0.1:0", "--token-file", swarm.folder / "token")
    return swarm.start(0, *(program or ("learnae", "peer")), *options)


def client(peer: LivePeerProcess, seen: int = 0) -> httpx.Client:
    """``seen``: addresses that an earlier process printed."""
    urls = until(lambda: re.findall(r"p00 answers at (http://127\.0\.0\.1:\d+)/", peer.log.read_text())[seen:])
    return httpx.Client(base_url=urls[0], timeout=60)


def test_a_peer_answers_before_it_has_loaded_its_rows(swarm: LiveSwarm) -> None:
    peer = served(swarm, "tests.stack.blocked_peer", "learn")
    with client(peer) as api:
        status = api.get("/v1/status").json()
        assert (status["state"], status["name"], status["session"]) == ("starting", "p00", None)
        assert api.get("/v1/model").status_code == 503
        assert not api.get("/healthz").json()["ready"]


def test_a_peer_answers_from_its_start_to_its_end(swarm: LiveSwarm) -> None:
    peer, other = served(swarm), swarm.start(1)
    command = Path(f"/proc/{peer.process.pid}/cmdline").read_bytes()
    with client(peer) as api:
        paid, earned = peer.when(changed("final")), other.when(changed("final"))
        status = api.get("/v1/status").json()
        assert (status["state"], status["identity"]) == ("running", "registered")
        healthy = {"name": "p00", "ready": True, "kubo": True, "chain": True}
        until(lambda: api.get("/healthz").json() == healthy)  # a busy node may answer late
        assert paid["tx"] in {each["tx"] for each in api.get("/v1/payments/sent").json()}
        assert [each["verdict"] for each in api.get("/v1/directory").json()] == ["winner"]
        [income] = until(lambda: [each for each in received(api) if each["tx"] == earned["tx"]])
        assert (income["payer"], income["wei"]) == (swarm.kubos[1].peer_id, earned["wei"])

        block = api.get("/v1/model/safetensors")
        assert block.headers["etag"] == f'"{cid_of(block.content)}"'
        width = api.get("/v1/model").json()["widths"][0]
        [found] = api.post("/v1/predict", json={"rows": [[0.5] * width]}).json()["predictions"]
        assert 0.5 <= found["probability"] <= 1
        assert "\nipfs_info{" in api.get("/kubo/metrics").text
        scraped = {each.name for each in text_string_to_metric_families(api.get("/metrics").text)}
        ours = {name for name in scraped if name.startswith("learnae_")}
        assert ours == {row.name.removesuffix("_total") for row in TABLE}
        assert "process_cpu_seconds" in scraped

        assert api.post("/v1/stop").status_code == 401
        with api.stream("GET", "/v1/events") as events:  # who follows does not keep it
            assert next(events.iter_lines()).startswith("data: ")
            assert api.post("/v1/stop", headers=BEARER).status_code == 202
            assert peer.process.wait(END) == 130
    assert TOKEN not in peer.log.read_text()
    assert TOKEN.encode() not in command


def received(api: httpx.Client) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = api.get("/v1/payments/received").json()
    return found


def history(api: httpx.Client) -> list[tuple[int, str]]:
    found = api.get("/v1/history", params={"limit": 1000}).json()["records"]
    return [(each["number"], each["kind"]) for each in found]


def test_a_peer_that_was_killed_numbers_its_history_as_before(swarm: LiveSwarm) -> None:
    peer = served(swarm)
    with client(peer) as api:
        peer.when(decided("IdentityChanged"))
        before = history(api)
    peer.kill()
    back = served(swarm)
    with client(back, seen=1) as api:
        back.when(decided("PeerRestarted"))
        after = history(api)
        assert after[: len(before)] == before
        assert [kind for _, kind in after[len(before) :]].count("PeerRestarted") == 1
        assert 'learnae_restarts_total{peer="p00",role="trainer"} 1.0' in api.get("/metrics").text


def test_a_peer_that_is_stopped_before_it_has_begun_leaves(swarm: LiveSwarm) -> None:
    peer = served(swarm)
    with client(peer) as api:
        assert api.post("/v1/stop", headers=BEARER).json()["state"] == "starting"
        assert peer.end() == 130
    assert not peer.facts and "Traceback" not in peer.log.read_text()
