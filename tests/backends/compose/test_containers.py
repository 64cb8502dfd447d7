"""Commands about containers as a user meets them, with a fake docker command."""

import asyncio
import signal
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
import torch
from tests.helpers.command_line import here, refused
from tests.helpers.fake_docker import SOUND, fake_docker

from learnae.adapters.run_directory import RunDirectory
from learnae.backends import live_run
from learnae.backends.base import Run, RunOptions
from learnae.backends.compose import capacity, container_monitor, doctor_findings, free_addresses, render
from learnae.backends.compose import prepare as ready
from learnae.backends.compose import session as sessions
from learnae.backends.compose.backend import ComposeBackend
from learnae.backends.compose.plan import MAX_PODS, project, subnets
from learnae.backends.pods import files
from learnae.backends.remote_peers.host import RemotePeers
from learnae.checkout import REPOSITORY
from learnae.cli.output import INTERRUPTED, print_outcome
from learnae.cli.run_session import run_session
from learnae.errors import InputError
from learnae.learn.datasets import shard_file
from learnae.protocol.types import Address, Cid, PeerId
from learnae.runtime.roster_file import Roster
from learnae.runtime.shard_learning import ROWS
from learnae.runtime.torch_learning import TorchLearning
from learnae.session.session_file import parse, to_toml

SESSION = {"peers": 2, "data": {"rows": 100, "validation_rows": 50, "test_rows": 100}}
NOTHING = '*inspect*) exit 1 ;;\n"network ls"*) ;;\nps*) ;;\n*) ;;'

Fake = Callable[[str], Path]


@pytest.fixture
def fake(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Fake]:
    (tmp_path / "bin").mkdir()
    yield lambda cases: fake_docker(tmp_path / "bin", monkeypatch, cases)
    free_addresses.release_claims()


@pytest.fixture
def checkout(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Nothing of the real one is touched."""
    folder = tmp_path / "build" / "swarm"
    folder.parent.mkdir()
    monkeypatch.setattr(render, "FOLDER", folder)
    for function in (sessions.alone.__wrapped__, sessions.remove):  # type: ignore[attr-defined]
        monkeypatch.setattr(function, "__defaults__", (folder,))
    monkeypatch.chdir(tmp_path)
    return folder


# The doctor


def found(peers: int | None) -> dict[str, tuple[bool, str]]:
    return {finding.what: (finding.ok, finding.fix) for finding in doctor_findings.findings(peers)}


def test_the_doctor_has_nothing_to_mend_where_there_is_no_engine(fake: Fake) -> None:
    fake("version*) echo Cannot connect >&2; exit 1 ;;")
    [(what, (ok, fix))] = found(None).items()
    assert ok and "embedded" in what and "Cannot connect" in fix


def test_the_doctor_names_engine_images_room_place_and_the_kernels_abilities(
    fake: Fake, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(capacity, "max_pods", lambda model=0: 30)
    images = '"images "*) echo debian:trixie-slim ;;\n*inspect*grafana*) exit 1 ;;'
    asked = fake(f'{SOUND}{images}\n"network ls"*) ;;\n*) echo some ;;')
    told = found(None)
    assert all(ok for ok, _ in told.values())
    assert "Docker 27.1 with Compose 2.26.1" in told
    assert told["stand-in images: debian:trixie-slim"][1].startswith("for the original images")
    assert any(what.startswith("pulled images: ipfs/kubo:v0.43.0") for what in told)
    assert told["missing images: grafana/grafana:11.6.0"] == (True, "the swarm runs without them")
    assert told["room for 30 pods"] == (True, "")
    assert any(what.startswith("free subnet 10.") for what in told)
    assert "the kernel can cut links and drop packets in containers" in told
    assert "--cap-drop=ALL --cap-add=NET_ADMIN --cap-add=NET_RAW --network none" in asked.read_text()


def test_the_doctor_says_what_is_missing_or_taken(fake: Fake, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(capacity, "max_pods", lambda model=0: 3)
    monkeypatch.setenv("LEARNAE_SUBNET", "nowhere")
    fake(f"{SOUND}*inspect*-peer) ;;\n*inspect*) exit 1 ;;\nrun*) echo no such table >&2; exit 1 ;;\n*) ;;")
    told = found(None)
    assert told["no free addresses for a swarm"] == (False, told["no free addresses for a swarm"][1])
    assert "LEARNAE_SUBNET is not a subnet" in told["no free addresses for a swarm"][1]
    assert told["links cannot be cut"] == (False, "the kernel does not allow iptables in containers (no such table)")
    assert any(
        what.startswith("missing images: debian") and "make base-images" in fix for what, (_, fix) in told.items()
    )
    assert told["room for 3 pods"][0] and "N=3 fits" in told["room for 3 pods"][1]  # of the paper's 20


def test_the_doctor_is_asked_whether_so_many_fit(fake: Fake, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(capacity, "max_pods", lambda model=0: 3)
    fake(SOUND + NOTHING)
    assert found(3)["room for 3 pods"] == (True, "")
    assert not found(4)["room for 3 pods"][0]
    assert f"at most {MAX_PODS}" in found(MAX_PODS + 1)["room for 3 pods"][1]


# Commands


def test_what_is_rendered_is_printed_and_nothing_is_started(fake: Fake, checkout: Path) -> None:
    asked = fake(SOUND + NOTHING)
    done = here(checkout.parent, "compose", "render", "paper", "--peers", 2)
    assert done.returncode == 0, done.stderr
    assert f"COMPOSE_PROJECT_NAME={project(REPOSITORY)}" in done.stdout and "  peer-p01:" in done.stdout
    assert " up " not in asked.read_text() and not checkout.exists()


def test_logs_are_asked_for_by_pod_from_anywhere(fake: Fake, checkout: Path) -> None:
    listed = r'printf "peer-p01\trunning\tUp\nlink-p01\trunning\tUp\nchain\trunning\tUp\n"'
    asked = fake(f"{SOUND}ps*) {listed} ;;\n*) pwd >from ;;")
    for name, services in (("1", "peer-p01 link-p01"), ("p01", "peer-p01 link-p01"), ("chain", "chain")):
        done = here(checkout.parent, "compose", "logs", name)
        assert done.returncode == 0, done.stderr
        assert asked.read_text().splitlines()[-1] == f"compose -p {project(REPOSITORY)} logs {services}"
    refused(here(checkout.parent, "compose", "logs", "p07"), "no container of p07")


def test_threads_are_refused_where_each_peer_has_one(fake: Fake, checkout: Path) -> None:
    fake(SOUND + NOTHING)
    done = here(checkout.parent, "swarm", "paper", "--backend", "compose", "--threads", 2)
    refused(done, "--threads", "leave it out")


# Sessions that come to nothing


Played = Callable[..., tuple[Any, str]]


@pytest.fixture
def played(fake: Fake, checkout: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Played:
    """``played(prepare)``: a session whose preparation is that; its exit code or error, and what was printed."""

    def play(prepare: Callable[[], Any], cases: str = NOTHING) -> tuple[Any, str]:
        fake(SOUND + cases)

        async def prepared(*given: object) -> Any:
            return await prepare()

        monkeypatch.setattr(ready, "prepare", prepared)
        backend = ComposeBackend(parse(SESSION), RunOptions(), print)
        backend.check()
        try:
            result: Any = run_session(backend, "a test", RunOptions(), print_outcome)
        except InputError as error:
            result = error
        return result, capsys.readouterr().out

    return play


async def pressed() -> None:
    """Ctrl-C."""
    signal.raise_signal(signal.SIGINT)
    await asyncio.Event().wait()


def test_ctrl_c_before_anything_runs_claims_nothing_of_peers_and_leaves_nothing(played: Played, checkout: Path) -> None:
    code, printed = played(pressed)
    assert code == INTERRUPTED
    assert "Interrupted before there was anything to judge." in printed and "stopping the peers" not in printed
    assert list(checkout.parents[1].glob("runs/*")) == []


def test_ctrl_c_while_containers_are_removed_waits_until_they_are(played: Played, checkout: Path) -> None:
    """Docker's command presses it, in the middle of `down`."""
    down = "*down*) [ ! -f begun ] || { kill -INT $PPID; touch removed; } ;;"
    listed = r'ps*) [ ! -f begun ] || [ -f removed ] || printf "chain\trunning\tUp\n" ;;'

    async def begun() -> None:
        (checkout.parents[1] / "bin" / "begun").touch()
        await pressed()

    code, printed = played(begun, f"{down}\n{listed}\n{NOTHING}")
    assert code == INTERRUPTED
    assert printed.index("Cleaning up") < printed.index("Removed 1 containers")


def test_what_a_killed_session_left_is_removed_before_it_is_checked_what_fits(
    played: Played, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(capacity, "max_pods", lambda model=0: 0)
    left = r"*down*) touch removed ;;" + "\n" + r'ps*) [ -f removed ] || printf "chain\trunning\tUp\n" ;;'
    error, printed = played(pressed, f"{left}\n{NOTHING}")
    assert "more than is free" in str(error)
    assert "Removed 1 containers of an earlier session." in printed


@pytest.fixture
def small(checkout: Path, monkeypatch: pytest.MonkeyPatch) -> sessions.ComposeSwarm:
    """A session of two that is ready to come up."""
    monkeypatch.setattr(free_addresses, "free_subnet", lambda checkout: next(subnets(checkout)))
    monkeypatch.setattr(free_addresses, "free_base", lambda checkout, numbers, hosts: 20_000)
    session = parse(SESSION)
    plan, there = ready.plan_for(session), Roster.of([(PeerId("a"), Address("0xa")), (PeerId("b"), Address("0xb"))])
    checkout.mkdir()
    there.write(checkout / "roster.json")
    (checkout / "session.toml").write_text(to_toml(session))
    remote_peers = RemotePeers(plan.remote_names, checkout, Cid("manifest"))
    return sessions.ComposeSwarm(session, plan, there.members(session), checkout, Cid("manifest"), remote_peers)


def test_a_chain_that_is_gone_for_good_ends_the_session_in_a_sentence_and_what_there_is_is_collected(
    fake: Fake, small: sessions.ComposeSwarm, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(container_monitor, "LOST", 0.0)
    listed = r'printf "chain\texited\tExited (137) now\npeer-p00\trunning\tUp\n"'
    asked = fake(f"{SOUND}ps*) {listed} ;;\nwait*) mkfifo hang; cat hang ;;\nlogs*) echo out of memory >&2 ;;\n*) ;;")
    said = list[str]()
    with pytest.raises(InputError, match="^the chain has been down"):
        asyncio.run(sessions.live(small, Run(RunDirectory(tmp_path / "run")), said.append))
    assert said[0] == "chain ended with exit code 137: out of memory"
    assert (tmp_path / "run" / "roster.json").exists() and said[-1].startswith("The chain could not be exported")
    assert any(line.endswith("stop peer-p00 peer-p01") for line in asked.read_text().splitlines())


# What is written


def test_secrets_are_their_owners_alone_from_the_first_byte(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(files, "restrict", lambda folders, user: None)  # which comes when all is written
    monkeypatch.setattr(free_addresses, "free_subnet", lambda checkout: next(subnets(checkout)))
    monkeypatch.setattr(free_addresses, "free_base", lambda checkout, numbers, hosts: 20_000)
    session = parse(SESSION)
    folder = tmp_path / "swarm"
    render.render(session, ready.plan_for(session), folder, "http://node/key")
    assert {(folder / part).stat().st_mode & 0o777 for part in ("pods", "journals")} == {0o700}
    secrets = ("link/token", "ipfs/swarm.key", "ipfs/config.json", "peer/token", "peer/wallet.json", "peer/rpc")
    assert {(folder / "pods" / "p00" / secret).stat().st_mode & 0o777 for secret in secrets} == {0o600}


def test_no_pod_gets_the_salt_by_which_the_host_deals_judging_blocks(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(free_addresses, "free_subnet", lambda checkout: next(subnets(checkout)))
    monkeypatch.setattr(free_addresses, "free_base", lambda checkout, numbers, hosts: 20_000)
    session, folder = parse(SESSION | {"groups": [{"count": 1, "has_rows": False}, {}]}), tmp_path / "swarm"
    render.render(session, ready.plan_for(session), folder)
    salt = live_run.judging_salt(folder)
    knowing = [path for path in folder.rglob("*") if path.is_file() and salt.encode() in path.read_bytes()]
    assert len(salt) == 32 and knowing == [folder / live_run.JUDGING_SALT]
    assert knowing[0].stat().st_mode & 0o777 == 0o600
    dealt = TorchLearning(session, 1, salt=salt)
    held, _ = shard_file.load(folder / "pods" / "p00" / "peer" / ROWS)
    assert torch.equal(held.features, dealt.table.features[dealt.split.peers[0].validation])


def test_what_cannot_be_removed_is_named(tmp_path: Path) -> None:
    (tmp_path / "swarm").write_text("")
    with pytest.raises(InputError, match="swarm cannot be removed .Not a directory"):
        files.remove(tmp_path / "swarm")
    files.remove(tmp_path / "none")


def test_a_place_that_cannot_be_written_is_one_sentence(fake: Fake, checkout: Path) -> None:
    fake(SOUND + NOTHING)
    (checkout.parent / "up.lock").mkdir()
    refused(here(checkout.parent, "compose", "down"), "up.lock: Is a directory")
