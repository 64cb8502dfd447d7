"""The cluster's DNS: answers for services and for the pods behind them, from the cluster's EndpointSlices.

python3 dns.py ADDRESS KUBECTL
"""

import json
import socket
import struct
import subprocess
import sys
import threading
from typing import Any

DOMAIN = ".svc.cluster.local"
HEADER = struct.Struct("!6H")
Addresses = dict[str, set[str]]


def addresses(slices: list[dict[str, Any]]) -> Addresses:
    """The IPv4 addresses behind each name."""
    result: Addresses = {}
    for item in slices:
        metadata, endpoints = item["metadata"], item["endpoints"] or []
        service = f"{metadata['labels']['kubernetes.io/service-name']}.{metadata['namespace']}{DOMAIN}"
        for endpoint in endpoints:
            names = [service, f"{endpoint['hostname']}.{service}"] if "hostname" in endpoint else [service]
            for name in names:
                result.setdefault(name, set()).update(endpoint["addresses"])
    return result


def answered(query: bytes, known: Addresses) -> bytes:
    labels, at = [], HEADER.size
    while query[at]:
        labels.append(query[at + 1 : at + 1 + query[at]].decode())
        at += 1 + query[at]
    question, wanted = query[HEADER.size : at + 5], struct.unpack("!H", query[at + 1 : at + 3])[0]
    found = known.get(".".join(labels).lower(), set())
    records = sorted(found) if wanted == 1 else []
    status = 0x8580 if found else 0x8583  # an answer, or no such name
    body = b"".join(b"\xc0\x0c" + struct.pack("!HHIH", 1, 1, 1, 4) + socket.inet_aton(each) for each in records)
    return HEADER.pack(*struct.unpack("!H", query[:2]), status, 1, len(records), 0, 0) + question + body


def follow(kubectl: str, known: Addresses) -> None:
    while True:
        command = [kubectl, "get", "endpointslices", "-A", "-o", "json"]
        listed = subprocess.run(command, capture_output=True, check=False)
        if not listed.returncode:
            current = addresses(json.loads(listed.stdout)["items"])
            known.clear()
            known.update(current)
        threading.Event().wait(0.5)


if __name__ == "__main__":
    shared: Addresses = {}
    threading.Thread(target=follow, args=(sys.argv[2], shared), daemon=True).start()
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as server:
        server.bind((sys.argv[1], 53))
        while True:
            packet, sender = server.recvfrom(4096)
            server.sendto(answered(packet, dict(shared)), sender)
