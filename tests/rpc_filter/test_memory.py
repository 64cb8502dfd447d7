"""What pods can make the filter hold, in a process of its own: its container has 64 MiB, and it needs 20 by itself."""

import json
import select
import socket
import sys
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path
from subprocess import PIPE, Popen

import pytest

from learnae.rpc_filter.server import MAX_CONNECTIONS_PER_ADDRESS, RpcFilter

PEER = Path(__file__).parents[2] / "peer"
PODS = [f"127.0.1.{number}" for number in range(1, 17)]  # they take all places
MAX_GROWTH = 20 << 20  # bytes
ANSWER = b"HTTP/1.1 200 OK\r\nContent-Length: 4000000\r\n\r\n"


def largest_request() -> bytes:
    """Filled with characters that take more room once they are decoded."""
    content = {"jsonrpc": "2.0", "id": 1, "method": "eth_getCode", "params": ["", "latest"]}
    room = (RpcFilter.max_body - len(json.dumps(content))) // 2
    content["params"] = ["\u00e9" * room, "latest"]
    body = json.dumps(content, ensure_ascii=False).encode()
    head = f"POST / HTTP/1.1\r\nContent-Type: application/json\r\nContent-Length: {len(body)}\r\n\r\n"
    return head.encode() + body


class Attacked:
    """A filter, the node behind it, and all connections that pods can have; nobody reads what it gets."""

    def __init__(self, node: socket.socket, process: Popen[str], open_until_the_end: ExitStack) -> None:
        assert process.stdout
        own = int(process.stdout.readline().rpartition(":")[2])
        self._process, self._before = process, 0
        self._before, request, self.asked = self.growth(), largest_request(), list[socket.socket]()
        for sender in PODS:
            for _ in range(MAX_CONNECTIONS_PER_ADDRESS):
                client = socket.create_connection(("127.0.0.1", own), timeout=10, source_address=(sender, 0))
                open_until_the_end.enter_context(client).sendall(request)
                self.asked.append(open_until_the_end.enter_context(node.accept()[0]))
                self.asked[-1].setblocking(False)

    def growth(self) -> int:
        status = Path(f"/proc/{self._process.pid}/status").read_text(encoding="utf-8")
        return (int(status.partition("VmHWM:")[2].split()[0]) << 10) - self._before


@pytest.fixture
def attacked() -> Iterator[Attacked]:
    with socket.create_server(("127.0.0.1", 0)) as node, ExitStack() as open_until_the_end:
        node.settimeout(60)
        node.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, 1 << 14)  # so that what is sent is in the filter
        host, port = node.getsockname()
        command = [sys.executable, "-S", "-m", "learnae.rpc_filter", "--listen", "127.0.0.1:0"]
        with Popen([*command, "--node", f"{host}:{port}"], cwd=PEER, stdout=PIPE, text=True) as process:
            yield Attacked(node, process, open_until_the_end)
            process.kill()


def test_requests_to_a_node_that_does_not_read_do_not_exhaust_its_memory(attacked: Attacked) -> None:
    assert 0 < attacked.growth() < MAX_GROWTH


def test_answers_to_pods_that_do_not_read_do_not_exhaust_its_memory(attacked: Attacked) -> None:
    for node in attacked.asked:
        node.send(ANSWER)
    while writable := select.select([], attacked.asked, [], 0.5)[1]:  # until the filter takes no more
        for node in writable:
            try:
                node.send(bytes(1 << 14))
            except ConnectionError:  # the filter has waited long enough for this client
                attacked.asked.remove(node)
    assert 0 < attacked.growth() < MAX_GROWTH
