"""The kernel's packet filter, through the commands of iptables and netlink queues; and one in memory for tests."""

import asyncio
from collections import Counter
from collections.abc import Collection
from typing import Protocol

from learnae.link_agent.nfqueue import Queues

COMMAND_TIMEOUT = 10.0  # s


class PacketFilterRefused(Exception):
    """The packet filter rejected a request; the text is the error of the command."""


class PacketFilter(Protocol):
    """The filter table of this network namespace."""

    async def save(self) -> str:
        """The table as printed by `iptables-save -c`.  Raises PacketFilterRefused."""
        ...

    async def restore(self, text: str) -> None:
        """Apply a script for `iptables-restore --noflush`, completely or not at all.  Raises PacketFilterRefused."""
        ...

    def open_queues(self, queues: Collection[int]) -> None:
        """Delay the packets in each queue by its number in ms.  Raises PacketFilterRefused."""
        ...


class LinuxPacketFilter:
    """The filter through the commands of iptables, the queues through netlink."""

    def __init__(self) -> None:
        self._queues = Queues()

    async def save(self) -> str:
        return await _run("iptables-save", "-c", "-t", "filter")

    async def restore(self, text: str) -> None:
        await _run("iptables-restore", "--noflush", "-w", "5", stdin_text=text)

    def open_queues(self, queues: Collection[int]) -> None:
        try:
            self._queues.open(queues)
        except OSError as error:
            raise PacketFilterRefused(f"packet queues are not available: {error.strerror}") from None


class MemoryPacketFilter:
    """A packet filter in memory.

    ``chains``: rules by chain.  ``scripts``: those that were applied.  ``unsupported``: rules with such text are
    rejected.  ``packets``: packets that matched each rule, counted by the test.  ``queues``: the open ones.
    """

    def __init__(self, *unsupported: str) -> None:
        self.chains: dict[str, list[str]] = {"INPUT": [], "FORWARD": [], "OUTPUT": []}
        self.scripts: list[str] = []
        self.unsupported = unsupported
        self.packets = Counter[str]()
        self.queues = set[int]()

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
                if any(part in line for part in self.unsupported):
                    raise PacketFilterRefused(f"no chain, target or match: {line}")
                _apply(chains, line.split(" ", 2))
        except (KeyError, ValueError):
            raise PacketFilterRefused(f"bad rule: {line}") from None
        self.chains = chains
        self.packets.clear()
        self.scripts.append(text)

    def open_queues(self, queues: Collection[int]) -> None:
        if queues and "queues" in self.unsupported:
            raise PacketFilterRefused("packet queues are not available")
        self.queues |= set(queues)


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


async def _run(*command: str, stdin_text: str = "") -> str:
    pipe = asyncio.subprocess.PIPE
    try:
        process = await asyncio.create_subprocess_exec(*command, stdin=pipe, stdout=pipe, stderr=pipe)
    except OSError as error:
        raise PacketFilterRefused(f"{command[0]}: {error.strerror}") from None
    try:
        async with asyncio.timeout(COMMAND_TIMEOUT):
            output, errors = await process.communicate(stdin_text.encode())
    except TimeoutError:
        raise PacketFilterRefused(f"{command[0]} did not end in {COMMAND_TIMEOUT:g} s") from None
    finally:
        if process.returncode is None:
            process.kill()
            await process.wait()
    if process.returncode:
        lines = [line for line in errors.decode(errors="replace").splitlines() if line.strip()]
        raise PacketFilterRefused(lines[0] if lines else f"{command[0]} ended with {process.returncode}")
    return output.decode(errors="replace")
