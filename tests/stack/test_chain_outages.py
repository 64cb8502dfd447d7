"""A chain that is away for long, loses blocks, or is replaced: live peers pay each debt at most once."""

from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path

import pytest
from tests.helpers.command_line import here
from tests.stack.live_peers import LivePeerProcess, changed, decided
from tests.stack.live_swarm import LiveSwarm
from tests.stack.test_kill_points import start

from learnae.adapters.run_directory import CHAIN, RunDirectory
from learnae.protocol.decisions import ChainEntered, DebtState, RolledBack
from learnae.records.chain_export import Block
from learnae.records.history import History
from learnae.session.session_file import parse
from learnae.session.settings import Session

pytestmark = pytest.mark.real

MEANWHILE = 6  # averagings of each peer while the chain is away
PACED = parse(
    {
        "name": "outages",
        "peers": 2,
        "linger": 3.0,
        "max_duration": 600.0,
        "data": {"rows": 170, "validation_rows": 20, "test_rows": 20},
        "work": {"slices": 17, "patience": 4, "max_attempts_per_creator": 17, "idle_after": 1.0},
        "start": {"timeout": 10.0},
        "pace": {"slice": 3.0, "attempt": 1.0},
        "chain": {"poll": 0.3, "resend_after": 5.0},
        "network": {"announce_every": 1.0},
    }
)
SHORT = replace(PACED, linger=4.0, work=replace(PACED.work, slices=20), pace=replace(PACED.pace, slice=1.0))

Begin = Callable[[Session], tuple[LiveSwarm, list[LivePeerProcess]]]


@pytest.fixture
def begin(tmp_path: Path) -> Iterator[Begin]:
    swarms: list[LiveSwarm] = []

    def begin(session: Session) -> tuple[LiveSwarm, list[LivePeerProcess]]:
        swarms.append(LiveSwarm(tmp_path, session, saves=True))
        return swarms[0], [start(swarms[0], index) for index in range(session.peers)]

    yield begin
    for swarm in swarms:
        swarm.end()


def audited(swarm: LiveSwarm, *options: str) -> History:
    verdict = here(swarm.folder, "audit", swarm.run, *options)
    assert verdict.returncode == 0, verdict.stdout + verdict.stderr
    return RunDirectory(swarm.run).read()


def ends(history: History) -> set[DebtState]:
    return {changes[-1][1].state for changes in history.debts.values()}


def payments(history: History) -> Counter[tuple[str, str]]:
    """What the exported chain holds: payer and model."""
    blocks = history.exports(Block)
    return Counter((each.sender, each.data) for block in blocks for each in block.transactions if each.to)


def test_while_the_chain_is_away_averaging_goes_on_and_every_debt_is_paid_once_when_it_is_back(begin: Begin) -> None:
    swarm, peers = begin(PACED)
    left = peers[0].when(changed("sent"))["t"]
    swarm.anvil.terminate()
    for peer in peers:
        peer.often(MEANWHILE, decided("Averaged", after=left + 1.0))
    swarm.chain_comes_back()
    assert [peer.end() for peer in peers] == [0, 0]
    history = audited(swarm, "--rpc", swarm.anvil.url)
    assert ends(history) == {DebtState.FINAL}
    assert set(payments(history).values()) == {1}


def test_a_chain_that_is_killed_and_comes_back_lower_gets_everything_again(begin: Begin) -> None:
    swarm, peers = begin(SHORT)
    peers[0].when(changed("final"))
    swarm.anvil.terminate()
    swarm.chain_comes_back()
    saved = swarm.height
    lost = peers[0].when(lambda fact: changed("mined")(fact) and fact["block"] > saved)
    swarm.anvil.kill()
    swarm.anvil.start()
    assert swarm.height < lost["block"]
    swarm.mine_every(1)
    peers[0].when(decided("RolledBack", after=lost["t"]))  # the other may have seen none of the lost blocks
    assert [peer.end() for peer in peers] == [0, 0]
    history = audited(swarm, "--rpc", swarm.anvil.url)
    assert ends(history) == {DebtState.FINAL}
    assert all(fact.rechecked for _, fact in history.facts(RolledBack))
    assert set(payments(history).values()) == {1}


def test_a_chain_that_is_replaced_while_peers_run_is_left_as_it_is_and_no_debt_is_paid_on_both(begin: Begin) -> None:
    swarm, peers = begin(SHORT)
    peers[0].when(changed("final"))
    swarm.mine_every(0)
    export = swarm.run / CHAIN
    here(swarm.folder, "audit", swarm.run, "--rpc", swarm.anvil.url)  # of a session that is not over
    first = export.read_text()
    swarm.replace_chain()
    assert [peer.end() for peer in peers] == [0, 0]
    on_second = audited(swarm, "--rpc", swarm.anvil.url)
    export.write_text(first)
    on_first = audited(swarm, "--seal")
    assert len({fact.genesis for _, fact in on_first.facts(ChainEntered)}) == 2
    assert len(list(on_first.facts(ChainEntered))) == 4
    assert {DebtState.FINAL} <= ends(on_first) <= {DebtState.FINAL, DebtState.DECLINED}
    both = payments(on_first) + payments(on_second)
    assert payments(on_first) and payments(on_second) and set(both.values()) == {1}
