"""The command of the sidecar; see the package."""

import argparse
import asyncio
from contextlib import AsyncExitStack

from learnae.bounded_http import address, gateways, stop_signal
from learnae.rpc_filter.server import RpcFilter


async def main() -> None:
    parser = argparse.ArgumentParser(prog="learnae.rpc_filter")
    parser.add_argument("--listen", required=True, type=address, metavar="HOST:PORT")
    parser.add_argument(
        "--listen-host", type=address, metavar="HOST:PORT", help="for the host alone, which has no limits"
    )
    parser.add_argument("--node", required=True, type=address, metavar="HOST:PORT", help="the node behind it")
    arguments = parser.parse_args()
    stopped = stop_signal()
    rpc_filter = RpcFilter(arguments.node, gateways())
    async with AsyncExitStack() as servers:
        server = await servers.enter_async_context(await rpc_filter.listen(*arguments.listen))
        if arguments.listen_host:
            await servers.enter_async_context(await rpc_filter.listen_to_host(*arguments.listen_host))
        print("learnae.rpc_filter answers at http://{}:{}".format(*server.sockets[0].getsockname()[:2]), flush=True)
        await stopped.wait()


if __name__ == "__main__":
    asyncio.run(main())
