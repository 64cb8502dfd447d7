"""A Kubo node of a private swarm as a child process, for a peer without a container.

    async with kubo_process(binary, folder, kubo_config(peer, key, others), swarm_key) as url: ...   # RPC on loopback

The child receives no signals from the terminal.  The parent ends it; if the parent was killed, the next process that
uses the folder ends it.
"""

import asyncio
import json
import os
import shutil
import signal
from collections.abc import AsyncIterator, Iterator, Mapping, Sequence
from contextlib import asynccontextmanager, contextmanager, suppress
from ipaddress import IPv4Network
from pathlib import Path
from typing import IO, Any

from learnae import resources
from learnae.checkout import REPOSITORY, in_checkout
from learnae.errors import InputError, child_ended
from learnae.file_lock import try_lock
from learnae.private_file import write_private
from learnae.protocol.types import PeerId

STARTUP_TIMEOUT = 60.0  # s
SHUTDOWN_TIMEOUT = 10.0  # s
RETRY_INTERVAL = 0.1  # s
READY = "Daemon is ready"
ENVIRONMENT = {
    "LIBP2P_FORCE_PNET": "1",
    "IPFS_TELEMETRY": "off",
    "GOMAXPROCS": "1",
    "GOMEMLIMIT": "120MiB",
}  # as in a pod


def kubo_config(peer: PeerId, key: str, dialled: Mapping[PeerId, str]) -> dict[str, Any]:
    """The settings of resources/kubo.json with a node's key and the multiaddrs that it dials."""
    config: dict[str, Any] = json.loads(resources.KUBO.read_text(encoding="utf-8"))
    config["Identity"] = {"PeerID": peer, "PrivKey": key}
    config["Peering"] = {"Peers": [{"ID": other, "Addrs": [address]} for other, address in dialled.items()]}
    return config


def outside(network: IPv4Network) -> list[str]:
    """Address filters of a node that neither dials nor accepts connections outside of a network."""
    others = IPv4Network("0.0.0.0/0").address_exclude(network)
    return ["/ip6/::/ipcidr/0", *(f"/ip4/{each.network_address}/ipcidr/{each.prefixlen}" for each in others)]


def find_kubo(binary: Path | None) -> str:
    """The program: ``binary``, or the one from `make tools`, or the one on the path.  Raises InputError."""
    built = [str(REPOSITORY / ".tools" / "bin" / "ipfs")] if in_checkout() else []
    candidates = [str(binary)] if binary else [*built, "ipfs"]
    program = next((program for name in candidates if (program := shutil.which(name))), None)
    if program is None:
        raise InputError(f"there is no Kubo at {candidates[0]}: run make tools, or name another with --kubo-binary")
    return program


@asynccontextmanager
async def kubo_process(
    program: str, folder: Path, config: Mapping[str, Any], swarm_key: str, known_at: Sequence[str] = ()
) -> AsyncIterator[str]:
    """Run a node and yield the URL of its RPC.

    ``folder``: its repository, created if missing.  ``known_at``: multiaddrs at which other peers know the node;
    without any, it listens on free ports.  Raises InputError.
    """
    async with _exclusive(folder) as node_lock:
        addresses = {"API": "/ip4/127.0.0.1/tcp/0", **_listen_addresses(known_at)}
        new_config = _write_config(folder, {**config, "Addresses": config["Addresses"] | addresses}, swarm_key)
        if not (folder / "version").exists():
            await _init(program, folder, new_config)
        new_config.replace(folder / "config")
        process = await _start(program, folder, "daemon", "--migrate=false", "--enable-gc", lock=node_lock)
        try:
            print(process.pid, file=node_lock, flush=True)
            await _wait_until_ready(process)
            reader = asyncio.create_task(_read_output(process))
            with _needed(process):
                yield _to_url((folder / "api").read_text(encoding="utf-8"))
        finally:
            await _stop(process)
        await reader


@contextmanager
def _needed(process: asyncio.subprocess.Process) -> Iterator[None]:
    """Cancel the body if the node ends before it.  Raises InputError then."""
    task, ended = asyncio.current_task(), False
    assert task

    def cancel(_: asyncio.Task[int]) -> None:
        nonlocal ended
        ended = True
        task.cancel()

    end = asyncio.create_task(process.wait())
    end.add_done_callback(cancel)
    try:
        yield
    except asyncio.CancelledError:
        if not ended:
            raise
        task.uncancel()
        advice = "run the same command again, which continues where it was"
        raise child_ended("the Kubo node of this peer", process.returncode, advice) from None
    finally:
        end.remove_done_callback(cancel)
        end.cancel()


@asynccontextmanager
async def _exclusive(folder: Path) -> AsyncIterator[IO[str]]:
    """Reserve the folder for this process and yield a lock file for the node to inherit; it contains the node's pid.

    If the first lock is free and the second is held, a parent was killed and left its node running: end that node.
    """
    with _open_lock(folder, "own.lock") as own_lock, _open_lock(folder, "node.lock") as node_lock:
        if not try_lock(own_lock):
            raise InputError(f"{folder} is in use: is another process using its folder or its port?")
        node_lock.seek(0)
        pid = node_lock.read().strip()
        try:
            async with asyncio.timeout(SHUTDOWN_TIMEOUT):
                while not try_lock(node_lock):
                    with suppress(ValueError, ProcessLookupError):
                        os.kill(int(pid), signal.SIGTERM)
                    await asyncio.sleep(RETRY_INTERVAL)
        except TimeoutError:
            raise InputError(
                f"Kubo (process {pid}) of a learnae that was killed still runs in {folder}: end it"
            ) from None
        node_lock.truncate(0)
        yield node_lock


def _open_lock(folder: Path, name: str) -> IO[str]:
    try:
        folder.mkdir(parents=True, exist_ok=True)
        return (folder / name).open("a+", encoding="utf-8")
    except OSError as error:
        raise _not_writable(folder, error) from None


def _not_writable(folder: Path, error: OSError) -> InputError:
    return InputError(f"{folder} cannot be written ({error.strerror}): choose another --folder")


def _listen_addresses(known_at: Sequence[str]) -> dict[str, list[str]]:
    ports = {address.split("/")[4] for address in known_at} or {"0"}
    announced = [address.partition("/p2p/")[0] for address in known_at]
    return {"Swarm": [f"/ip4/0.0.0.0/tcp/{port}" for port in sorted(ports)], "Announce": announced}


def _write_config(folder: Path, config: Mapping[str, Any], swarm_key: str) -> Path:
    """Write the configuration to a temporary file.  The swarm key comes first: the node is never a public one."""
    path = folder / "given.json"
    try:
        (folder / "swarm.key").write_text(swarm_key, encoding="utf-8")
        write_private(path, json.dumps(config), replace=True)
    except OSError as error:
        raise _not_writable(folder, error) from None
    return path


async def _start(
    program: str, folder: Path, *arguments: str, lock: IO[str] | None = None
) -> asyncio.subprocess.Process:
    try:
        return await asyncio.create_subprocess_exec(
            program,
            *arguments,
            env={"IPFS_PATH": str(folder), "HOME": str(folder), **ENVIRONMENT},
            stdin=asyncio.subprocess.DEVNULL,
            stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.STDOUT,
            start_new_session=True,
            restore_signals=False,  # it ignores SIGPIPE: a log line must not end it once its reader was killed
            pass_fds=(lock.fileno(),) if lock else (),
        )
    except OSError as error:
        raise InputError(f"{program} cannot be run ({error.strerror}): give the path of Kubo's binary") from None


async def _init(program: str, folder: Path, config: Path) -> None:
    process = await _start(program, folder, "init", str(config))
    output = await _read_output(process)
    if await process.wait():
        raise InputError(f"Kubo could not create a repository ({output or 'no output'}): is this Kubo's binary?")


async def _wait_until_ready(process: asyncio.subprocess.Process) -> None:
    try:
        async with asyncio.timeout(STARTUP_TIMEOUT):
            output = await _read_output(process, until=READY)
    except TimeoutError:
        raise InputError(f"Kubo did not start in {STARTUP_TIMEOUT:.0f} s: check the load of this machine") from None
    if READY not in output:
        raise InputError(
            f"Kubo ended at once ({output or 'no output'}): is another process using its folder or its port?"
        )


async def _read_output(process: asyncio.subprocess.Process, until: str | None = None) -> str:
    """The last line of output, or the first with ``until``.  Reading continues because a full pipe would block Kubo."""
    assert process.stdout
    last = ""
    async for line in process.stdout:
        last = line.decode(errors="replace").strip() or last
        if until and until in last:
            break
    return last


async def _stop(process: asyncio.subprocess.Process) -> None:
    if process.returncode is None:
        process.terminate()
        with suppress(TimeoutError):
            await asyncio.wait_for(process.wait(), SHUTDOWN_TIMEOUT)
    if process.returncode is None:
        process.kill()
        await process.wait()


def _to_url(multiaddr: str) -> str:
    _, _, host, _, port = multiaddr.strip().split("/")[:5]
    return f"http://{host}:{port}"
