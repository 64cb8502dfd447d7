"""Packets that come later: the kernel hands them to this process (NFQUEUE, over netlink), which lets them go.

A rule sends a packet into a queue, whose number is what it is held back for in ms; nothing of it is read.  A queue that
nobody holds lets packets pass, if its rule says so: an agent that is killed delays nobody.
"""

import asyncio
import os
import socket
import struct
from collections.abc import Iterable
from functools import partial

# linux/netfilter/nfnetlink_queue.h, linux/netlink.h
NETLINK_NETFILTER = 12
PACKET, VERDICT, CONFIG = (3 << 8 | message for message in range(3))
REQUEST, ACKNOWLEDGE = 1, 4
COMMAND, MODE, MOST, MASK, FLAGS = range(1, 6)  # what a queue is told
BIND, HEADERS_ONLY = 1, 1
LET_PASS_IF_FULL, LEAVE_WHOLE = 1, 4
THE_VERDICT, ACCEPT = 2, 1
ROOM = 1 << 14  # packets
BUFFER = 1 << 16  # bytes


class Queues:
    """Of this network namespace, from the running loop.  A queue once open stays so, or what waits in it were lost."""

    def __init__(self) -> None:
        self._open = dict[int, socket.socket]()

    def open(self, numbers: Iterable[int]) -> None:
        """Raises OSError: no such queues in this kernel, no right to them, or somebody else has one."""
        for number in set(numbers) - self._open.keys():
            self._open[number] = queue = _bound(number)
            asyncio.get_running_loop().add_reader(queue, partial(_taken, queue, number))


def _bound(number: int) -> socket.socket:
    queue = socket.socket(socket.AF_NETLINK, socket.SOCK_RAW, NETLINK_NETFILTER)
    flags = LET_PASS_IF_FULL | LEAVE_WHOLE
    try:
        for told in (
            _attribute(COMMAND, ">BxH", BIND, 0),
            _attribute(MODE, ">IB", 0, HEADERS_ONLY),
            _attribute(MOST, ">I", ROOM),
            _attribute(MASK, ">I", flags) + _attribute(FLAGS, ">I", flags),
        ):
            queue.send(_message(CONFIG, number, told, ACKNOWLEDGE))
            if refusal := -struct.unpack_from("=i", queue.recv(BUFFER), 16)[0]:
                raise OSError(refusal, os.strerror(refusal))
    except OSError:
        queue.close()
        raise
    queue.setblocking(False)
    return queue


def _taken(queue: socket.socket, number: int) -> None:
    """All that is there, each let go when its time has come."""
    while True:
        try:
            message = queue.recv(BUFFER)
        except OSError:  # nothing more; or what did not fit, which the kernel let pass
            return
        if struct.unpack_from("=H", message, 4)[0] == PACKET:
            identity = struct.unpack_from(">I", message, 24)[0]  # of its header, which comes first
            verdict = _message(VERDICT, number, _attribute(THE_VERDICT, ">II", ACCEPT, identity))
            asyncio.get_running_loop().call_later(number / 1000, queue.send, verdict)


def _message(kind: int, number: int, attributes: bytes, flags: int = 0) -> bytes:
    return struct.pack("=IHHIIBB", 20 + len(attributes), kind, REQUEST | flags, 0, 0, 0, 0) + (
        struct.pack(">H", number) + attributes
    )


def _attribute(kind: int, form: str, *values: int) -> bytes:
    """Padded to 4 bytes."""
    value = struct.pack(form, *values)
    return struct.pack("=HH", 4 + len(value), kind) + value + bytes(-len(value) % 4)
