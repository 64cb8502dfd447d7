"""The files that a swarm of pods starts from, written before anything runs.

    session.toml  roster.json             what all peers agree on
    judging-salt                          known to the host alone: by what judging blocks are dealt
    chain/state.json                      the chain at block 0, unless it is an external one
    pods/<name>/{link,ipfs,peer}/         for that one container, and no other
    pods/<name>/sensor/                   instead, for a sensor
    journals/<name>/  repositories/<name>/      what the peer and its IPFS node leave

Keys are made here, so that the roster is known before anything starts.  A pod's files are of mode 0600, owned by the
user its containers run as.
"""

import json
import os
import secrets
import shutil
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

from learnae.adapters import keystore
from learnae.adapters.evm.fee_pool import genesis_contracts
from learnae.adapters.ipfs_keys import IpfsIdentity, create_identity, create_swarm_key
from learnae.adapters.keystore import Wallet
from learnae.adapters.kubo.process import kubo_config, outside
from learnae.backends.live_run import draw_judging_salt
from learnae.backends.pods.plan import JOURNALS, REPOSITORIES, RPC_FILE, Pods, require_size
from learnae.backends.pods.sensor_files import write_sensor
from learnae.errors import InputError
from learnae.private_file import write_private
from learnae.protocol.types import Address, Cid, Wei, wei
from learnae.runtime.clocks import Moment
from learnae.runtime.roster_file import Roster
from learnae.runtime.shard_learning import INITIAL, ROWS
from learnae.session.fee_pool import pool_terms
from learnae.session.plugin_files import write_plugins
from learnae.session.roster import Member
from learnae.session.session_file import to_toml
from learnae.session.settings import Session
from learnae.session.setup import SessionSetup

NOTICE = "notice.txt"  # what was guessed or left out when the data was loaded
IDENTITY = "identity"  # the IPFS key of a remote peer; a pod has config.json
UNPRIVILEGED = 1000  # uid and gid of the containers if the host's user is root
FULL_MESH = 50  # up to this number of peers, each dials all others
PARTIAL_DEGREE = 12  # how many each dials in a larger swarm


def owner() -> str:
    """uid:gid of the files and containers."""
    return f"{UNPRIVILEGED}:{UNPRIVILEGED}" if os.getuid() == 0 else f"{os.getuid()}:{os.getgid()}"


def write_swarm(session: Session, plan: Pods, folder: Path, rpc: str | None = None) -> tuple[Member, ...]:
    """Write the folder anew, with new keys, wallets and chain.  ``rpc``: the URL of an external chain instead."""
    from learnae.runtime.torch_learning import TorchLearning  # imports torch

    _make_folders(plan, folder)
    learning = TorchLearning(session, os.cpu_count() or 1, salt=draw_judging_salt(session, folder))
    require_size(len(learning.initial_block(plan.names[0])), plan.max_model)
    (folder / NOTICE).write_text(learning.notice or "", encoding="utf-8")
    identities = {name: create_identity() for name in plan.names}
    wallets = {name: keystore.create_wallet(path).address for name, path in keystores(plan, folder).items()}
    wallets |= {name: Wallet.from_key(os.urandom(32)).address for name in plan.sensors}  # which nobody uses
    peers = {name: identity.peer_id for name, identity in identities.items()}
    addresses = {peers[name]: (f"{plan.ipfs_address(name)}/p2p/{peers[name]}",) for name in plan.hosted}
    roster = Roster.of([(identities[name].peer_id, wallets[name]) for name in plan.names], addresses=addresses)
    members = roster.members(session)
    roster.write(folder / "roster.json")
    (folder / "session.toml").write_text(to_toml(session), encoding="utf-8")
    write_plugins(session, folder)
    if rpc is None:
        alloc = dict.fromkeys(wallets.values(), wei(session.chain.balance))
        _write_chain(folder / "chain", alloc, genesis_contracts(pool_terms(session)))
    key = create_swarm_key()
    for index, name in enumerate(plan.names):
        if name in plan.sensors:
            continue
        pod = folder / "pods" / name
        _write_secrets(pod, plan, name, identities, key, rpc)
        for file in ("session.toml", "roster.json"):
            shutil.copy(folder / file, pod / "peer")
        write_plugins(session, pod / "peer")
        _write_rows(pod / "peer", learning, index, {plan.names[0], name})
    for name in plan.sensors:
        assert plan.feed_url
        pod, identity = folder / "pods" / name / "sensor", identities[name]
        shutil.copy(folder / "roster.json", pod)
        agreed = session_id(session, members, folder)
        write_sensor(pod, name, plan.names.index(name), identity, learning, agreed, plan.feed_url)
    restrict((folder / part for part in ("pods", JOURNALS, REPOSITORIES, "chain")), plan.user)
    return members


def _make_folders(plan: Pods, folder: Path) -> None:
    remove(folder)
    folder.mkdir(parents=True)
    for part in ("pods", JOURNALS, REPOSITORIES):
        (folder / part).mkdir(0o700)  # before there is a secret in it
    for name in plan.names:
        for part in ("sensor",) if name in plan.sensors else ("link", "ipfs", "peer"):
            (folder / "pods" / name / part).mkdir(parents=True)
        (folder / JOURNALS / name).mkdir()
        if name not in plan.sensors:
            (folder / REPOSITORIES / name).mkdir()


def _write_secrets(
    pod: Path, plan: Pods, name: str, identities: Mapping[str, IpfsIdentity], key: str, rpc: str | None
) -> None:
    """The token of a pod's API, the key of the swarm, the identity of its node, and the URL of an external chain."""
    token = secrets.token_urlsafe(32)
    write_private(pod / "link" / "token", token)
    write_private(pod / "ipfs" / "swarm.key", key)
    if name in plan.hosted:
        write_private(pod / "ipfs" / "config.json", json.dumps(ipfs_config(plan, name, identities), indent=2))
    else:
        write_private(pod / "ipfs" / IDENTITY, identities[name].key)
    write_private(pod / "peer" / "token", token)
    if rpc is not None:
        write_private(pod / "peer" / RPC_FILE, rpc)


def keystores(plan: Pods, folder: Path) -> dict[str, Path]:
    """The wallet file of each peer, by name."""
    peers = (name for name in plan.names if name not in plan.sensors)
    return {name: folder / "pods" / name / "peer" / "wallet.json" for name in peers}


def begin_now(folder: Path) -> None:
    """Set second 0 of the session to now; rendering was earlier."""
    roster = replace(Roster.read(folder / "roster.json"), zero=Moment.now())
    for path in [folder / "roster.json", *folder.glob("pods/*/*/roster.json")]:
        roster.write(path)


def remove(folder: Path) -> None:
    """Raises InputError."""
    try:
        shutil.rmtree(folder)
    except FileNotFoundError:
        pass
    except OSError as error:
        raise InputError(
            f"{error.filename} cannot be removed ({error.strerror}): remove {folder} as its owner"
        ) from None
    except RecursionError:  # a pod made folders in its folder in its folder ...
        raise InputError(f"{folder} cannot be removed (its folders are nested too deeply): rm -rf {folder}") from None


def ipfs_config(plan: Pods, name: str, identities: Mapping[str, IpfsIdentity]) -> dict[str, Any]:
    """resources/kubo.json with this node's key and the nodes that it dials; remote peers' addresses are not known.

    Without remote peers, a node connects only to the swarm's own network, whatever other nodes tell it.
    """
    own = identities[name]
    dialled = {identities[other].peer_id: plan.ipfs_address(other) for other in neighbours(plan.hosted, name)}
    config = kubo_config(own.peer_id, own.key, dialled)
    if plan.subnet and {*plan.hosted, *plan.sensors} == set(plan.names):
        config["Swarm"]["AddrFilters"] = outside(plan.subnet)
    if len(plan.names) > FULL_MESH:
        config["Routing"] = {"Type": "dht"}
    return config


def neighbours(names: Sequence[str], name: str) -> list[str]:
    """The peers that a node dials: all others, or in a large swarm those at growing distances around a ring."""
    others = len(names) - 1
    index = names.index(name)
    steps: Iterable[int] = range(1, others + 1)
    if others >= FULL_MESH:
        steps = [1 + others * number // PARTIAL_DEGREE for number in range(PARTIAL_DEGREE)]
    return [names[(index + step) % len(names)] for step in steps]


def _write_rows(folder: Path, learning: Any, index: int, initial: set[str]) -> None:
    from learnae.learn.datasets import shard_file  # imports torch

    shard_file.save(folder / ROWS, learning.table, learning.split.peers[index])
    (folder / INITIAL).mkdir()
    for name in initial:
        (folder / INITIAL / f"{name}.safetensors").write_bytes(learning.initial_block(name))


def model_size(plan: Pods, folder: Path) -> int:
    """Bytes of the model in a swarm that was written to this folder; 0 if none was."""
    file = folder / "pods" / plan.hosted[0] / "peer" / INITIAL / f"{plan.names[0]}.safetensors"  # of all, the first's
    return file.stat().st_size if file.is_file() else 0


def _write_chain(folder: Path, alloc: Mapping[Address, Wei], contracts: Mapping[Address, bytes]) -> None:
    """Write Anvil's state at block 0, in which only these accounts have money, and these contracts exist."""
    accounts = {wallet: _account(hex(balance), "0x") for wallet, balance in alloc.items()}
    accounts |= {address: _account("0x0", "0x" + code.hex()) for address, code in contracts.items()}
    empty: dict[str, Any] = {"block": None, "best_block_number": 0, "blocks": [], "transactions": []}
    folder.mkdir()
    (folder / "state.json").write_text(
        json.dumps({"accounts": accounts, "historical_states": None} | empty), encoding="utf-8"
    )


def _account(balance: str, code: str) -> dict[str, Any]:
    return {"nonce": 0, "balance": balance, "code": code, "storage": {}}


def restrict(folders: Iterable[Path], user: str) -> None:
    """Make the files of the containers readable by the containers' user only."""
    uid, gid = map(int, user.split(":"))
    for part in filter(Path.exists, folders):
        for path in [part, *part.rglob("*")]:
            path.chmod(0o700 if path.is_dir() else 0o600)
            if os.getuid() == 0:
                os.chown(path, uid, gid)


def session_id(session: Session, members: Sequence[Member], folder: Path) -> Cid:
    from learnae.runtime.shard_learning import ShardLearning  # imports NumPy

    first = next(member.name for member in members if not member.group.sensor)
    learning = ShardLearning(session, folder / "pods" / first / "peer")
    return SessionSetup(
        session,
        members,
        learning.features,
        learning.data_sha256,
        learning.initial_block,
        statistics=learning.statistics,
    ).session_id
