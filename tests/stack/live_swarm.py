"""What outlives live peers: their Kubo nodes, wallets and journals, an Anvil, and the folder of the session."""

from pathlib import Path

from tests.adapters.evms import Anvil
from tests.adapters.kubo_nodes import Nodes
from tests.stack.live_peers import LivePeerProcess

from learnae.adapters import keystore
from learnae.adapters.evm.fee_pool import genesis_contracts
from learnae.backends.live_run import JOURNALS, ROSTER, SESSION
from learnae.protocol.types import PeerId, wei
from learnae.runtime.roster_file import Roster
from learnae.session.fee_pool import pool_terms
from learnae.session.session_file import to_toml
from learnae.session.settings import Session


class LiveSwarm:
    """Anvil mines by itself; its block 1 is the oldest that it can go back to, for the wallets' money is in it.

    ``saves``: see ``Anvil``.
    """

    def __init__(self, folder: Path, session: Session, saves: bool = False) -> None:
        self.folder, self.session, self.run = folder, session, folder / "run"
        (self.run / JOURNALS).mkdir(parents=True)
        self.kubos = Nodes(folder, session.peers)
        self.keystores = [folder / f"p{index:02}.key" for index in range(session.peers)]
        wallets = [keystore.create_wallet(path).address for path in self.keystores]
        self.anvil = Anvil(folder, dict.fromkeys(wallets, wei(session.chain.balance)), saves=saves)
        self._mine()
        (self.run / SESSION).write_text(to_toml(session))
        addresses = {PeerId(kubo.peer_id): (kubo.address,) for kubo in self.kubos}
        Roster.of(zip(addresses, wallets, strict=True), addresses=addresses).write(self.run / ROSTER)
        self.started: list[LivePeerProcess] = []

    def start(self, index: int, *program: object) -> LivePeerProcess:
        """That peer, in a process of its own.  ``program``: a module and its first arguments, for ``learnae peer``."""
        command = program or ("learnae", "peer")
        self.started.append(LivePeerProcess(self.folder / f"p{index:02}.log", *command, *self.arguments(index)))
        return self.started[-1]

    def arguments(self, index: int, **instead: object) -> list[object]:
        """Of ``learnae peer``.  ``instead``: other options than that peer's."""
        name = f"p{index:02}"
        options = {
            "name": name,
            "roster": self.run / ROSTER,
            "kubo": self.url(index),
            "rpc": self.anvil.url,
            "keystore": self.keystores[index],
            "journal": self.run / JOURNALS / f"{name}.sqlite",
        } | instead
        return [self.run / SESSION, *(part for option, value in options.items() for part in (f"--{option}", value))]

    def url(self, index: int) -> str:
        return f"http://127.0.0.1:{self.kubos[index].rpc_port}"

    def replace_chain(self) -> None:
        """Another one with the same id, on the same port; the wallets have what they began with."""
        self.anvil.kill()
        self.anvil.begin()
        self._mine()

    def chain_comes_back(self) -> None:
        """As it was when it was terminated last, if its state is saved."""
        self.anvil.start()
        self.mine_every(round(self.session.chain.block_time))

    @property
    def height(self) -> int:
        return int(self.anvil.ask("eth_blockNumber"), 16)

    def mine_every(self, seconds: int) -> None:
        """0: not by itself."""
        self.anvil.ask("evm_setIntervalMining", seconds)

    def _mine(self) -> None:
        for address, code in genesis_contracts(pool_terms(self.session)).items():
            self.anvil.ask("anvil_setCode", address, f"0x{code.hex()}")
        self.anvil.ask("anvil_mine", "0x1")
        self.mine_every(round(self.session.chain.block_time))

    def roll_back(self) -> None:
        """To block 1, and whatever waited for the next block is lost, too."""
        self.mine_every(0)
        self.anvil.ask("anvil_rollback", self.height - 1)
        self.anvil.ask("anvil_dropAllTransactions")
        self.mine_every(round(self.session.chain.block_time))

    def end(self) -> None:
        for process in self.started:
            process.kill()
        self.kubos.stop()
        if self.anvil.process.poll() is None:
            self.anvil.kill()
