"""The kernel's packet filter, through iptables' own commands and its queues; and one only remembered, for tests."""

import asyncio
from collections import Counter
from collections.abc import Collection
from typing import Protocol

from learnae.link_agent.nfqueue import Queues

PATIENCE = 10.0  # s that a command gets


class PacketFilterRefused(Exception):
    """What the command complained with."""


class PacketFilter(Protocol):
    """The filter table of this network namespace."""

    async def save(self) -> str:
        """As `iptables-save -c` prints it.  Raises KernelRefused."""
        ...

    async def restore(self, text: str) -> None:
        """As `iptables-restore --noflush` takes it: all of it at once, or nothing.  Raises KernelRefused."""
        ...

    def hold(self, queues: Collection[int]) -> None:
        """What a rule sends to one of these goes on after as many ms as its number says.  Raises KernelRefused."""
        ...


class LinuxPacketFilter:
    """Its filter through iptables' commands, its queues through netlink."""

    def __init__(self) -> None:
        self._queues = Queues()

    async def save(self) -> str:
        return await _run("iptables-save", "-c", "-t", "filter")

    async def restore(self, text: str) -> None:
        await _run("iptables-restore", "--noflush", "-w", "5", given=text)

    def hold(self, queues: Collection[int]) -> None:
        try:
            self._queues.open(queues)
        except OSError as error:
            raise PacketFilterRefused(f"no queue for packets: {error.strerror}") from None


class MemoryPacketFilter:
    """``chains``: rules by chain.  ``texts``: what was restored.  ``without``: what such a kernel has not got.

    ``packets``: how many each rule met since it is there; whoever plays the senders adds them.  ``held``: queues.
    """

    def __init__(self, *without: str) -> None:
        self.chains: dict[str, list[str]] = {"INPUT": [], "FORWARD": [], "OUTPUT": []}
        self.texts: list[str] = []
        self.without = without
        self.packets = Counter[str]()
        self.held = set[int]()

    async def save(self) -> str:
        heads = [f":{chain} - [0:0]" for chain in self.chains]
        rules = [
            f"[{self.packets[rule]}:0] -A {chain} {rule}" for chain, listed in self.chains.items() for rule in listed
        ]
        return "\n".join(["*filter", *heads, *rules, "COMMIT", ""])

    async def restore(self, text: str) -> None:
        chains = {chain: list(listed) for chain, listed in self.chains.items()}
        try:
            for line in text.splitlines():
                if any(each in line for each in self.without):
                    raise PacketFilterRefused(f"no chain, target or match: {line}")
                _apply(chains, line.split(" ", 2))
        except (KeyError, ValueError):
            raise PacketFilterRefused(f"bad rule: {line}") from None
        self.chains = chains
        self.packets.clear()
        self.texts.append(text)

    def hold(self, queues: Collection[int]) -> None:
        if queues and "queues" in self.without:
            raise PacketFilterRefused("no queue for packets")
        self.held |= set(queues)


def _apply(chains: dict[str, list[str]], words: list[str]) -> None:
    match words:
        case ["-A", chain, rule]:
            chains[chain].append(rule)
        case ["-I", chain, rule]:
            chains[chain].insert(0, rule)
        case ["-D", chain, rule]:
            chains[chain].remove(rule)
        case ["-F", chain]:
            chains[chain].clear()
        case ["-X", chain]:
            del chains[chain]
        case [declared, *_] if declared.startswith(":"):
            chains[declared[1:]] = []


async def _run(*command: str, given: str = "") -> str:
    pipe = asyncio.subprocess.PIPE
    try:
        process = await asyncio.create_subprocess_exec(*command, stdin=pipe, stdout=pipe, stderr=pipe)
    except OSError as error:
        raise PacketFilterRefused(f"{command[0]}: {error.strerror}") from None
    try:
        async with asyncio.timeout(PATIENCE):
            told, complaint = await process.communicate(given.encode())
    except TimeoutError:
        raise PacketFilterRefused(f"{command[0]} did not end in {PATIENCE:g} s") from None
    finally:
        if process.returncode is None:
            process.kill()
            await process.wait()
    if process.returncode:
        lines = [line for line in complaint.decode(errors="replace").splitlines() if line.strip()]
        raise PacketFilterRefused(lines[0] if lines else f"{command[0]} ended with {process.returncode}")
    return told.decode(errors="replace")
