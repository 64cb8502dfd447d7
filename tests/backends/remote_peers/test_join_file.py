"""A join file is read as it was written; a damaged, old or foreign one is refused in one sentence."""

import asyncio
import json
import stat
import time
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import aiohttp
import numpy as np
import pytest
from aiohttp import test_utils, web
from tests.helpers.command_line import here, refused
from tests.helpers.peers import own_plugin

from learnae.adapters import keystore
from learnae.adapters.ipfs_keys import create_identity, create_swarm_key, peer_id_of_key
from learnae.backends.live_run import ROSTER, SESSION
from learnae.backends.remote_peers.join_file import WALLET, JoinFile
from learnae.backends.remote_peers.remote_peer import InvitingHost, RemotePeer, _connected
from learnae.cli.join import hand_in
from learnae.errors import InputError
from learnae.protocol.types import Cid
from learnae.runtime.clocks import Moment
from learnae.runtime.live_process import PeerEndpoints
from learnae.runtime.roster_file import Roster
from learnae.runtime.shard_learning import INITIAL, ROWS
from learnae.session.plugin_files import write_plugins
from learnae.session.session_file import parse, to_toml
from learnae.session.settings import ScoreSettings, Session
from learnae.session.setup import SessionSetup

SESSION_OF_TWO = parse({"peers": 2, "max_duration": 60.0})
FEATURES = 3
TOKEN = "t" * 43


def rendered(folder: Path, zero: Moment | None = None, session: Session = SESSION_OF_TWO) -> Path:
    """What build/swarm has for p01, the remote."""
    made, pod = [create_identity(), create_identity()], folder / "pods" / "p01"
    for part in ("ipfs", "peer/initial"):
        (pod / part).mkdir(parents=True)
    wallets = [keystore.create_wallet(path).address for path in (folder / "other.json", pod / "peer" / WALLET)]
    Roster.of(zip((each.peer_id for each in made), wallets, strict=True), zero).write(folder / ROSTER)
    (folder / SESSION).write_text(to_toml(session))
    write_plugins(session, pod / "peer")
    (pod / "ipfs" / "swarm.key").write_text(create_swarm_key())
    (pod / "ipfs" / "identity").write_text(made[1].key)
    features = np.zeros((4, FEATURES), np.float32)
    rows = {"features": features, "labels": np.zeros(4, int), "trained": 3, "salt": "salt", "data_sha256": ""}
    rows |= {"statistics": '{"classes": 2, "mean": [], "std": []}', "row_shape": np.array((), np.int64)}
    np.savez(pod / "peer" / ROWS, **rows)  # type: ignore[arg-type]
    for name in ("p00", "p01"):
        (pod / "peer" / INITIAL / f"{name}.safetensors").write_bytes(name.encode())
    return folder


def join_file(folder: Path, zero: Moment | None = None, session: Session = SESSION_OF_TWO) -> Path:
    path = folder / "p01.join.json"
    swarm = rendered(folder / "swarm", zero, session)
    members = Roster.read(swarm / ROSTER).members(session)
    session_id = SessionSetup(session, members, FEATURES, "", str.encode).session_id
    JoinFile.of_pod("p01", session_id, swarm, {"Qm": "/ip4/10.0.0.1/tcp/4001"}, "http://r", "http://h", TOKEN).write(
        path
    )
    return path


def test_what_is_unpacked_is_what_the_pod_would_have_had(tmp_path: Path) -> None:
    made = JoinFile.read(join_file(tmp_path))
    wallet = made.unpack(tmp_path / "remote")
    pod = tmp_path / "swarm" / "pods" / "p01" / "peer"
    for name in (ROWS, WALLET, "initial/p00.safetensors", "initial/p01.safetensors"):
        assert (tmp_path / "remote" / name).read_bytes() == (pod / name).read_bytes()
    assert stat.S_IMODE(wallet.stat().st_mode) == 0o600 == stat.S_IMODE((tmp_path / "p01.join.json").stat().st_mode)
    node = PeerEndpoints("p01", "", "", keystore.load_wallet(wallet), tmp_path / "p01.sqlite")
    member, learning = made.checked(tmp_path / "remote", node)
    assert (member.name, member.peer, learning.features) == ("p01", peer_id_of_key(made.identity), FEATURES)


def test_a_folder_that_was_there_keeps_its_mode_and_one_that_is_made_is_its_owners_alone(tmp_path: Path) -> None:
    made = JoinFile.read(join_file(tmp_path))
    (tmp_path / "shared").mkdir(0o755)
    for name, mode in (("shared", 0o755), ("remote", 0o700)):
        made.unpack(tmp_path / name)
        assert stat.S_IMODE((tmp_path / name).stat().st_mode) == mode


def test_its_secrets_are_in_no_repr(tmp_path: Path) -> None:
    made = JoinFile.read(join_file(tmp_path))
    shown = repr(made)
    assert not [secret for secret in (made.identity, made.wallet, made.swarm_key, TOKEN) if secret in shown]


def test_a_folder_of_another_peer_is_left_as_it_is(tmp_path: Path) -> None:
    JoinFile.read(join_file(tmp_path)).unpack(tmp_path / "remote")
    (tmp_path / "other").mkdir()
    with pytest.raises(InputError, match="another join file"):
        JoinFile.read(join_file(tmp_path / "other")).unpack(tmp_path / "remote")


def test_rows_of_another_session_are_noticed(tmp_path: Path) -> None:
    path = join_file(tmp_path)
    path.write_text(json.dumps(json.loads(path.read_text()) | {"session_id": Cid("bafy")}))
    made = JoinFile.read(path)
    node = PeerEndpoints("p01", "", "", keystore.load_wallet(made.unpack(tmp_path / "remote")), tmp_path / "p01.sqlite")
    with pytest.raises(InputError, match="do not match its session"):
        made.checked(tmp_path / "remote", node)


def changed(**fields: Any) -> Callable[[str], str]:
    return lambda text: json.dumps(json.loads(text) | fields)


@pytest.mark.parametrize(
    "damage",
    [
        lambda text: "",
        lambda text: text[:-100],
        lambda text: "[]",
        lambda text: '{"kind": "Invitation"}',
        changed(name="p07"),
        changed(identity=create_identity().key),
        changed(identity="AAAA"),
        changed(session="= no TOML"),
        changed(initial={"../p00": ""}),
        changed(rpc=7),
        changed(unknown=1),
        changed(wallet=None),
        changed(rows="no base64!"),
    ],
)
def test_a_damaged_join_file_is_refused_in_one_sentence(tmp_path: Path, damage: Callable[[str], str]) -> None:
    path = join_file(tmp_path)
    path.write_text(damage(path.read_text()))
    refused(here(tmp_path, "join", path, "--kubo-binary", "/bin/true"), "not a complete join file")


@pytest.mark.parametrize("arguments", [[], ["--run-plugins"]])
def test_a_join_file_that_names_code_outside_of_it_is_refused(tmp_path: Path, arguments: list[str]) -> None:
    (tmp_path / "mine.py").write_text("open('executed', 'w').close()\ndef reward(view): return 1")
    path = join_file(tmp_path)
    session = f'peers = 2\nmax_duration = 60.0\nreward.function = "{tmp_path}/mine.py:reward"'
    path.write_text(changed(session=session, plugins={"mine.py": ""})(path.read_text()))
    refused(here(tmp_path, "join", path, "--kubo-binary", "/bin/true", *arguments), "it lacks the code of plug-in")
    assert not (tmp_path / "executed").exists()


def test_a_metric_that_can_never_work_is_refused_before_the_peer_leaves_for_the_session(tmp_path: Path) -> None:
    reference = own_plugin("def metric(seen):\n    return missing\n", "metric")
    session = replace(SESSION_OF_TWO, score=ScoreSettings(reference))
    path = join_file(tmp_path, session=session)
    refused(here(tmp_path, "join", path, "--kubo-binary", "/bin/true", "--run-plugins"), "mine.py:metric, line 2")


def test_no_name_in_a_join_file_leads_out_of_its_folder(tmp_path: Path) -> None:
    path = join_file(tmp_path)
    content = json.loads(path.read_text())
    for place, name in ((0, "../../p00"), (1, "../../p01")):
        names = ["p00", "p01"]
        names[place] = name
        peers = [peer | {"name": name} for peer, name in zip(content["roster"]["peers"], names, strict=True)]
        initial = {f"{name}.safetensors": "" for name in names}
        path.write_text(
            changed(name=names[1], initial=initial, roster=content["roster"] | {"peers": peers})(json.dumps(content))
        )
        before = set(tmp_path.rglob("*"))
        refused(here(tmp_path, "join", path, "--kubo-binary", "/bin/true"), "make it anew")
        assert set(tmp_path.rglob("*")) == before


def test_to_a_session_that_is_over_nobody_goes(tmp_path: Path) -> None:
    refused(here(tmp_path, "join", join_file(tmp_path, Moment(time.time() - 61))), "over")


def test_without_a_file_or_a_kubo_nothing_begins(tmp_path: Path) -> None:
    refused(here(tmp_path, "join", tmp_path / "none"), "No such file")
    refused(here(tmp_path, "join", join_file(tmp_path), "--kubo-binary", tmp_path / "none"), "no Kubo at")


def test_a_join_file_whose_host_does_not_answer_is_refused(tmp_path: Path) -> None:
    path = join_file(tmp_path)
    path.write_text(changed(host="http://127.0.0.1:9")(path.read_text()))
    refused(here(tmp_path, "join", path, "--kubo-binary", "/bin/true"), "http://127.0.0.1:9 does not answer")


def test_a_remote_peer_is_told_to_which_address_the_host_directs_its_income(tmp_path: Path) -> None:
    cold = "0x" + "ab" * 20
    session = parse({"peers": 2, "max_duration": 60.0, "groups": [{"count": 1}, {"count": 1, "payout": cold}]})
    path = join_file(tmp_path, session=session)
    path.write_text(changed(host="http://127.0.0.1:9")(path.read_text()))
    done = here(tmp_path, "join", path, "--kubo-binary", "/bin/true")
    assert f"Its income goes to {cold} (groups.payout)." in " ".join(done.stdout.split())


def test_a_remote_peer_whose_host_is_gone_says_what_to_do_with_its_journal(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    path = join_file(tmp_path)
    path.write_text(changed(host="http://127.0.0.1:9")(path.read_text()))
    remote = RemotePeer(JoinFile.read(path), tmp_path / "remote")
    remote.journal.write_bytes(b"what it was told")
    asyncio.run(hand_in(remote))
    said = capsys.readouterr().out
    assert f"Send {remote.journal}" in said and "journals/" in said and "learnae audit RUN" in said


def test_of_what_a_host_refuses_with_no_more_is_read_than_a_sentence_needs(tmp_path: Path) -> None:
    sent = 0

    async def endless(request: web.Request) -> web.StreamResponse:
        nonlocal sent
        response = web.StreamResponse(status=400, headers={"Content-Encoding": "gzip"})
        await response.prepare(request)
        while True:
            await response.write(bytes(1 << 16))
            sent += 1 << 16

    async def story() -> None:
        app = web.Application()
        app.router.add_post("/{path:.*}", endless)
        async with test_utils.TestServer(app) as server:
            join = replace(JoinFile.read(join_file(tmp_path)), host=str(server.make_url("")).rstrip("/"))
            async with _connected(join) as host:
                with pytest.raises(InputError, match="does not answer"):
                    await host.come()

    asyncio.run(story())
    assert sent < 32 << 20  # in flight


def test_a_remote_peer_whose_host_is_silent_leaves(tmp_path: Path) -> None:
    path = join_file(tmp_path)
    path.write_text(changed(host="http://127.0.0.1:9")(path.read_text()))

    async def unheard() -> None:
        left = asyncio.Event()
        async with aiohttp.ClientSession() as client:
            await InvitingHost(JoinFile.read(path), client).send_heartbeats(left.set, interval=0.01)
        assert left.is_set()

    asyncio.run(unheard())
