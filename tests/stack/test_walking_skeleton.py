"""Two live peers in processes of their own, two Kubo nodes, Anvil.  One is killed, the chain goes back, all is paid."""

import signal
import sqlite3
import subprocess
import sys
from collections.abc import Iterator
from contextlib import closing
from dataclasses import replace
from decimal import Decimal
from pathlib import Path

import pytest
from tests.helpers.command_line import Done, here, refused
from tests.stack.live_peers import Printed, changed, decided
from tests.stack.live_swarm import LiveSwarm

from learnae.adapters.run_directory import RunDirectory
from learnae.backends import live_run as sessions
from learnae.protocol.decisions import DebtState, IdentityChanged, RolledBack
from learnae.protocol.types import wei
from learnae.records.chain_export import Balances, Block
from learnae.session.session_file import parse, to_toml

pytestmark = pytest.mark.real

SESSION = parse(
    {
        "name": "skeleton",
        "peers": 2,
        "linger": 8.0,
        "max_duration": 600.0,
        "data": {"rows": 400, "validation_rows": 200, "test_rows": 200},
        "model": {"hidden": [16], "batch": 5},  # so two of three averages are kept; of 100, a peer may keep none
        "work": {"slices": 8, "patience": 6, "idle_after": 2.0},
        "start": {"timeout": 10.0},
        "pace": {"slice": 1.0, "attempt": 0.3},
        "chain": {"poll": 0.3, "resend_after": 5.0},
        "network": {"announce_every": 2.0},
    }
)


def registered(fact: Printed) -> bool:
    return bool(fact["kind"] == "IdentityChanged" and fact["identity"] == "registered")


@pytest.fixture
def swarm(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[LiveSwarm]:
    """``param``: slices, if not the session's."""
    slices = getattr(request, "param", SESSION.work.slices)
    swarm = LiveSwarm(tmp_path, replace(SESSION, work=replace(SESSION.work, slices=slices)))
    yield swarm
    swarm.end()


def test_a_peer_is_killed_and_the_chain_goes_back_and_every_debt_is_paid_once_to_the_wei(swarm: LiveSwarm) -> None:
    killed, other = swarm.start(0), swarm.start(1)
    killed.when(changed("signed"))
    killed.kill()
    swarm.roll_back()
    back = swarm.start(0)
    assert (back.end(), other.end()) == (0, 0)
    audited = here(swarm.folder, "audit", swarm.run, "--rpc", swarm.anvil.url)
    assert audited.returncode == 0, audited.stdout + audited.stderr

    swarm.end()  # everything is gone but the folder
    for name in ("verdict.json", "history.jsonl", "seal.json"):
        (swarm.run / name).unlink()
    audited = here(swarm.folder, "audit", swarm.run)
    assert "checks passed; all peers finished and all debts are settled." in audited.stdout

    history = RunDirectory(swarm.run).read()
    noticed = {record.peer: fact.rechecked for record, fact in history.facts(RolledBack)}
    assert noticed.keys() == {"p00", "p01"} and all(noticed.values())
    debts = {debt: changes[-1][1] for debt, changes in history.debts.items()}
    assert debts.keys() >= {("p00", 0)} and {debt.state for debt in debts.values()} == {DebtState.FINAL}
    [balances] = history.exports(Balances)
    transactions = [each for block in history.exports(Block) for each in block.transactions]
    for name, entry in history.roster.items():
        gas = sum(each.gas_used * each.gas_price for each in transactions if each.sender == entry.wallet)
        sent = sum(debt.wei for (payer, _), debt in debts.items() if payer == name)
        received = sum(debt.wei for debt in debts.values() if debt.payee == entry.wallet)
        left = wei(SESSION.chain.balance) - sent + received - gas
        assert balances.balances[entry.wallet] == left
        amounts = [f"{Decimal(each).scaleb(-18):.18f}".rstrip("0").rstrip(".") for each in (sent, received, gas, left)]
        assert "sent {} ETH, received {} ETH, spent {} ETH on gas, has {} ETH\n".format(*amounts) in audited.stdout


def test_blocks_that_are_replaced_without_the_chain_ever_being_lower_are_noticed(swarm: LiveSwarm) -> None:
    peers = [swarm.start(0), swarm.start(1)]
    peers[0].when(changed("mined"))
    swarm.anvil.ask("anvil_reorg", swarm.height - 1, [])
    for peer in peers:
        assert peer.when(decided("RolledBack"))["rechecked"]
        assert peer.end() == 0
    audited = here(swarm.folder, "audit", swarm.run, "--rpc", swarm.anvil.url)
    assert audited.returncode == 0, audited.stdout + audited.stderr


def test_a_peer_that_is_told_to_stop_stops_in_mid_session_and_can_go_on(swarm: LiveSwarm) -> None:
    peer = swarm.start(0)
    peer.when(decided("Trained"))
    peer.process.send_signal(signal.SIGTERM)
    assert peer.end() == 130
    back = swarm.start(0)
    assert back.when(decided("Trained"))["slice"] != peer.when(decided("Trained"))["slice"]


def test_a_peer_that_nobody_reads_any_more_says_so_in_one_sentence(swarm: LiveSwarm) -> None:
    command = [sys.executable, "-m", "learnae", "peer", *map(str, swarm.arguments(0))]
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True) as peer:
        assert peer.stdout and peer.stderr and peer.stdout.readline()
        peer.stdout.close()
        said = peer.stderr.read()
    refused(subprocess.CompletedProcess(command, peer.returncode, "", said), "has closed it")


@pytest.mark.parametrize("work", ["learn", "train"])
def test_a_peer_in_the_middle_of_work_without_an_end_stops_too(swarm: LiveSwarm, work: str) -> None:
    peer = swarm.start(0, "tests.stack.blocked_peer", work)
    peer.when(decided("Blocked"))
    peer.process.send_signal(signal.SIGTERM)
    assert peer.end() == 130


def test_a_peer_that_was_given_anothers_node_or_chain_says_so_in_one_sentence(swarm: LiveSwarm) -> None:
    def started(**instead: object) -> Done:
        return here(swarm.folder, "peer", *swarm.arguments(0, **instead))

    refused(started(kubo=swarm.url(1)), "give the URL of its own")
    refused(started(rpc="127.0.0.1"), "the Ethereum RPC URL must start with")
    elsewhere = replace(SESSION, chain=replace(SESSION.chain, id=1))
    (swarm.run / sessions.SESSION).write_text(to_toml(elsewhere))
    refused(started(), "on chain 31337 and the session on chain 1")


def test_a_wallet_without_its_journal_and_a_journal_of_another_core_are_refused_in_one_sentence(
    swarm: LiveSwarm,
) -> None:
    peer = swarm.start(0)
    peer.when(registered)
    peer.process.send_signal(signal.SIGTERM)
    peer.end()
    refused(here(swarm.folder, "peer", *swarm.arguments(0, journal="new.sqlite")), "restore the journal that counts")
    journal = swarm.run / sessions.JOURNALS / "p00.sqlite"
    with closing(sqlite3.connect(journal)) as connection, connection:
        connection.execute("UPDATE events SET digest = 'other' WHERE number = 2")
    refused(here(swarm.folder, "peer", *swarm.arguments(0)), f"{journal} cannot be replayed")


@pytest.mark.parametrize("swarm", [25], indirect=True)  # slices left when the first debt is signed, on any machine
def test_a_dead_kubo_and_a_chain_that_hangs_stop_no_training(swarm: LiveSwarm) -> None:
    peers = [swarm.start(0), swarm.start(1)]
    peers[0].when(changed("signed"))
    swarm.anvil.process.send_signal(signal.SIGSTOP)
    swarm.kubos[0].kill()
    for peer in peers:
        peer.when(decided("Trained", after=peer.facts[-1]["t"] + 1.0))
    swarm.kubos.start()
    swarm.anvil.process.send_signal(signal.SIGCONT)
    assert [peer.end() for peer in peers] == [0, 0]
    audited = here(swarm.folder, "audit", swarm.run, "--rpc", swarm.anvil.url)
    assert audited.returncode == 0, audited.stdout + audited.stderr
    history = RunDirectory(swarm.run).read()
    assert {changes[-1][1].state for changes in history.debts.values()} == {DebtState.FINAL}


def test_a_chain_that_is_replaced_while_a_peer_is_away_is_a_new_beginning(swarm: LiveSwarm) -> None:
    killed, other = swarm.start(0), swarm.start(1)
    killed.when(changed("mined"))
    killed.kill()
    swarm.replace_chain()
    back = swarm.start(0)
    assert (back.end(), other.end()) == (0, 0)
    audited = here(swarm.folder, "audit", swarm.run, "--rpc", swarm.anvil.url)
    assert audited.returncode == 0, audited.stdout + audited.stderr
    history = RunDirectory(swarm.run).read()
    ends = {changes[-1][1].state for changes in history.debts.values()}
    assert ends <= {DebtState.FINAL, DebtState.DECLINED}
    assert len({fact.tx for _, fact in history.facts(IdentityChanged) if fact.tx}) == 4  # each peer's, on each chain
