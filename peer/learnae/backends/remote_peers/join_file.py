"""A join file: everything that one peer of a roster needs to take part from another machine, including its keys.

JoinFile.read(path).unpack(folder)      # session.toml roster.json wallet.json rows.npz initial/, as in a pod
"""

import base64
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

from learnae.adapters.ipfs_keys import peer_id_of_key
from learnae.backends.live_run import ROSTER, SESSION
from learnae.errors import InputError
from learnae.input_file import read_input
from learnae.messages.codec import decode, encode, to_json
from learnae.messages.foreign_json import from_json
from learnae.messages.foreign_toml import from_toml
from learnae.plugins import Source, plugin_file
from learnae.private_file import write_private
from learnae.protocol.types import Cid, PeerId
from learnae.runtime.clocks import SessionClock
from learnae.runtime.live_process import PeerEndpoints, find
from learnae.runtime.roster_file import Roster
from learnae.runtime.shard_learning import INITIAL, ROWS, ShardLearning
from learnae.session.plugin_files import FOLDER as PLUGINS
from learnae.session.plugin_files import not_pinned, references
from learnae.session.roster import Member
from learnae.session.session_file import parse
from learnae.session.settings import Session
from learnae.session.setup import SessionSetup

VERSION = 2
ABOUT = "A join file of LEARNAE. It holds the keys of one peer: keep it secret."
WALLET = "wallet.json"


@dataclass(frozen=True)
class JoinFile:
    """``session`` and ``wallet`` are the texts of those files; ``rows``, ``initial`` and ``plugins`` are in base64.

    ``bootstrap``: addresses of IPFS nodes by peer id.  ``host``: URL of the inviting host, which expects ``token``.
    """

    about: str
    version: int
    name: str
    session_id: Cid
    session: str
    roster: Roster
    swarm_key: str = field(repr=False)
    identity: str = field(repr=False)
    wallet: str = field(repr=False)
    rows: str = field(repr=False)
    initial: dict[str, str] = field(repr=False)
    plugins: dict[str, str] = field(repr=False)
    bootstrap: dict[str, str]
    rpc: str
    host: str
    token: str = field(repr=False)

    @staticmethod
    def of_pod(
        name: str, session_id: Cid, swarm: Path, bootstrap: dict[str, str], rpc: str, host: str, token: str
    ) -> "JoinFile":
        """Built from the files that were rendered for that peer in ``swarm``, the folder build/swarm."""
        pod = swarm / "pods" / name
        return JoinFile(
            ABOUT,
            VERSION,
            name,
            session_id,
            (swarm / SESSION).read_text(encoding="utf-8"),
            Roster.read(swarm / ROSTER),
            (pod / "ipfs" / "swarm.key").read_text(encoding="utf-8"),
            (pod / "ipfs" / "identity").read_text(encoding="utf-8"),
            (pod / "peer" / WALLET).read_text(encoding="utf-8"),
            _base64(pod / "peer" / ROWS),
            {file.name: _base64(file) for file in (pod / "peer" / INITIAL).iterdir()},
            {file.name: _base64(file) for file in (pod / "peer" / PLUGINS).glob("*.py")},
            bootstrap,
            rpc,
            host,
            token,
        )

    def write(self, path: Path) -> None:
        """Write it, readable by its owner only.  Raises InputError."""
        with _input_errors(path):
            write_private(path, to_json(encode(self)) + "\n", replace=True)

    @staticmethod
    def read(path: Path) -> "JoinFile":
        """Raises InputError: missing, damaged, of another version, or for a session that is over."""
        with _input_errors(path):
            text = read_input(path)
        try:
            join: JoinFile = decode(JoinFile, from_json(text))
            if join.version != VERSION:
                raise InputError(
                    f"{path} has version {join.version}, not {VERSION}: use the LEARNAE version that wrote it"
                )
            session = join.settings
            if unknown := not_pinned(session):
                raise ValueError(f"it lacks the code of plug-in {unknown[0][:100]}")
            files = {plugin_file(reference) for _, reference in references(session)} - {None}
            parts = set(join.initial) == join._initial and set(join.plugins) == files
            if PeerId(peer_id_of_key(join.identity)) != join._peer or not parts:
                raise ValueError("its parts do not match")
            join.roster.members(session)  # its names become names of files
            for block in (join.rows, *join.initial.values(), *join.plugins.values()):
                base64.b64decode(block, validate=True)
        except (ValueError, TypeError, RecursionError, StopIteration) as error:
            raise InputError(
                f"{path} is not a complete join file ({str(error) or 'not in its own roster'}): ask for it again"
            ) from None
        if SessionClock(join.roster.zero)() > session.max_duration:
            raise InputError(f"{path} is for a session that is over: ask for a new join file")
        return join

    @property
    def settings(self) -> Session:
        """Raises ValueError, InputError."""
        return parse(from_toml(self.session), "the session in the join file")

    @property
    def sources(self) -> list[Source]:
        """The files of the session's plug-ins."""
        return [Source(name, base64.b64decode(content)) for name, content in self.plugins.items()]

    def unpack(self, folder: Path) -> Path:
        """Write the files; the wallet's path.  Raises InputError: the folder belongs to another join file."""
        with _input_errors(folder):
            if not folder.exists():
                folder.mkdir(0o700, parents=True)
            (folder / INITIAL).mkdir(0o700, exist_ok=True)
            wallet = folder / WALLET
            if wallet.exists() and wallet.read_text(encoding="utf-8") != self.wallet:
                raise InputError(f"{folder} belongs to another join file: choose another --folder")
            write_private(wallet, self.wallet, replace=True)
            (folder / SESSION).write_text(self.session, encoding="utf-8")
            self.roster.write(folder / ROSTER)
            (folder / ROWS).write_bytes(base64.b64decode(self.rows))
            for name, block in self.initial.items():
                (folder / INITIAL / name).write_bytes(base64.b64decode(block))
            for source in self.sources:
                (folder / PLUGINS).mkdir(0o700, exist_ok=True)
                (folder / PLUGINS / source.file).write_bytes(source.content)
        return wallet

    def checked(self, folder: Path, node: PeerEndpoints) -> tuple[Member, ShardLearning]:
        """The peer and its data, once they are known to match the session.  Raises InputError."""
        members = self.roster.members(self.settings)
        learning = ShardLearning(self.settings, folder)
        setup = SessionSetup(
            self.settings,
            members,
            learning.features,
            learning.data_sha256,
            learning.initial_block,
            statistics=learning.statistics,
        )
        if setup.session_id != self.session_id:
            raise InputError("the data or weights in the join file do not match its session: ask for it again")
        return find(node, members), learning

    @property
    def _peer(self) -> PeerId:
        return next(entry.peer for entry in self.roster.peers if entry.name == self.name)

    @property
    def _initial(self) -> set[str]:
        return {f"{name}.safetensors" for name in (self.roster.peers[0].name, self.name)}


def _base64(path: Path) -> str:
    return base64.b64encode(path.read_bytes()).decode()


@contextmanager
def _input_errors(path: Path) -> Iterator[None]:
    try:
        yield
    except OSError as error:
        raise InputError(f"{path}: {error.strerror}: give a join file, and a folder that can be written") from None
