"""The command of the sidecar; see the package."""

import argparse
import asyncio

from learnae.bounded_http import address, gateways, stop_signal
from learnae.rpc_filter.server import RpcFilter


async def main() -> None:
    parser = argparse.ArgumentParser(prog="learnae.rpc_filter")
    parser.add_argument("--listen", required=True, type=address, metavar="HOST:PORT")
    parser.add_argument("--node", required=True, type=address, metavar="HOST:PORT", help="the node behind it")
    arguments = parser.parse_args()
    stopped = stop_signal()
    async with await RpcFilter(arguments.node, gateways()).listen(*arguments.listen) as server:
        print("learnae.rpc_filter answers at http://{}:{}".format(*server.sockets[0].getsockname()[:2]), flush=True)
        await stopped.wait()


if __name__ == "__main__":
    asyncio.run(main())
