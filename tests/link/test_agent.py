"""The link agent in a process of its own, as in a pod."""

import http.client
import json
import socket
import subprocess
import sys
from collections.abc import Iterator
from typing import Any

import pytest

from learnae.config import REPOSITORY

TOKEN = "a-token-of-the-pod"
Answer = tuple[int, dict[str, Any]]


@pytest.fixture(scope="module")
def port(tmp_path_factory: pytest.TempPathFactory) -> Iterator[int]:
    token = tmp_path_factory.mktemp("link") / "token"
    token.write_text(TOKEN + "\n")
    command = [sys.executable, "-S", "-m", "learnae.link", "--listen", "127.0.0.1:0", "--token-file", str(token)]
    with subprocess.Popen(command, cwd=REPOSITORY / "peer", stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout
        yield int(process.stdout.readline().rsplit(":", 1)[1])
        process.terminate()
        assert process.wait(5) == 0


def ask(port: int, path: str, token: str | None = None, method: str = "GET") -> Answer:
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=5)
    connection.request(method, path, headers={"Authorization": f"Bearer {token}"} if token else {})
    response = connection.getresponse()
    return response.status, json.loads(response.read())


def test_anybody_may_ask_whether_it_is_well(port: int) -> None:
    assert ask(port, "/healthz") == (200, {"ok": True})


def test_what_is_done_to_the_link_is_told_to_whoever_has_the_token_of_the_pod(port: int) -> None:
    assert ask(port, "/v1/state", TOKEN) == (200, {"faults": []})
    for wrong in (None, "another-token", TOKEN[:-1], ""):
        status, told = ask(port, "/v1/state", wrong)
        assert status == 401 and "faults" not in told


def test_it_takes_no_commands_yet(port: int) -> None:
    assert ask(port, "/v1/state", TOKEN, "PUT")[0] == 404
    assert ask(port, "/", TOKEN)[0] == 404


@pytest.mark.parametrize(
    "nonsense", [b"", b"\r\n\r\n", b"\xff\xfe\r\n\r\n", b"GET\r\n\r\n", b"x" * 100_000, b"GET / HTTP/1.1\r\n" * 10]
)
def test_whatever_is_sent_it_answers_or_hangs_up_and_goes_on(port: int, nonsense: bytes) -> None:
    with socket.create_connection(("127.0.0.1", port), timeout=10) as connection:
        try:
            connection.sendall(nonsense)
            connection.shutdown(socket.SHUT_WR)
            assert connection.recv(12) in (b"", b"HTTP/1.1 400", b"HTTP/1.1 404")
        except ConnectionError:  # it hung up with some of it unread
            pass
    assert ask(port, "/healthz")[0] == 200
