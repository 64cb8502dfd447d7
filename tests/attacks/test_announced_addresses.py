"""A peer announces addresses of other hosts, to have the IPFS nodes of all peers connect to them."""

import asyncio
from ipaddress import IPv4Network
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from tests.adapters.kubo_nodes import IPFS

from learnae.adapters.ipfs_keys import create_identity, create_swarm_key
from learnae.adapters.kubo import Kubo
from learnae.adapters.kubo.dialing import DialPolicy
from learnae.adapters.kubo.process import kubo_config, kubo_process, outside
from learnae.adapters.memory import keys
from learnae.errors import BadMessage, PortError, Reason
from learnae.messages.multiaddr import Multiaddr
from learnae.messages.wire import MAX_ADDRESSES, cid_of, decode, encode
from learnae.protocol.events import ModelAnnouncement
from learnae.protocol.types import ModelRef, Weights
from learnae.runtime.live_process import connected

MALLORY, BOB, CAT = (keys(name)[0] for name in ("mallory", "bob", "cat"))
BOBS, MALLORYS = f"/ip4/10.200.1.10/tcp/4001/p2p/{BOB}", f"/ip4/10.200.1.11/tcp/4001/p2p/{MALLORY}"
TARGETS = {
    "its own RPC": "/ip4/127.0.0.1/tcp/5001",
    "loopback of IPv6": "/ip6/::1/tcp/5001",
    "the metadata of a cloud": "/ip4/169.254.169.254/tcp/80",
    "a link-local host": "/ip6/fe80::1/tcp/22",
    "a host of the LAN": "/ip4/192.168.1.1/tcp/22",
    "a host of the Internet": "/ip4/198.51.100.7/tcp/25",
    "any host": "/ip4/0.0.0.0/tcp/4001",
    "everybody": "/ip4/224.0.0.1/tcp/4001",
    "another port of its pod": "/ip4/10.200.1.11/tcp/22",
    "the chain of the swarm": "/ip4/10.200.1.2/tcp/8545",
    "the node of another peer": "/ip4/10.200.1.10/tcp/4001",
    "loopback in IPv6": "/ip6/::ffff:7f00:1/tcp/5001",
}


class RecordingNode:
    """A Kubo node that has no block and records what it is asked to dial."""

    def __init__(self) -> None:
        self.dialled: list[str] = []
        self.swarm = self

    async def connect(self, addresses: list[str]) -> dict[str, object]:
        self.dialled += addresses
        return {}


def dialled(policy: DialPolicy, *hints: str) -> list[str]:
    node = RecordingNode()
    client: Any = SimpleNamespace(swarm=node)
    kubo = Kubo(client, CAT, 1.0)
    kubo.dialling = policy
    asyncio.run(kubo.dial(hints))
    return node.dialled


def announced(*addresses: str) -> bytes:
    weights = Weights(cid_of(b"model"), "ab" * 32)
    return encode(ModelAnnouncement(cid_of(b"session"), ModelRef(MALLORY, 1, weights), addresses))


@pytest.mark.real
def test_a_node_of_a_swarm_dials_nothing_outside_of_it_even_if_told_to(tmp_path: Path) -> None:
    """Such as by the DHT of a large swarm."""
    if not IPFS.exists():
        pytest.skip("Kubo is not there: make tools")
    (own, other), key = (create_identity(), create_identity()), create_swarm_key()
    config = kubo_config(own.peer_id, own.key, {})
    config["Swarm"]["AddrFilters"] = outside(IPv4Network("127.0.0.1/32"))

    async def story() -> None:
        async with (
            kubo_process(str(IPFS), tmp_path / "own", config, key) as url,
            kubo_process(str(IPFS), tmp_path / "other", kubo_config(other.peer_id, other.key, {}), key) as others,
        ):
            kubo, theirs = await connected(url, 0.0), await connected(others, 0.0)
            kubo.dialling = DialPolicy.of({}, ["127.0.0.0/8"])
            port = Multiaddr.parse((await theirs.addresses())[0]).port
            cid = await theirs.put(b"model")
            kubo.call_timeout, kubo.fetch_timeout = 1.0, 2.0
            with pytest.raises(PortError):
                await kubo.get(cid, (f"/ip4/127.0.0.2/tcp/{port}/p2p/{other.peer_id}",))
            kubo.call_timeout, kubo.fetch_timeout = 20.0, 60.0  # on a machine that is busy
            assert await kubo.get(cid, (f"/ip4/127.0.0.1/tcp/{port}/p2p/{other.peer_id}",)) == b"model"
            await kubo.close()
            await theirs.close()

    asyncio.run(story())


DECLARED = DialPolicy.of({BOB: [BOBS], MALLORY: [MALLORYS], CAT: []}, [])


@pytest.mark.parametrize("target", TARGETS.values(), ids=TARGETS)
def test_an_address_that_the_roster_does_not_declare_is_not_dialled(target: str) -> None:
    assert dialled(DECLARED, f"{target}/p2p/{MALLORY}", f"{target}/p2p/{CAT}", MALLORYS) == [MALLORYS]


@pytest.mark.parametrize("target", [target for name, target in TARGETS.items() if "pod" not in name])
def test_an_address_outside_the_networks_of_the_session_is_not_dialled(target: str) -> None:
    policy = DialPolicy.of({BOB: [BOBS]}, ["10.9.0.0/16"])
    own = f"/ip4/10.9.1.1/tcp/4001/p2p/{MALLORY}"
    assert dialled(policy, f"{target}/p2p/{MALLORY}", own) == [own]


def test_without_a_policy_nothing_is_dialled() -> None:
    assert dialled(DialPolicy(), BOBS, MALLORYS) == []


@pytest.mark.parametrize(
    "addresses",
    [
        [BOBS],
        [f"/dns4/localhost/tcp/5001/p2p/{MALLORY}"],
        [f"/ip4/127.0.0.1/tcp/5001/http/p2p/{MALLORY}"],
        [f"/ip4/10.200.1.10/tcp/4001/p2p/{BOB}/p2p-circuit/p2p/{MALLORY}"],
        [MALLORYS] * (MAX_ADDRESSES + 1),
    ],
)
def test_an_announcement_with_other_addresses_than_its_senders_is_dropped(addresses: list[str]) -> None:
    with pytest.raises(BadMessage) as raised:
        decode(announced(*addresses))
    assert raised.value.reason is Reason.MALFORMED
