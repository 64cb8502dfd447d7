"""Remote peers: what the host accepts from them, and what of the swarm they can reach."""

import asyncio
import json
from collections.abc import Iterator
from contextlib import closing
from dataclasses import replace
from ipaddress import IPv4Network
from pathlib import Path

import httpx
import pytest
from fastapi import FastAPI
from tests.helpers.command_line import here, refused
from tests.helpers.peers import config

from learnae.adapters.ipfs_keys import create_identity
from learnae.adapters.sqlite_journal import SqliteJournal, read_journal
from learnae.backends.compose.plan import Plan, pods, targets
from learnae.backends.live_run import ROSTER
from learnae.backends.pods.files import ipfs_config
from learnae.backends.pods.plan import Access, RemotePeerOptions
from learnae.backends.remote_peers.host import RemotePeers
from learnae.errors import InputError
from learnae.protocol import events as on
from learnae.protocol.replay import digest, new_peer
from learnae.protocol.types import Address, Cid, PeerId
from learnae.runtime.roster_file import Roster
from learnae.session.roster import roster
from learnae.session.settings import Group
from learnae.web.api.journal_uploads import MAX_JOURNAL, uploads_app

CONFIG = config()
PLAN = Plan(
    "learnae-test",
    IPv4Network("10.200.1.0/24"),
    20_000,
    "1000:1000",
    1_700_000_000,
    31337,
    1,
    ("p00", "p01", "p02"),
    remote=RemotePeerOptions(1),
)
MEMBERS = roster((Group(),), 3, lambda name: (PeerId(name), Address(name)), privacy=True)


def journal_of(path: Path, digest_of: object = digest, **changes: object) -> bytes:
    """Of one event."""
    mine = replace(CONFIG, **changes)  # type: ignore[arg-type]
    started = on.Started(0.0)
    with closing(SqliteJournal(path, mine)) as journal:
        journal.append(started, digest(new_peer(mine).handle(started)) if digest_of is digest else "wrong")
    return path.read_bytes()


@pytest.fixture
def remote_peers(tmp_path: Path) -> RemotePeers:
    others = [(create_identity().peer_id, Address("0x" + "00" * 20)) for _ in range(2)]
    Roster.of([*others, (CONFIG.peer, CONFIG.wallet)]).write(tmp_path / ROSTER)
    (tmp_path / "journals" / "p02").mkdir(parents=True)
    return RemotePeers(PLAN.remote_names, tmp_path, CONFIG.session)


@pytest.fixture
def runner() -> Iterator[asyncio.Runner]:
    with asyncio.Runner() as made:
        yield made


def asked(app: FastAPI, method: str, path: str, token: str | None, body: bytes = b"") -> httpx.Response:
    async def ask() -> httpx.Response:
        headers = {"Authorization": f"Bearer {token}"} if token else {}
        async with httpx.AsyncClient(transport=httpx.ASGITransport(app), base_url="http://host") as client:
            return await client.request(method, path, headers=headers, content=body)

    return asyncio.run(ask())


def test_a_remote_peer_sends_heartbeats_and_hands_in_its_journal(remote_peers: RemotePeers, tmp_path: Path) -> None:
    app, token = uploads_app(remote_peers), remote_peers.tokens["p02"]
    assert remote_peers.missing() == ["Remote peer p02 never joined."]
    assert asked(app, "POST", "/v1/remote-peers/p02", token).status_code == 204
    assert remote_peers.missing() == ["Remote peer p02 joined and handed in no journal."]
    whole = journal_of(tmp_path / "own.sqlite")
    assert asked(app, "PUT", "/v1/journals/p02", token, whole).status_code == 204
    assert remote_peers.missing() == []
    assert read_journal(tmp_path / "journals" / "p02" / "p02.sqlite").config == CONFIG


def test_only_a_remote_peer_with_its_token_is_accepted(remote_peers: RemotePeers) -> None:
    app = uploads_app(remote_peers)
    for method, path in (("POST", "/v1/remote-peers/p02"), ("PUT", "/v1/journals/p02")):
        assert asked(app, method, path, None).status_code == 401
        assert asked(app, method, path, "0" * 43).status_code == 401
        assert asked(app, method, path.replace("p02", "p01"), remote_peers.tokens["p02"]).status_code == 404
    assert not remote_peers.seen


def test_a_journal_of_another_peer_or_session_is_refused(remote_peers: RemotePeers, tmp_path: Path) -> None:
    app, token = uploads_app(remote_peers), remote_peers.tokens["p02"]
    whole = journal_of(tmp_path / "whole.sqlite")
    for wrong in (
        b"",
        b"no journal",
        whole[: len(whole) // 2],
        journal_of(tmp_path / "session.sqlite", session=Cid("another")),
        journal_of(tmp_path / "peer.sqlite", peer=create_identity().peer_id),
        journal_of(tmp_path / "replay.sqlite", digest_of=None),
    ):
        answer = asked(app, "PUT", "/v1/journals/p02", token, wrong)
        assert answer.status_code == 422 and "not a complete journal of p02" in answer.json()["detail"]
    assert list((tmp_path / "journals" / "p02").iterdir()) == [] and not remote_peers.left


def test_a_journal_has_a_limit(remote_peers: RemotePeers) -> None:
    answer = asked(
        uploads_app(remote_peers), "PUT", "/v1/journals/p02", remote_peers.tokens["p02"], bytes(MAX_JOURNAL + 1)
    )
    assert answer.status_code == 413


def test_the_host_waits_for_remote_peers_that_came_and_for_no_others(
    remote_peers: RemotePeers, runner: asyncio.Runner, tmp_path: Path
) -> None:
    runner.run(remote_peers.leave())  # nobody came

    async def waited() -> None:
        remote_peers.report_running("p02")
        gone = asyncio.create_task(remote_peers.leave())
        await asyncio.sleep(0)
        assert not gone.done()
        await remote_peers.store("p02", journal_of(tmp_path / "own.sqlite"))
        async with asyncio.timeout(60):
            await gone
        remote_peers.report_running("p02")
        assert remote_peers.missing() == ["Remote peer p02 joined and handed in no journal."]

    runner.run(waited())


def test_a_remote_peer_has_no_pod_and_no_pod_dials_it() -> None:
    text = pods(PLAN)
    assert "p01" in text and "p02" not in text
    assert len(targets(PLAN, MEMBERS)) == 2
    made = {name: create_identity() for name in PLAN.names}
    dialled = ipfs_config(PLAN, "p00", made)["Peering"]["Peers"]
    assert [each["ID"] for each in dialled] == [made["p01"].peer_id]


def test_only_the_chain_and_the_ipfs_nodes_are_published() -> None:
    opened = replace(PLAN, remote=RemotePeerOptions(1, "192.0.2.7"))
    lines = [line for line in pods(opened).splitlines() if "192.0.2.7" in line]
    assert [json.loads(line.split("ports: ")[1])[-1] for line in lines] == [
        "192.0.2.7:20010:4001",
        "192.0.2.7:20011:4001",
        "192.0.2.7:20000:8545",
    ]
    assert '  rpc:\n    ports: ["192.0.2.7:' in pods(opened)  # the filter, not the chain itself
    nodes = {"p00": "/ip4/192.0.2.7/tcp/20010", "p01": "/ip4/192.0.2.7/tcp/20011"}
    assert opened.access == Access(nodes, "http://192.0.2.7:20000", "192.0.2.7")
    assert PLAN.access.ipfs["p01"] == "/ip4/10.200.1.11/tcp/4001" and PLAN.access.rpc == PLAN.outer_rpc
    assert "192.0.2.7" not in pods(PLAN)


@pytest.mark.parametrize(
    "address", ["127.0.0.1", "localhost", "nowhere", "::1", "256.0.0.1", "0.0.0.0", "255.255.255.255", "224.0.0.1"]
)
def test_what_is_no_address_for_others_cannot_be_published(address: str) -> None:
    with pytest.raises(InputError, match="cannot be published"):
        RemotePeerOptions(1, address)


def test_remote_peers_need_pods(tmp_path: Path) -> None:
    session = tmp_path / "session.toml"
    session.write_text("peers = 2")
    refused(here(tmp_path, "swarm", session, "--backend", "sim", "--remote-peers", "1"), "use --backend compose")
    refused(here(tmp_path, "swarm", session, "--publish", "192.0.2.7"), "give --remote-peers")
    refused(here(tmp_path, "swarm", session, "--guests", "1"), "--guests", "is now called --remote-peers")
