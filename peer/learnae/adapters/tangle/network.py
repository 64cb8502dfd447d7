"""The settings and the genesis of a private Tangle: one folder per node, in which resources/tangle_node.sh runs.

No coordinator follows the first milestone: tagged data need none, and its key is forgotten.
"""

import json
import shutil
import subprocess
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from learnae.checkout import REPOSITORY, in_checkout
from learnae.errors import InputError
from learnae.messages.ids import peer_id
from learnae.private_file import write_private

NETWORK = "learnae"
TOOL_TIMEOUT = 60.0  # s
MINT_ADDRESS = "00" * 32  # all tokens are nobody's: readings cost none
PROTOCOL = {
    "version": 2,
    "networkName": NETWORK,
    "bech32HRP": "tst",
    "minPoWScore": 0,
    "belowMaxDepth": 15,
    "rentStructure": {"vByteCost": 500, "vByteFactorData": 1, "vByteFactorKey": 10},
    "tokenSupply": "2779530283277761",
}
APP = {"checkForUpdates": False, "shutdown": {"stopGracePeriod": "10s", "log": {"enabled": False}}}


@dataclass(frozen=True, slots=True)
class Programs:
    hornet: str
    bridge: str


@dataclass(frozen=True, slots=True)
class Endpoints:
    """Where one node listens, as ``host:port``.  ``host`` is the address at which other nodes dial it."""

    host: str
    gossip: str
    rest: str
    inx: str
    mqtt: str


def find_programs() -> Programs:
    """The programs from `make tools`, or those on the path.  Raises InputError."""
    folder = str(REPOSITORY / ".tools" / "bin") if in_checkout() else None
    hornet, bridge = (
        (folder and shutil.which(name, path=folder)) or shutil.which(name) for name in ("hornet", "inx-mqtt")
    )
    if not hornet or not bridge:
        raise InputError("HORNET or inx-mqtt is not there: run make tools, or choose another kind of feed")
    return Programs(hornet, bridge)


def write_network(folder: Path, nodes: Sequence[Endpoints], programs: Programs) -> list[Path]:
    """Create a network and return the folder of each node.  Raises InputError."""
    keys = [Ed25519PrivateKey.generate() for _ in nodes]
    coordinator = Ed25519PrivateKey.generate()
    addresses = [
        f"/ip4/{node.host}/tcp/{_port(node.gossip)}/p2p/{peer_id(key.public_key().public_bytes_raw())}"
        for node, key in zip(nodes, keys, strict=True)
    ]
    folders = [folder / f"node-{number}" for number in range(len(nodes))]
    for number, (path, node, key) in enumerate(zip(folders, nodes, keys, strict=True)):
        path.mkdir(parents=True)
        write_private(path / "config.json", json.dumps(_config(path.name, node, key, coordinator)))
        others = [other for other in range(len(nodes)) if other != number]
        dialled = [{"alias": f"node-{other}", "multiAddress": addresses[other]} for other in others]
        (path / "peering.json").write_text(json.dumps({"peers": dialled}), encoding="utf-8")
        (path / "bridge.json").write_text(json.dumps(_bridge(node)), encoding="utf-8")
    _bootstrap(folder, folders[0] / "config.json", coordinator, programs)
    for path in folders:
        shutil.copytree(folder / "seed", path / "seed")
    return folders


# private


def _config(alias: str, node: Endpoints, key: Ed25519PrivateKey, coordinator: Ed25519PrivateKey) -> dict[str, Any]:
    milestones = {"key": coordinator.public_key().public_bytes_raw().hex(), "start": 0, "end": 0}
    host, port = node.gossip.rsplit(":", 1)
    return {
        "app": APP,
        "node": {"alias": alias, "profile": "1gb"},
        "protocol": {
            "targetNetworkName": NETWORK,
            "milestonePublicKeyCount": 1,
            "publicKeyRanges": [milestones],
        },
        "db": {"engine": "pebble", "path": "database"},
        "p2p": {
            "bindMultiAddresses": [f"/ip4/{host}/tcp/{port}"],
            "identityPrivateKey": _private_hex(key),
            "db": {"path": "p2pstore"},
            "reconnectInterval": "1s",
        },
        "snapshots": {"fullPath": "snapshot.bin", "deltaPath": "delta.bin", "downloadURLs": []},
        "pruning": {"size": {"enabled": False}},
        "warpsync": {"enabled": False},
        "restAPI": {"bindAddress": node.rest},
        "inx": {"enabled": True, "bindAddress": node.inx},
    }


def _bridge(node: Endpoints) -> dict[str, Any]:
    return {
        "app": APP,
        "inx": {"address": node.inx, "maxConnectionAttempts": 1, "targetNetworkName": NETWORK},
        "mqtt": {"websocket": {"enabled": False}, "tcp": {"enabled": True, "bindAddress": node.mqtt}},
        "prometheus": {"enabled": False},
    }


def _bootstrap(folder: Path, config: Path, coordinator: Ed25519PrivateKey, programs: Programs) -> None:
    """Create the database of a new network, which has one milestone."""
    (folder / "protocol.json").write_text(json.dumps(PROTOCOL), encoding="utf-8")
    snapshot = str(folder / "genesis.bin")
    made = ["--protocolParametersPath", str(folder / "protocol.json"), "--mintAddress", MINT_ADDRESS]
    _tool(programs, "snap-gen", *made, "--outputPath", snapshot)
    read = ["--configFile", str(config), "--snapshotPath", snapshot, "--databaseEngine", "pebble"]
    written = ["--databasePath", str(folder / "seed"), "--cooStatePath", str(folder / "coordinator.state")]
    _tool(programs, "bootstrap-private-tangle", *read, *written, COO_PRV_KEYS=_private_hex(coordinator))


def _tool(programs: Programs, *arguments: str, **environment: str) -> None:
    command = [programs.hornet, "tool", *arguments]
    try:
        subprocess.run(
            command,
            env=environment,
            stdin=subprocess.DEVNULL,
            capture_output=True,
            encoding="utf-8",
            errors="replace",
            check=True,
            timeout=TOOL_TIMEOUT,
        )
    except subprocess.CalledProcessError as error:
        output = (error.stderr.strip() or error.stdout.strip() or "no output").splitlines()[-1]
        raise InputError(f"HORNET could not create a network ({output}): is {programs.hornet} HORNET 2.0.1?") from None
    except (OSError, subprocess.TimeoutExpired) as error:
        raise InputError(f"{programs.hornet} cannot be run ({error}): run make tools") from None


def _private_hex(key: Ed25519PrivateKey) -> str:
    return (key.private_bytes_raw() + key.public_key().public_bytes_raw()).hex()


def _port(address: str) -> str:
    return address.rsplit(":", 1)[1]
