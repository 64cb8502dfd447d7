"""Two live peers in processes of their own, two Kubo nodes, Anvil.  One is killed, the chain goes back, all is paid."""

import asyncio
import signal
from collections.abc import Iterator
from pathlib import Path

import pytest
from tests.ports.evms import CHAIN_ID, Anvil
from tests.ports.kubo_nodes import Nodes
from tests.stack.live_peers import LivePeerProcess, changed

from learnae.adapters import keys
from learnae.adapters.evm import export, http_node
from learnae.adapters.journal import recorded
from learnae.checks import verdict
from learnae.config import parse, to_toml, wei
from learnae.core.facts import DebtState
from learnae.core.types import PeerId
from learnae.drivers.node import Roster
from learnae.drivers.retold import merged
from learnae.history import ChainRecord, History

SESSION = parse(
    {
        "name": "skeleton",
        "peers": 2,
        "linger": 8.0,
        "max_duration": 85.0,
        "data": {"rows": 400, "validation_rows": 200, "test_rows": 200},
        "model": {"hidden": [16]},
        "work": {"slices": 8, "patience": 6, "idle_after": 2.0},
        "pace": {"slice": 1.0, "attempt": 0.3},
        "chain": {"poll": 0.3, "resend_after": 5.0},
        "network": {"announce_every": 2.0},
    }
)


class Swarm:
    """What outlives its peers: their nodes, wallets and journals, the chain and the roster."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.kubos = Nodes(folder, SESSION.peers)
        self.keystores = [folder / f"{index}.key" for index in range(SESSION.peers)]
        self.wallets = [keys.create(path).address for path in self.keystores]
        self.alloc = dict.fromkeys(self.wallets, wei(SESSION.chain.balance))
        self.anvil = Anvil(folder, self.alloc)
        self.anvil.ask("anvil_mine", "0x1")
        self.anvil.ask("evm_setIntervalMining", round(SESSION.chain.block_time))
        (folder / "session.toml").write_text(to_toml(SESSION))
        ids = [PeerId(kubo.peer_id) for kubo in self.kubos]
        self.roster = Roster.of(zip(ids, self.wallets, strict=True))
        self.roster.write(folder / "roster.json")
        self.started: list[LivePeerProcess] = []

    def start(self, index: int) -> LivePeerProcess:
        name = f"p{index:02}"
        places = {
            "--name": name,
            "--roster": self.folder / "roster.json",
            "--kubo": f"http://127.0.0.1:{self.kubos[index].rpc_port}",
            "--rpc": self.anvil.url,
            "--keystore": self.keystores[index],
            "--journal": self.folder / f"{name}.sqlite",
        }
        options = [part for option in places.items() for part in option]
        self.started.append(LivePeerProcess(self.folder / f"{name}.log", self.folder / "session.toml", *options))
        return self.started[-1]

    def roll_back(self) -> None:
        """All blocks but the one with the wallets' money, and whatever waits for the next."""
        self.anvil.ask("anvil_rollback", int(self.anvil.ask("eth_blockNumber"), 16) - 1)
        self.anvil.ask("anvil_dropAllTransactions")

    def history(self) -> History:
        """From the journals and the chain alone."""
        told = {each.name: recorded(self.folder / f"{each.name}.sqlite") for each in self.roster.peers}
        return merged(SESSION, self.roster.members(SESSION), told, asyncio.run(self._chain()))

    async def _chain(self) -> list[ChainRecord]:
        node = http_node(self.anvil.url, CHAIN_ID)
        try:
            return await export(node, self.wallets, self.alloc)
        finally:
            await node.close()

    def end(self) -> None:
        for process in self.started:
            process.kill()
        self.kubos.stop()
        self.anvil.kill()


@pytest.fixture
def swarm(tmp_path: Path) -> Iterator[Swarm]:
    swarm = Swarm(tmp_path)
    yield swarm
    swarm.end()


def test_a_peer_is_killed_and_the_chain_rolled_back_and_every_debt_is_paid_once_to_the_wei(swarm: Swarm) -> None:
    killed, other = swarm.start(0), swarm.start(1)
    killed.when(changed("signed"))
    killed.kill()
    swarm.anvil.ask("evm_setIntervalMining", 0)
    swarm.roll_back()
    swarm.anvil.ask("evm_setIntervalMining", round(SESSION.chain.block_time))
    back = swarm.start(0)
    assert (back.end(), other.end()) == (0, 0)

    history = swarm.history()
    found = verdict(history)
    assert found["verdict"] == "valid", found["checks"]
    assert found["ended_by"] == "quiet"
    debts = [changes[-1][1] for changes in history.debts.values()]
    assert {debt.state for debt in debts} == {DebtState.FINAL}
    rolled_back = [record.peer for record in history.records if type(record.fact).__name__ == "RolledBack"]
    assert set(rolled_back) == {"p00", "p01"}
    print(found["summary"])


def test_a_peer_that_is_told_to_stop_is_gone_within_five_seconds(swarm: Swarm) -> None:
    peer = swarm.start(0)
    peer.when(lambda fact: fact["kind"] == "Trained")
    peer.process.send_signal(signal.SIGTERM)
    assert peer.process.wait(5) == 130
