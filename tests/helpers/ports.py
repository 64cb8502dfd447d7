"""Ports of loopback for servers that tests start: nobody else takes them meanwhile, whatever runs beside."""

import os
import socket
import tempfile
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

from learnae.file_lock import try_lock

PORTS = range(10_000, 20_000)  # below those that Linux gives to outgoing connections
BLOCK = 100  # ports that one process of tests has for itself, until it ends


def _own_ports() -> Iterator[int]:
    folder = Path(tempfile.gettempdir()) / f"learnae-test-ports-{os.getuid()}"
    folder.mkdir(exist_ok=True)
    for first in PORTS[::BLOCK]:
        lock = os.open(folder / str(first), os.O_CREAT | os.O_RDWR)
        if try_lock(lock):
            yield from range(first, first + BLOCK)
        else:
            os.close(lock)


_ports = _own_ports()


def free_port() -> int:
    """Never the same twice."""
    for port in _ports:
        with socket.socket() as probe, suppress(OSError):
            probe.bind(("127.0.0.1", port))
            return port
    raise AssertionError(f"no port from {PORTS.start} to {PORTS.stop - 1} is free")
