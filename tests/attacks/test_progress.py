"""Attack: requests to an API keep the event loop busy, in which the peers of an embedded swarm work.

Progress is the share of the loop's processor time that is left for the peers' own work, whatever else the machine does.
"""

import asyncio
import sys
import time
from collections.abc import Callable, Coroutine
from functools import partial
from pathlib import Path
from subprocess import PIPE
from typing import Any

import pytest
from tests.helpers.apis import Asked
from tests.helpers.small_heap import small_heap
from tests.helpers.stages import Stage
from tests.web.api.test_attacks import ATTACKS

from learnae.rpc_filter.server import MAX_CONNECTIONS_PER_ADDRESS, RpcFilter
from learnae.web.api import guard
from learnae.web.api.loop_share import LoopShare
from learnae.web.api.server import listen, serving

pytestmark = pytest.mark.slow
WORK = 2.0  # s of processor time of the peers' work
# Sends one request after another, each at a connection of its own, in several threads.
ATTACKER = """
import socket, sys, threading

port, request, threads = int(sys.argv[1]), open(sys.argv[2], "rb").read(), int(sys.argv[3])

def attack():
    while True:
        try:
            with socket.create_connection(("127.0.0.1", port), 30) as connection:
                connection.sendall(request)
                while connection.recv(65536):
                    pass
        except OSError:
            pass

for _ in range(threads):
    threading.Thread(target=attack, daemon=True).start()
print("attacking", flush=True)
sys.stdin.read()
"""


def post(body: bytes, length: int | None = None) -> bytes:
    return (
        b"POST /v1/predict HTTP/1.1\r\nHost: 127.0.0.1\r\nContent-Type: application/json\r\nConnection: close\r\n"
        + f"Content-Length: {len(body) if length is None else length}\r\n\r\n".encode()
        + body
    )


REQUESTS = {
    "empty rows": post(ATTACKS["65,000 empty rows"][0]),
    "half bodies": post(b" " * 1_000_000, 1_000_001),
    "nested JSON": post(ATTACKS["100,000 levels"][0]),
    "small requests": b"GET /v1/status HTTP/1.1\r\nHost: 127.0.0.1\r\nConnection: close\r\n\r\n",
    "half requests": b"GET /v1/status HTTP/1.1\r\nHost: 127.0.0.1\r\nX: ",
}

HALF = {
    "half requests": b"POST / HTTP/1.1\r\nContent-Type: application/json\r\nX: ",
    "half bodies": b"POST / HTTP/1.1\r\nContent-Type: application/json\r\nContent-Length: 4096\r\n\r\n" + b" " * 4095,
}


async def progress() -> float:
    """Work in the running loop; the share of the loop's processor time that this work was."""
    began, own = time.thread_time(), 0.0
    while time.thread_time() - began < WORK:
        step = time.thread_time()
        while time.thread_time() - step < 0.005:
            pass
        own += time.thread_time() - step
        await asyncio.sleep(0)
    return own / (time.thread_time() - began)


async def progress_under(attack: bytes, port: int, folder: Path, threads: int = 20) -> float:
    file = folder / "request"
    file.write_bytes(attack)
    command = (sys.executable, "-c", ATTACKER, str(port), str(file), str(threads))
    attacker = await asyncio.create_subprocess_exec(*command, stdin=PIPE, stdout=PIPE)
    try:
        assert attacker.stdout and await attacker.stdout.readline()
        return await progress()
    finally:
        attacker.kill()
        await attacker.wait()


GOOD = 0.9
TRIES = 5  # at most: other work on the machine can only make a measurement worse


def best(play: Callable[[], Coroutine[Any, Any, float]]) -> float:
    """The first good share, or the best one."""
    with small_heap():
        shares = [asyncio.run(play())]
        while shares[-1] < GOOD and len(shares) < TRIES:
            shares.append(asyncio.run(play()))
    return max(shares)


@pytest.mark.parametrize("attack", REQUESTS)
def test_requests_slow_the_peers_of_a_loop_by_at_most_a_tenth(
    staged: Callable[..., Stage], tmp_path: Path, monkeypatch: pytest.MonkeyPatch, attack: str
) -> None:
    # Requests earn their share by the loop's processor time: then a busy machine changes nothing.
    monkeypatch.setattr(guard, "LoopShare", partial(LoopShare, 0.0, time.thread_time))

    async def play() -> float:
        sock = listen("127.0.0.1", 0)
        async with serving(Asked(staged()).app, sock):
            return await progress_under(REQUESTS[attack], sock.getsockname()[1], tmp_path)

    assert best(play) >= GOOD


@pytest.mark.parametrize("attack", ["half requests", "half bodies"])
def test_half_requests_slow_the_filter_of_the_chain_by_at_most_a_tenth(tmp_path: Path, attack: str) -> None:
    async def play() -> float:
        async with await RpcFilter(("127.0.0.1", 9)).listen("127.0.0.1", 0) as server:
            port = server.sockets[0].getsockname()[1]
            return await progress_under(HALF[attack], port, tmp_path, MAX_CONNECTIONS_PER_ADDRESS)

    assert best(play) >= GOOD
