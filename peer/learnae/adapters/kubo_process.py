"""A Kubo node of a private swarm as a child process, for a peer that has no pod.

    async with kubo(binary, folder, kubo_config(peer, key, others), swarm_key) as url: ...     # its RPC, on loopback

It gets no signals of the terminal: whoever started it ends it, or, where that was killed, whoever comes next.
"""

import asyncio
import json
import os
import shutil
import signal
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import asynccontextmanager, suppress
from pathlib import Path
from typing import IO, Any

from learnae import resources
from learnae.checkout import REPOSITORY, in_checkout
from learnae.errors import InputError
from learnae.file_lock import locked
from learnae.protocol.types import PeerId

COMES_UP, ENDS, AGAIN = 60.0, 10.0, 0.1  # s
READY = "Daemon is ready"
LIMITS = {"LIBP2P_FORCE_PNET": "1", "IPFS_TELEMETRY": "off", "GOMAXPROCS": "1", "GOMEMLIMIT": "120MiB"}  # as in a pod


def kubo_config(peer: PeerId, key: str, dialled: Mapping[PeerId, str]) -> dict[str, Any]:
    """The settings of resources/kubo.json with a node's key and the multiaddrs that it dials."""
    config: dict[str, Any] = json.loads(resources.KUBO.read_text())
    config["Identity"] = {"PeerID": peer, "PrivKey": key}
    config["Peering"] = {"Peers": [{"ID": other, "Addrs": [address]} for other, address in dialled.items()]}
    return config


def found(binary: Path | None) -> str:
    """The program: the one that is named, or that of `make tools`, or the one on the path.  Raises InputError."""
    built = [str(REPOSITORY / ".tools" / "bin" / "ipfs")] if in_checkout() else []
    candidates = [str(binary)] if binary else [*built, "ipfs"]
    program = next((program for name in candidates if (program := shutil.which(name))), None)
    if program is None:
        raise InputError(f"there is no Kubo at {candidates[0]}: run make tools, or name another with --kubo-binary")
    return program


@asynccontextmanager
async def kubo(
    program: str, folder: Path, config: Mapping[str, Any], swarm_key: str, known_at: Sequence[str] = ()
) -> AsyncIterator[str]:
    """Up, on free ports, or where others know it at, by multiaddr.  ``folder``: its repository, made if there is none.

    Raises InputError.
    """
    async with _alone(folder) as node:
        places = {"API": "/ip4/127.0.0.1/tcp/0", **_listening(known_at)}
        given, fresh = _written(folder, {**config, "Addresses": config["Addresses"] | places}, swarm_key)
        if fresh:
            await _done(await _started(program, folder, "init", str(given)))
        given.replace(folder / "config")
        process = await _started(program, folder, "daemon", "--migrate=false", "--enable-gc", lock=node)
        try:
            print(process.pid, file=node, flush=True)
            await _up(process)
            rest = asyncio.create_task(_read(process))
            yield _url((folder / "api").read_text())
        finally:
            await _end(process)
        await rest


@asynccontextmanager
async def _alone(folder: Path) -> AsyncIterator[IO[str]]:
    """The folder is this process's.  Gives a file that the node is to hold as long as it lives: its number is in it.

    Who finds the first lock free and the second held has met the node of a process that was killed, and ends it.
    """
    with _lock(folder, "own.lock") as own, _lock(folder, "node.lock") as node:
        if not locked(own):
            raise InputError(f"{folder} is in use: is another using its folder or its port?")
        node.seek(0)
        left = node.read().strip()
        try:
            async with asyncio.timeout(ENDS):
                while not locked(node):
                    with suppress(ValueError, ProcessLookupError):
                        os.kill(int(left), signal.SIGTERM)
                    await asyncio.sleep(AGAIN)
        except TimeoutError:
            raise InputError(
                f"Kubo's process {left} still runs in {folder}, of a learnae that was killed: end it"
            ) from None
        node.truncate(0)
        yield node


def _lock(folder: Path, name: str) -> IO[str]:
    try:
        folder.mkdir(parents=True, exist_ok=True)
        return (folder / name).open("a+")
    except OSError as error:
        raise InputError(f"{folder} cannot be written ({error.strerror}): choose another --folder") from None


def _listening(known_at: Sequence[str]) -> dict[str, list[str]]:
    ports = {address.split("/")[4] for address in known_at} or {"0"}
    announced = [address.partition("/p2p/")[0] for address in known_at]
    return {"Swarm": [f"/ip4/0.0.0.0/tcp/{port}" for port in sorted(ports)], "Announce": announced}


def _written(folder: Path, config: Mapping[str, Any], swarm_key: str) -> tuple[Path, bool]:
    """The configuration's file, and whether there is a repository to make."""
    given = folder / "given.json"
    try:
        given.touch(0o600)
        given.write_text(json.dumps(config))
        (folder / "swarm.key").write_text(swarm_key)  # before init: a node of a private swarm is never a public one
    except OSError as error:
        raise InputError(f"{folder} cannot be written ({error.strerror}): choose another --folder") from None
    return given, not (folder / "version").exists()


async def _started(
    program: str, folder: Path, *arguments: str, lock: IO[str] | None = None
) -> asyncio.subprocess.Process:
    try:
        return await asyncio.create_subprocess_exec(
            program,
            *arguments,
            env={"IPFS_PATH": str(folder), "HOME": str(folder), **LIMITS},
            stdin=asyncio.subprocess.DEVNULL,
            stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.STDOUT,
            start_new_session=True,
            pass_fds=(lock.fileno(),) if lock else (),
        )
    except OSError as error:
        raise InputError(f"{program} cannot be run ({error.strerror}): name Kubo's binary") from None


async def _up(process: asyncio.subprocess.Process) -> None:
    try:
        async with asyncio.timeout(COMES_UP):
            said = await _read(process, until=READY)
    except TimeoutError:
        raise InputError(f"Kubo did not come up in {COMES_UP:.0f} s: see what this machine is busy with") from None
    if READY not in said:
        raise InputError(f"Kubo ended at once ({said or 'it said nothing'}): is another using its folder or its port?")


async def _done(process: asyncio.subprocess.Process) -> None:
    said = await _read(process)
    if await process.wait():
        raise InputError(f"Kubo could not make a repository ({said or 'it said nothing'}): is that its binary?")


async def _read(process: asyncio.subprocess.Process, until: str | None = None) -> str:
    """The last line that it says, or the first with ``until``.  Somebody must read, or a full pipe would stop it."""
    assert process.stdout
    said = ""
    async for line in process.stdout:
        said = line.decode(errors="replace").strip() or said
        if until and until in said:
            break
    return said


async def _end(process: asyncio.subprocess.Process) -> None:
    if process.returncode is None:
        process.terminate()
        with suppress(TimeoutError):
            await asyncio.wait_for(process.wait(), ENDS)
    if process.returncode is None:
        process.kill()
        await process.wait()


def _url(multiaddr: str) -> str:
    _, _, host, _, port = multiaddr.strip().split("/")[:5]
    return f"http://{host}:{port}"
