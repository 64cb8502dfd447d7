"""The suite of ``ports.Store``.  An implementation supplies the fixture ``world``: three connected stores."""

import hashlib
from collections.abc import Coroutine
from typing import Any, Protocol, TypeVar

import pytest

from learnae.errors import PortError, Reason
from learnae.messages.wire import MAX_BLOCK, cid_of
from learnae.ports import Store
from learnae.protocol.types import Cid

T = TypeVar("T")
ABSENT = (Reason.NOT_FOUND, Reason.UNREACHABLE, Reason.TIMEOUT)  # a network cannot always tell which


class StoreWorld(Protocol):
    stores: list[Store]  # three, each of another peer

    def leave(self, index: int) -> None:
        """This peer is gone, and its blocks with it."""
        ...

    def expect_absent(self) -> None:
        """What is asked for from now on may be nowhere: wait for it briefly."""
        ...

    def limit(self, size: int) -> None:
        """No block of the session is larger."""
        ...

    def wait(self, coroutine: Coroutine[Any, Any, T]) -> T: ...


class StoreSuite:
    def test_a_block_is_named_by_its_cid(self, world: StoreWorld) -> None:
        assert world.wait(world.stores[0].put(b"weights")) == cid_of(b"weights")

    def test_what_one_peer_put_another_gets(self, world: StoreWorld) -> None:
        cid = world.wait(world.stores[0].put(b"weights"))
        assert world.wait(world.stores[1].get(cid)) == b"weights"

    def test_putting_a_block_twice_is_putting_it_once(self, world: StoreWorld) -> None:
        once = world.wait(world.stores[0].put(b"weights"))
        assert world.wait(world.stores[0].put(b"weights")) == once
        assert world.wait(world.stores[0].get(once)) == b"weights"

    def test_a_block_nobody_has_is_an_error(self, world: StoreWorld) -> None:
        world.expect_absent()
        with pytest.raises(PortError) as failure:
            world.wait(world.stores[0].get(cid_of(b"nobody's")))
        assert failure.value.reason in ABSENT

    def test_a_block_may_have_one_mebibyte(self, world: StoreWorld) -> None:
        largest = bytes(MAX_BLOCK)
        cid = world.wait(world.stores[0].put(largest))
        assert world.wait(world.stores[1].get(cid)) == largest

    def test_a_model_of_many_blocks_is_named_by_its_cid_and_served_by_whoever_fetched_it(
        self, world: StoreWorld
    ) -> None:
        model = hashlib.shake_256(b"model").digest(3 * MAX_BLOCK + 100)
        cid = world.wait(world.stores[0].put(model))
        assert cid == cid_of(model)
        assert world.wait(world.stores[1].get(cid)) == model
        world.leave(0)
        assert world.wait(world.stores[2].get(cid)) == model

    @pytest.mark.parametrize("largest", [MAX_BLOCK, 2 * MAX_BLOCK])
    def test_a_block_larger_than_any_of_the_session_is_refused(self, world: StoreWorld, largest: int) -> None:
        cid = world.wait(world.stores[0].put(bytes(largest + 1)))
        world.limit(largest)
        for call in (world.stores[0].put(bytes(largest + 1)), world.stores[1].get(cid)):
            with pytest.raises(PortError) as failure:
                world.wait(call)
            assert failure.value.reason is Reason.OVERSIZE

    def test_a_block_of_a_peer_that_left_cannot_be_had(self, world: StoreWorld) -> None:
        cid = world.wait(world.stores[0].put(b"weights"))
        world.leave(0)
        world.expect_absent()
        with pytest.raises(PortError) as failure:
            world.wait(world.stores[1].get(cid))
        assert failure.value.reason in ABSENT

    def test_whoever_fetched_a_block_serves_it_when_its_creator_has_left(self, world: StoreWorld) -> None:
        cid = world.wait(world.stores[0].put(b"weights"))
        world.wait(world.stores[1].get(cid))
        world.leave(0)
        assert world.wait(world.stores[2].get(cid)) == b"weights"

    def test_what_a_peer_fetched_it_has_when_all_others_have_left(self, world: StoreWorld) -> None:
        cid: Cid = world.wait(world.stores[0].put(b"weights"))
        world.wait(world.stores[1].get(cid))
        world.leave(0)
        world.leave(2)
        assert world.wait(world.stores[1].get(cid)) == b"weights"

    def test_hints_that_lead_nowhere_do_no_harm(self, world: StoreWorld) -> None:
        cid = world.wait(world.stores[0].put(b"weights"))
        assert world.wait(world.stores[1].get(cid, ("/ip4/127.0.0.1/tcp/9",))) == b"weights"
