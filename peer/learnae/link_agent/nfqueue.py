"""Delays packets: the kernel hands them to this process (NFQUEUE, over netlink), which releases them later.

A rule sends a packet into a queue whose number is the delay in ms; its content is not read.  With ``--queue-bypass``, a
queue without a process lets packets pass: an agent that was killed delays nothing.
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
COMMAND, MODE, MAX_LENGTH, MASK, FLAGS = range(1, 6)  # attributes of a queue
BIND, HEADERS_ONLY = 1, 1
FAIL_OPEN, GSO = 1, 4  # accept packets if the queue is full; do not segment packets
VERDICT_HEADER, ACCEPT = 2, 1
QUEUE_LENGTH = 1 << 14  # packets
BUFFER_SIZE = 1 << 16  # bytes


class Queues:
    """The queues of this network namespace, read by the running loop.

    A queue stays open, because closing it would lose the packets that wait in it.
    """

    def __init__(self) -> None:
        self._open = dict[int, socket.socket]()

    def open(self, numbers: Iterable[int]) -> None:
        """Raises OSError: not supported by the kernel, no permission, or a queue is used by another process."""
        for number in set(numbers) - self._open.keys():
            self._open[number] = queue = _bind(number)
            asyncio.get_running_loop().add_reader(queue, partial(_schedule_packets, queue, number))


def _bind(number: int) -> socket.socket:
    queue = socket.socket(socket.AF_NETLINK, socket.SOCK_RAW, NETLINK_NETFILTER)
    flags = FAIL_OPEN | GSO
    try:
        for setting in (
            _attribute(COMMAND, ">BxH", BIND, 0),
            _attribute(MODE, ">IB", 0, HEADERS_ONLY),
            _attribute(MAX_LENGTH, ">I", QUEUE_LENGTH),
            _attribute(MASK, ">I", flags) + _attribute(FLAGS, ">I", flags),
        ):
            queue.send(_message(CONFIG, number, setting, ACKNOWLEDGE))
            if error := -struct.unpack_from("=i", queue.recv(BUFFER_SIZE), 16)[0]:
                raise OSError(error, os.strerror(error))
    except OSError:
        queue.close()
        raise
    queue.setblocking(False)
    return queue


def _schedule_packets(queue: socket.socket, number: int) -> None:
    """Read all packets in the queue and release each one after its delay."""
    while True:
        try:
            message = queue.recv(BUFFER_SIZE)
        except OSError:  # the queue is empty, or the buffer overflowed and the kernel accepted the packet
            return
        if struct.unpack_from("=H", message, 4)[0] == PACKET:
            packet_id = struct.unpack_from(">I", message, 24)[0]  # from the header, the first attribute
            verdict = _message(VERDICT, number, _attribute(VERDICT_HEADER, ">II", ACCEPT, packet_id))
            asyncio.get_running_loop().call_later(number / 1000, queue.send, verdict)


def _message(kind: int, number: int, attributes: bytes, flags: int = 0) -> bytes:
    return struct.pack("=IHHIIBB", 20 + len(attributes), kind, REQUEST | flags, 0, 0, 0, 0) + (
        struct.pack(">H", number) + attributes
    )


def _attribute(kind: int, form: str, *values: int) -> bytes:
    """An attribute, padded to 4 bytes."""
    value = struct.pack(form, *values)
    return struct.pack("=HH", 4 + len(value), kind) + value + bytes(-len(value) % 4)
