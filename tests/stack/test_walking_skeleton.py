"""Two live peers in processes of their own, two Kubo nodes, Anvil.  One is killed, the chain goes back, all is paid."""

import random
import signal
from collections.abc import Iterator
from pathlib import Path

import pytest
from tests.drivers.command_line import here
from tests.stack.live_peers import changed, decided
from tests.stack.live_swarm import LiveSwarm

from learnae.adapters.rundir import RunDirectory
from learnae.config import parse, wei
from learnae.core.facts import DebtState, RolledBack
from learnae.history import Balances, Block

SESSION = parse(
    {
        "name": "skeleton",
        "peers": 2,
        "linger": 8.0,
        "max_duration": 110.0,
        "data": {"rows": 400, "validation_rows": 200, "test_rows": 200},
        "model": {"hidden": [16]},
        "work": {"slices": 8, "patience": 6, "idle_after": 2.0},
        "start": {"timeout": 10.0},
        "pace": {"slice": 1.0, "attempt": 0.3},
        "chain": {"poll": 0.3, "resend_after": 5.0},
        "network": {"announce_every": 2.0},
    }
)


@pytest.fixture
def swarm(tmp_path: Path) -> Iterator[LiveSwarm]:
    swarm = LiveSwarm(tmp_path, SESSION)
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
    (swarm.run / "verdict.json").unlink()
    (swarm.run / "history.jsonl").unlink()
    audited = here(swarm.folder, "audit", swarm.run)
    assert "Verdict: valid (ended by: quiet)" in audited.stdout

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
        assert balances.balances[entry.wallet] == wei(SESSION.chain.balance) + received - sent - gas


def test_blocks_that_are_replaced_without_the_chain_ever_being_lower_are_noticed(swarm: LiveSwarm) -> None:
    peers = [swarm.start(0), swarm.start(1)]
    peers[0].when(changed("mined"))
    swarm.anvil.ask("anvil_reorg", swarm.height - 1, [])
    for peer in peers:
        assert peer.when(decided("RolledBack"))["rechecked"]
        assert peer.end() == 0
    audited = here(swarm.folder, "audit", swarm.run, "--rpc", swarm.anvil.url)
    assert audited.returncode == 0, audited.stdout + audited.stderr


def test_a_peer_that_is_killed_again_and_again_pays_everything_once_and_finishes(swarm: LiveSwarm) -> None:
    dice, other, killed = random.Random(1), swarm.start(1), swarm.start(0)
    for _ in range(4):
        killed.decided(dice.randint(3, 9))
        killed.kill()
        killed = swarm.start(0)
    assert (killed.end(), other.end()) == (0, 0)
    audited = here(swarm.folder, "audit", swarm.run, "--rpc", swarm.anvil.url)
    assert audited.returncode == 0, audited.stdout + audited.stderr
    history = RunDirectory(swarm.run).read()
    assert {changes[-1][1].state for changes in history.debts.values()} == {DebtState.FINAL}


def test_a_peer_that_is_told_to_stop_is_gone_within_five_seconds_and_can_go_on(swarm: LiveSwarm) -> None:
    peer = swarm.start(0)
    peer.when(decided("Trained"))
    peer.process.send_signal(signal.SIGTERM)
    assert peer.process.wait(5) == 130
    back = swarm.start(0)
    assert back.when(decided("Trained"))["slice"] != peer.when(decided("Trained"))["slice"]


@pytest.mark.parametrize(
    ("wrong", "sentence"),
    [
        ({"name": "p07"}, "p07 is not in the roster"),
        ({"name": "p01"}, "the keystore is of"),
        ({"roster": "absent.json"}, "absent.json"),
        ({"kubo": "127.0.0.1:5001"}, "the Kubo RPC URL must look like"),
        ({"kubo": "http://127.0.0.1:1"}, "cannot be used"),
        ({"rpc": "127.0.0.1"}, "the Ethereum RPC URL must begin with"),
    ],
)
def test_a_peer_that_was_told_something_wrong_says_so_in_one_sentence(
    swarm: LiveSwarm, wrong: dict[str, str], sentence: str
) -> None:
    peer = swarm.start(0, **wrong)
    assert peer.end() == 2
    said = peer.log.read_text()
    assert sentence in said and said.startswith("learnae: ") and len(said.splitlines()) == 1
