"""Which announced addresses a node may dial.  An announcement names them, so otherwise any peer could make the node of
every other peer connect to a host and port of its choice.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from ipaddress import IPv4Network, ip_network

from learnae.messages.multiaddr import Multiaddr
from learnae.protocol.types import PeerId


@dataclass(frozen=True)
class DialPolicy:
    """``declared``: multiaddrs by peer.  ``networks``: where the nodes of all peers may be.

    By default nothing is dialled, which loses nothing where the nodes are connected already.
    """

    declared: Mapping[PeerId, frozenset[str]] = field(default_factory=dict)
    networks: tuple[IPv4Network, ...] = ()

    @staticmethod
    def of(declared: Mapping[PeerId, Iterable[str]], networks: Iterable[str]) -> "DialPolicy":
        return DialPolicy(
            {peer: frozenset(addresses) for peer, addresses in declared.items()},
            tuple(network for text in networks if isinstance(network := ip_network(text, strict=False), IPv4Network)),
        )

    def permits(self, text: str) -> bool:
        try:
            address = Multiaddr.parse(text)
        except ValueError:
            return False
        if text in self.declared.get(address.peer, ()):
            return True
        return any(address.host in network for network in self.networks)
