"""A live peer is killed just before and just after every call of every port, and at random: each debt is paid once.

One peer, one session: its lives end at one point after the other, beside a neighbour that lives on, on real Kubo nodes
and a real EVM.  Which points there are follows from the ports and the events; that the program knows no other call, and
that each is made, an undisturbed session shows.
"""

import random
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from tests.helpers.command_line import here
from tests.stack.killed_peer import POOL, ROWS, around, calls, points
from tests.stack.live_peers import LivePeerProcess
from tests.stack.live_swarm import LiveSwarm

from learnae.adapters.run_directory import RunDirectory
from learnae.analysis.fee_pool import pool_calls
from learnae.protocol.decisions import DebtState, Trained
from learnae.protocol.row_types import RowsPublished
from learnae.protocol.types import Cid
from learnae.records.history import History
from learnae.session.session_file import parse

pytestmark = pytest.mark.real

PARTS = {
    "journal": points("journal"),
    "chain": points("chain"),
    "the rest": [point for target in ("store", "key", "trainer", "gossip") for point in points(target)],
}
KILLS = 10  # at random
SETTINGS: dict[str, Any] = {
    "name": "kill-points",
    "peers": 2,
    "linger": 8.0,
    "max_duration": 600.0,
    "data": {"rows": 120, "validation_rows": 20, "test_rows": 20},
    "work": {"slices": 8, "patience": 4, "idle_after": 2.0},
    "start": {"timeout": 10.0},
    "pace": {"slice": 1.0, "attempt": 0.3},
    "chain": {"poll": 0.3, "resend_after": 5.0},
    "network": {"announce_every": 1.0},
    "defence": {"kind": "reciprocity", "limit": 1000, "grace": 1.0, "scope": "all"},  # denies nobody
}
OPEN = SETTINGS | {"privacy": False, "work": SETTINGS["work"] | {"slices": 4}}
FEE, STAKE = 10**15, 2 * 10**15  # wei
POOLED = SETTINGS | {
    "work": SETTINGS["work"] | {"slices": 4, "idle_after": 10.0},  # more than the lives until the deposit take
    "linger": 15.0,
    "start": {"timeout": 120.0},
    "defence": {"kind": "profiles", "fee": "0.001", "stake": "0.002", "window": 599},  # both have reported long before
}


@pytest.fixture
def swarm(tmp_path: Path) -> Iterator[LiveSwarm]:
    swarm = LiveSwarm(tmp_path, parse(SETTINGS))
    yield swarm
    swarm.end()


@pytest.fixture
def open_swarm(tmp_path: Path) -> Iterator[LiveSwarm]:
    swarm = LiveSwarm(tmp_path, parse(OPEN))
    yield swarm
    swarm.end()


@pytest.fixture
def pooled_swarm(tmp_path: Path) -> Iterator[LiveSwarm]:
    swarm = LiveSwarm(tmp_path, parse(POOLED))
    yield swarm
    swarm.end()


def start(swarm: LiveSwarm, index: int, *left: str) -> LivePeerProcess:
    """That peer, to be killed at these points."""
    for name, lines in (("left", left), ("called", ())):
        file(swarm, index, name).write_text("".join(f"{line}\n" for line in lines))
    return swarm.start(index, "tests.stack.killed_peer", file(swarm, index, "left"), file(swarm, index, "called"))


def file(swarm: LiveSwarm, index: int, name: str) -> Path:
    return swarm.folder / f"p{index:02}.{name}"


def audited(swarm: LiveSwarm) -> History:
    """Valid: nothing is paid twice, nothing forgotten, all are done.  And nothing was left unpaid."""
    history = valid(swarm)
    assert {changes[-1][1].state for changes in history.debts.values()} == {DebtState.FINAL}
    assert {payer for payer, _ in history.debts} == {"p00", "p01"}
    return history


def valid(swarm: LiveSwarm) -> History:
    verdict = here(swarm.folder, "audit", swarm.run, "--rpc", swarm.anvil.url)
    assert verdict.returncode == 0, verdict.stdout + verdict.stderr
    return RunDirectory(swarm.run).read()


def test_an_undisturbed_peer_makes_every_call_that_there_is(swarm: LiveSwarm) -> None:
    peers = [start(swarm, 0), start(swarm, 1)]
    assert [peer.end() for peer in peers] == [0, 0]
    made = set(file(swarm, 0, "called").read_text().splitlines())
    assert made == set(calls()) - {"journal.append ChainRolledBack"}, "which only a peer that comes back is told"
    audited(swarm)


@pytest.mark.parametrize("part", PARTS)
def test_killed_before_and_after_each_call_a_peer_pays_everything_once_and_finishes(
    swarm: LiveSwarm, part: str
) -> None:
    killed, other = start(swarm, 0, *PARTS[part]), start(swarm, 1)
    assert (killed.end(), other.end()) == (0, 0)
    assert file(swarm, 0, "left").read_text() == ""
    audited(swarm)


def test_killed_before_and_after_each_call_about_rows_a_peer_publishes_and_trains_on_each_block_once(
    open_swarm: LiveSwarm,
) -> None:
    killed, other = start(open_swarm, 0, *around(ROWS)), start(open_swarm, 1)
    assert (killed.end(), other.end()) == (0, 0)
    assert file(open_swarm, 0, "left").read_text() == ""
    history, blocks = audited(open_swarm), dict[str, list[Cid]]()
    for record, published in history.facts(RowsPublished):
        blocks.setdefault(record.peer, []).append(published.cid)
    assert {name: len(set(cids)) for name, cids in blocks.items()} == {"p00": 4, "p01": 4}
    for name, others in (("p00", blocks["p01"]), ("p01", blocks["p00"])):
        trained = [fact.rows for record, fact in history.facts(Trained) if record.peer == name and fact.rows]
        assert sorted(trained) == sorted(others)


def test_killed_before_and_after_each_call_of_the_fee_pool_a_peer_deposits_reports_and_withdraws_once(
    pooled_swarm: LiveSwarm,
) -> None:
    killed, other = start(pooled_swarm, 0, *around(POOL)), start(pooled_swarm, 1)
    assert (killed.end(), other.end()) == (0, 0)
    assert file(pooled_swarm, 0, "left").read_text() == ""
    assert set(file(pooled_swarm, 0, "called").read_text().splitlines()) <= {*calls(), *POOL}, "points are missing"
    pool = list(pool_calls(valid(pooled_swarm)))
    wallets = {call.transaction.sender for call in pool}
    made = Counter((call.transaction.sender, call.kind, call.succeeds, call.paid) for call in pool)
    once = {"deposit": 0, "report": 0, "withdrawal": FEE + STAKE}
    assert made == {(wallet, kind, True, paid): 1 for wallet in wallets for kind, paid in once.items()}
    assert len(wallets) == 2
    assert any(call.shares for call in pool if call.kind == "report"), "nothing was owed"


def test_killed_at_random_a_peer_pays_everything_once_and_finishes(swarm: LiveSwarm) -> None:
    dice = random.Random(1)
    decisions = [str(dice.randint(3, 8)) for _ in range(KILLS)]
    killed, other = start(swarm, 0, *decisions), start(swarm, 1)
    assert (killed.end(), other.end()) == (0, 0)
    assert file(swarm, 0, "left").read_text() == ""
    audited(swarm)
