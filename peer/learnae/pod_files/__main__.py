"""The command of the sidecar; see the package."""

import argparse
import asyncio
import os
from pathlib import Path

from learnae.bounded_http import address, stop_signal
from learnae.pod_files.server import FilesServer


async def main() -> None:
    parser = argparse.ArgumentParser(prog="learnae.pod_files")
    parser.add_argument("--listen", required=True, type=address, metavar="HOST:PORT")
    parser.add_argument("--volume", required=True, type=Path, help="folder of the files, which outlives the pod")
    parser.add_argument("--gates", required=True, type=Path, help="folder that containers of this pod watch")
    parser.add_argument("--last", required=True, help="gate after which no more files are taken")
    parser.add_argument("--folder", nargs="*", default=[], help="folders of the volume to make")
    arguments = parser.parse_args()
    os.umask(0o077)
    for folder in arguments.folder:
        (arguments.volume / folder).mkdir(exist_ok=True)
    stopped = stop_signal()
    server = FilesServer(arguments.volume, arguments.gates, arguments.last)
    async with await server.listen(*arguments.listen) as listening:
        print("learnae.pod_files answers at http://{}:{}".format(*listening.sockets[0].getsockname()[:2]), flush=True)
        await stopped.wait()


if __name__ == "__main__":
    asyncio.run(main())
