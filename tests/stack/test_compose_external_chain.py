"""A session on containers on a chain that is not ours, with others on it: valid, audited, and the money comes back."""

import json
import secrets
import signal
import stat
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

import pytest
from tests.helpers.command_line import here
from tests.helpers.waiting import until
from tests.stack.compose_swarm import PROJECT, ComposeSwarm, containers, left
from tests.stack.foreign_chain import CHAIN_ID, SECRET, ForeignAnvil, gateway

from learnae.adapters.keystore import Wallet
from learnae.adapters.run_directory import CHAIN, RunDirectory
from learnae.backends.compose.containers import Containers
from learnae.backends.compose.docker_cli import docker
from learnae.backends.compose.render import FOLDER
from learnae.backends.external_chain.wallet_funding import FUNDING, WALLETS, Funding
from learnae.protocol.decisions import DebtState
from learnae.protocol.types import ETHER, Address, Wei
from learnae.records.chain_export import Block

pytestmark = pytest.mark.docker

SESSION = f"""
name = "foreign"
peers = 3
linger = 2.0
max_duration = 600.0
[chain]
id = {CHAIN_ID}
balance = "0.05"
[data]
rows = 1000
validation_rows = 300
[model]
hidden = [16]
[work]
slices = 4
patience = 3
idle_after = 1.0
[pace]
slice = 1.0
attempt = 0.5
[start]
timeout = 60.0
"""
GIFT = Wei(12_345)


@pytest.fixture(scope="module")
def chain() -> Iterator[ForeignAnvil]:
    with ForeignAnvil(gateway()) as chain:
        yield chain


@dataclass
class Lender:
    """A key with 1 ETH on the chain, and what is told to a swarm that it pays for."""

    key: str
    wallet: Wallet
    session: Path

    def environment(self, chain: ForeignAnvil, key: str, cap: str = "0.2") -> pytest.MonkeyPatch:
        patch = pytest.MonkeyPatch()
        for name, value in {"LEARNAE_RPC": chain.url, "LEARNAE_KEY": key, "LEARNAE_CAP": cap}.items():
            patch.setenv(name, value)
        return patch


def lender(chain: ForeignAnvil, folder: Path) -> Lender:
    secret = secrets.token_bytes(32)
    wallet = Wallet.from_key(secret)
    chain.fund(wallet, Wei(ETHER))
    (folder / "session.toml").write_text(SESSION)
    return Lender(secret.hex(), wallet, folder / "session.toml")


def test_a_killed_session_leaves_the_money_where_refund_finds_it(chain: ForeignAnvil, tmp_path: Path) -> None:
    payer = lender(chain, tmp_path)
    patch = payer.environment(chain, "0x" + payer.key)
    try:
        swarm = ComposeSwarm(payer.session, tmp_path / "run", "--peers", "2")
        swarm.when("of 2 registered")  # none yet: containers are still coming up
        until(lambda: containers() != "")
        swarm.process.kill()
        assert swarm.end() == -signal.SIGKILL
        here(tmp_path, "compose", "down")
        assert not (swarm.run / CHAIN).exists() and len(list((swarm.run / WALLETS).iterdir())) == 2
        assert {stat.S_IMODE(each.stat().st_mode) for each in (swarm.run / WALLETS).iterdir()} == {0o600}
        done = here(tmp_path, "refund", swarm.run)
        assert done.returncode == 0 and "2 of 2 wallets are empty" in done.stdout, done.stdout + done.stderr
        funding = Funding.read(swarm.run)
        assert funding.opening and not (swarm.run / WALLETS).exists()
        gas = chain.sent_by({payer.wallet.address: None, **funding.opening.balances})
        assert chain.balance(payer.wallet.address) == ETHER - gas
    finally:
        patch.undo()


def test_ctrl_c_gives_the_money_back_at_once(chain: ForeignAnvil, tmp_path: Path) -> None:
    payer = lender(chain, tmp_path)
    patch = payer.environment(chain, payer.key)
    try:
        swarm = ComposeSwarm(payer.session, tmp_path / "run", "--peers", "2")
        swarm.when("the session begins")
        swarm.process.send_signal(signal.SIGINT)
        assert swarm.end() == 130 and left() == ""
        assert "2 of 2 wallets are empty" in swarm.when("Returned:")
        assert (swarm.run / FUNDING).exists() and not (swarm.run / WALLETS).exists()
        assert chain.balance(payer.wallet.address) > 0.999 * ETHER
    finally:
        patch.undo()


def test_what_containers_cannot_reach_is_refused_before_any_money_moves(tmp_path: Path) -> None:
    """0.0.0.0 is whoever asks: here it is this machine."""
    gateway()
    with ForeignAnvil("127.0.0.1") as hidden:
        payer = lender(hidden, tmp_path)
        patch = payer.environment(hidden, payer.key)
        patch.setenv("LEARNAE_RPC", hidden.url.replace("127.0.0.1", "0.0.0.0"))
        try:
            swarm = ComposeSwarm(payer.session, tmp_path / "run", "--peers", "2")
            assert swarm.end() == 2
            assert swarm.lines[-1].startswith("learnae: containers cannot reach 0.0.0.0"), "\n".join(swarm.lines)
            assert hidden.balance(payer.wallet.address) == ETHER and left() == ""
            assert not (tmp_path / "run").exists()
        finally:
            patch.undo()


def command_of(process: Path) -> str:
    """Nothing, if it has ended meanwhile."""
    with suppress(OSError):
        return (process / "cmdline").read_text(errors="replace")
    return ""


@pytest.fixture(scope="module")
def payer(chain: ForeignAnvil, tmp_path_factory: pytest.TempPathFactory) -> Lender:
    return lender(chain, tmp_path_factory.mktemp("payer"))


@pytest.fixture(scope="module")
def swarm(chain: ForeignAnvil, payer: Lender) -> Iterator[ComposeSwarm]:
    """Kept running; while it ran a stranger gave p00 a present."""
    folder = payer.session.parent
    file = folder / "key"
    file.touch(0o600)
    file.write_text(payer.key + "\n")
    patch = payer.environment(chain, str(file))
    swarm = ComposeSwarm(payer.session, folder / "run")
    try:
        swarm.when("3 of 3 registered")
        chain.give(Address(json.loads((FOLDER / "roster.json").read_text())["peers"][0]["wallet"]), GIFT)
        swarm.when("The page stays at")
        yield swarm
    finally:
        swarm.process.send_signal(signal.SIGINT)
        swarm.end()
        here(folder, "compose", "down")
        patch.undo()


def test_it_ends_valid_with_every_debt_paid_on_that_chain(swarm: ComposeSwarm, chain: ForeignAnvil) -> None:
    history = RunDirectory(swarm.run).read()
    assert RunDirectory(swarm.run).verdict()["verdict"] == "valid", "\n".join(swarm.lines)
    assert history.debts and {changes[-1][1].state for changes in history.debts.values()} == {DebtState.FINAL}
    blocks, opening = history.exports(Block), history.starting_balances
    assert opening and [each.number for each in blocks] == [opening.number + 1 + i for i in range(len(blocks))]
    strangers = [each for block in blocks for each in block.transactions if each.sender == chain.stranger]
    assert [each.wei for each in strangers] == [GIFT]


def test_no_chain_of_our_own_came_up_beside_it(swarm: ComposeSwarm) -> None:
    assert "chain" not in {each.service for each in Containers(PROJECT, FOLDER).containers()}


def test_neither_the_key_nor_the_url_is_anywhere_but_in_the_pods_own_files(swarm: ComposeSwarm, payer: Lender) -> None:
    names = docker("ps", "-aq", "--filter", f"label=com.docker.compose.project={PROJECT}").split()
    told = {
        "docker inspect": docker("inspect", *names),
        "logs": "".join(docker("logs", each) for each in names),
        "printed": "\n".join(swarm.lines),
        "processes": "".join(map(command_of, Path("/proc").glob("[0-9]*"))),
    }
    files = [each for folder in (swarm.run, FOLDER) for each in folder.rglob("*") if each.is_file()]
    told |= {str(each): each.read_bytes().decode(errors="replace") for each in files}
    rpc = {str(FOLDER / "pods" / name / "peer" / "rpc") for name in ("p00", "p01", "p02")}
    assert {where for where, text in told.items() if SECRET in text} == rpc
    assert [where for where, text in told.items() if payer.key in text.lower()] == []
    assert {stat.S_IMODE(Path(each).stat().st_mode) for each in rpc} == {0o600}


def test_the_remainder_is_back_to_the_wei(swarm: ComposeSwarm, chain: ForeignAnvil, payer: Lender) -> None:
    funding = Funding.read(swarm.run)
    assert funding.opening and not (swarm.run / WALLETS).exists()
    assert [chain.balance(wallet) for wallet in funding.opening.balances] == [0, 0, 0]
    gas = chain.sent_by({payer.wallet.address: None, **funding.opening.balances})
    assert chain.balance(payer.wallet.address) == ETHER + GIFT - gas
    assert "3 of 3 wallets are empty" in swarm.when("Returned:")


def test_the_run_alone_is_audited_to_the_wei_and_says_what_it_rests_on(
    swarm: ComposeSwarm, chain: ForeignAnvil
) -> None:
    audited = here(swarm.run, "audit", swarm.run)
    assert audited.returncode == 0, audited.stdout + audited.stderr
    assert "On a shared chain the checks rely on the node" in audited.stdout
    assert "p00 had 0.05 ETH" in audited.stdout
    (swarm.run / CHAIN).unlink()
    again = here(swarm.run, "audit", swarm.run, "--seal")
    missing, *others = again.stdout.splitlines()
    assert missing == "Not as it was sealed: chain.jsonl is missing"
    assert others == audited.stdout.splitlines(), "exported anew, though the wallets were emptied since"
