"""The command of the sidecar; see the package."""

import argparse
import asyncio
import signal
import socket
from pathlib import Path

from learnae.link_agent.agent import Agent
from learnae.link_agent.packet_filter import LinuxPacketFilter
from learnae.link_agent.server import LinkServer


async def main() -> None:
    parser = argparse.ArgumentParser(prog="learnae.link_agent")
    parser.add_argument("--listen", required=True, metavar="HOST:PORT")
    parser.add_argument("--token-file", required=True, type=Path)
    parser.add_argument(
        "--control", action="append", default=[], metavar="ADDRESS", help="address that is never cut; may be repeated"
    )
    arguments = parser.parse_args()
    host, _, port = arguments.listen.rpartition(":")
    agent = Agent(LinuxPacketFilter())
    await agent.begin()
    control = {*arguments.control, *gateways()}
    guarded = LinkServer(
        agent,
        arguments.token_file.read_text(encoding="utf-8").strip(),
        lambda address: address in control or is_own_address(address),
    )
    server = await guarded.listen(host, int(port))
    stopped = asyncio.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        asyncio.get_running_loop().add_signal_handler(number, stopped.set)
    async with server:
        keeping = asyncio.create_task(agent.run())
        print("learnae.link_agent answers at http://{}:{}".format(*server.sockets[0].getsockname()[:2]), flush=True)
        await stopped.wait()
        keeping.cancel()
    if any(agent.abilities.values()):
        await agent.clear()


def is_own_address(address: str) -> bool:
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as probe:
        try:
            probe.bind((address, 0))
        except OSError:
            return False
    return True


def gateways() -> list[str]:
    """The addresses of this machine's gateways, from which it is controlled."""
    routes = [line.split() for line in Path("/proc/net/route").read_text(encoding="utf-8").splitlines()[1:]]
    return [socket.inet_ntoa(bytes.fromhex(route[2])[::-1]) for route in routes if route[2] != "00000000"]


if __name__ == "__main__":
    asyncio.run(main())
