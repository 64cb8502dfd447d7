"""The command of the sidecar; see the package."""

import argparse
import asyncio
import socket
from pathlib import Path

from learnae.bounded_http import address, gateways, stop_signal
from learnae.link_agent.agent import Agent
from learnae.link_agent.packet_filter import LinuxPacketFilter
from learnae.link_agent.server import LinkServer


async def main() -> None:
    parser = argparse.ArgumentParser(prog="learnae.link_agent")
    parser.add_argument("--listen", required=True, type=address, metavar="HOST:PORT")
    parser.add_argument("--token-file", required=True, type=Path)
    parser.add_argument(
        "--control", action="append", default=[], metavar="ADDRESS", help="address that is never cut; may be repeated"
    )
    arguments = parser.parse_args()
    stopped = stop_signal()
    agent = Agent(LinuxPacketFilter())
    await agent.begin()
    control = {*arguments.control, *gateways()}
    guarded = LinkServer(
        agent,
        arguments.token_file.read_text(encoding="utf-8").strip(),
        lambda sender: sender in control or is_own_address(sender),
    )
    async with await guarded.listen(*arguments.listen) as server:
        keeping = asyncio.create_task(agent.run())
        print("learnae.link_agent answers at http://{}:{}".format(*server.sockets[0].getsockname()[:2]), flush=True)
        await stopped.wait()
        keeping.cancel()
    await agent.end()


def is_own_address(host: str) -> bool:
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as probe:
        try:
            probe.bind((host, 0))
        except OSError:
            return False
    return True


if __name__ == "__main__":
    asyncio.run(main())
