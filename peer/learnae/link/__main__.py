import argparse
import asyncio
import signal
from pathlib import Path

from learnae.link.agent import Agent


async def main() -> None:
    parser = argparse.ArgumentParser(prog="learnae.link")
    parser.add_argument("--listen", required=True, metavar="HOST:PORT")
    parser.add_argument("--token-file", required=True, type=Path)
    arguments = parser.parse_args()
    host, _, port = arguments.listen.rpartition(":")
    agent = Agent(arguments.token_file.read_text().strip())
    server = await asyncio.start_server(agent.serve, host, int(port))
    stopped = asyncio.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        asyncio.get_running_loop().add_signal_handler(number, stopped.set)
    async with server:
        print("learnae.link answers at http://{}:{}".format(*server.sockets[0].getsockname()[:2]), flush=True)
        await stopped.wait()


asyncio.run(main())
