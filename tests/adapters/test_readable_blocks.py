"""Plain blocks of a session in memory whose models are sealed: kept once, read only by those who have opened them."""

import random

import pytest

from learnae.adapters.memory import now
from learnae.adapters.memory_network import MemoryNet, MemoryStore, MemorySwarm, ReadableBlocks
from learnae.messages.wire import cid_of

PLAIN, PUBLIC = b"plain weights", b"initial weights"
CID = cid_of(PLAIN)


def blocks(*names: str) -> tuple[MemorySwarm, list[ReadableBlocks]]:
    swarm = MemorySwarm(MemoryNet(random.Random(1)))
    return swarm, [ReadableBlocks(swarm, name) for name in names]


def test_a_plain_block_is_read_by_those_alone_who_have_it() -> None:
    swarm, (ann, bob) = blocks("ann", "bob")
    ann[CID] = PLAIN
    assert (CID in ann, CID in bob, list(bob), len(ann)) == (True, False, [], 1)
    with pytest.raises(KeyError):
        bob[CID]
    bob[CID] = PLAIN
    assert bob[CID] is ann[CID] is swarm.blocks[CID]
    del bob[CID]
    assert CID in ann and CID not in bob


def test_what_stores_serve_is_read_by_all() -> None:
    swarm, (ann, bob) = blocks("ann", "bob")
    cid = now(MemoryStore(swarm, "ann").put(PUBLIC))
    assert ann[cid] == bob[cid] == PUBLIC


def test_a_block_is_dropped_unless_another_peer_has_it() -> None:
    swarm, (ann, bob) = blocks("ann", "bob")
    ann[CID] = PLAIN
    bob[CID] = PLAIN
    swarm.drop_unread(CID, "ann")
    assert bob[CID] == PLAIN
    del bob[CID]
    swarm.drop_unread(CID, "ann")
    assert CID not in swarm.blocks and CID not in ann
