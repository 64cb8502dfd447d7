"""Addresses of IPFS nodes, as peers announce them: ``/ip4/10.0.0.2/tcp/4001/p2p/12D3KooW...``.  No other form is used.

Other forms could name a host that only the dialling machine can resolve, a relay, or another protocol.
"""

import re
from dataclasses import dataclass
from ipaddress import IPv4Address, IPv6Address, ip_address

from learnae.protocol.types import PeerId

PEER = r"[1-9A-HJ-NP-Za-km-z]{40,64}"
FORM = re.compile(rf"/ip([46])/([0-9a-f.:]{{2,45}})/tcp/([1-9][0-9]{{0,4}})/p2p/({PEER})")


@dataclass(frozen=True, slots=True)
class Multiaddr:
    """A TCP port of a host, and the id of the node that is expected there."""

    host: IPv4Address | IPv6Address
    port: int
    peer: PeerId

    @staticmethod
    def parse(text: str) -> "Multiaddr":
        """Raises ValueError: another form, or another spelling of the same address."""
        match = FORM.fullmatch(text)
        if not match:
            raise ValueError("not /ip4/HOST/tcp/PORT/p2p/PEER")
        version, host, port, peer = match.groups()
        address = Multiaddr(ip_address(host), int(port), PeerId(peer))
        if str(address) != text or address.host.version != int(version) or address.port > 65535:
            raise ValueError("not an address")
        return address

    def __str__(self) -> str:
        return f"/ip{self.host.version}/{self.host}/tcp/{self.port}/p2p/{self.peer}"
