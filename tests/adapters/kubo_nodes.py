"""Real Kubo nodes on loopback: a private swarm with static peering, each node in a folder of its own."""

import json
import signal
import subprocess
from collections.abc import Sequence
from pathlib import Path
from typing import IO, Any
from urllib.request import urlopen

import pytest
from tests.helpers.ports import free_port

IPFS = Path(__file__).parents[2] / ".tools" / "bin" / "ipfs"
SWARM_KEY = "/key/swarm/psk/1.0.0/\n/base16/\n" + "1ea4ae" * 10 + "0000\n"


class Node:
    """One daemon.  ``peer_id`` and ``address`` are known from the beginning, the process comes and goes."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.rpc_port, self.swarm_port = free_port(), free_port()
        self.process: subprocess.Popen[str] | None = None
        self._log: IO[str] = (folder.parent / f"{folder.name}.log").open("w")
        folder.mkdir()
        (folder / "swarm.key").write_text(SWARM_KEY)
        self._init = self._run("init", "--profile=server,autoconf-off")

    def configured(self) -> None:
        assert self._init.wait() == 0, self.log
        self.config: dict[str, Any] = json.loads((self.folder / "config").read_text())
        self.peer_id: str = self.config["Identity"]["PeerID"]
        self.listens = f"/ip4/127.0.0.1/tcp/{self.swarm_port}"
        self.address = f"{self.listens}/p2p/{self.peer_id}"

    def configure(self, others: Sequence["Node"]) -> None:
        off: dict[str, Any] = {"Enabled": False}
        self.config |= {
            "Addresses": {"Swarm": [self.listens], "API": f"/ip4/127.0.0.1/tcp/{self.rpc_port}", "Gateway": []},
            "Bootstrap": [],
            "Routing": {"Type": "none"},
            "Pubsub": {"Enabled": True},
            "Peering": {"Peers": [{"ID": each.peer_id, "Addrs": [each.listens]} for each in others]},
            "AutoTLS": off,
            "Provide": off,
            "HTTPRetrieval": off,
        }
        udp = dict.fromkeys(("QUIC", "WebTransport", "WebRTCDirect", "Websocket"), False)
        self.config["Swarm"] |= {
            "AddrFilters": [],
            "RelayClient": off,
            "RelayService": off,
            "Transports": {"Network": udp},
        }
        (self.folder / "config").write_text(json.dumps(self.config))

    def start(self) -> None:
        """``ready`` waits for it."""
        self.process = self._run("daemon", "--enable-gc", "--migrate=false")

    def ready(self) -> None:
        assert self.process and self.process.stdout
        for line in self.process.stdout:
            if "Daemon is ready" in line:
                return
        raise AssertionError(self.log)

    def dial(self, other: "Node") -> None:
        """Now; peering by itself waits up to five seconds."""
        with urlopen(
            f"http://127.0.0.1:{self.rpc_port}/api/v0/swarm/connect?arg={other.address}", data=b"", timeout=60
        ):
            pass

    @property
    def running(self) -> bool:
        return self.process is not None and self.process.poll() is None

    @property
    def log(self) -> str:
        self._log.flush()
        return Path(self._log.name).read_text()

    def kill(self) -> None:
        self.send(signal.SIGKILL)
        self.reap()

    def send(self, number: signal.Signals) -> None:
        if self.process and self.running:
            self.process.send_signal(number)

    def reap(self) -> None:
        if self.process and self.process.stdout:
            self.process.wait()
            self.process.stdout.close()
        self.process = None

    def close(self) -> None:
        self.reap()
        self._log.close()

    def _run(self, *command: str) -> subprocess.Popen[str]:
        environment = {
            "IPFS_PATH": str(self.folder),
            "HOME": str(self.folder),
            "LIBP2P_FORCE_PNET": "1",
            "GOMAXPROCS": "1",
            "GOMEMLIMIT": "120MiB",
            "IPFS_TELEMETRY": "off",
        }
        pipe = subprocess.PIPE if command[0] == "daemon" else subprocess.DEVNULL
        return subprocess.Popen([str(IPFS), *command], env=environment, stdout=pipe, stderr=self._log, text=True)


class Nodes(Sequence[Node]):
    """``count`` nodes, all up.  With ``peering`` they are connected, and dial each other again by themselves."""

    def __init__(self, folder: Path, count: int, peering: bool = True) -> None:
        if not IPFS.exists():
            pytest.skip(f"no Kubo at {IPFS.relative_to(IPFS.parents[2])}: run `make tools`")
        self._peering = peering
        self._nodes = [Node(folder / f"ipfs-{index:02}") for index in range(count)]
        try:
            for node in self._nodes:
                node.configured()
            for node in self._nodes:
                node.configure([each for each in self._nodes if each is not node and peering])
            self.start()
        except BaseException:
            self.stop()
            raise

    def start(self) -> None:
        """Those that are down."""
        down = [node for node in self._nodes if not node.running]
        for node in down:
            node.reap()
            node.start()
        for node in down:
            node.ready()
        for node in down:
            for each in self._nodes:
                if each is not node and self._peering:
                    node.dial(each)

    def stop(self) -> None:
        for node in self._nodes:
            node.send(signal.SIGCONT)
            node.send(signal.SIGKILL)
        for node in self._nodes:
            node.close()

    def __getitem__(self, index: Any) -> Any:
        return self._nodes[index]

    def __len__(self) -> int:
        return len(self._nodes)


def running(folder: Path) -> bool:
    """Whether there is a process whose repository is in that folder."""
    wanted = f"IPFS_PATH={folder}".encode()
    return any(wanted in _environment(each) for each in Path("/proc").glob("[0-9]*/environ"))


def _environment(process: Path) -> bytes:
    try:
        return process.read_bytes()
    except OSError:  # it has ended, or is another user's
        return b""
