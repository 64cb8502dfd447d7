"""The suite of ``ports.IdentityKey``.  An implementation supplies the fixture ``world``: two keys."""

import re
from collections.abc import Coroutine
from typing import Any, Protocol, TypeVar

import pytest

from learnae.messages.multiaddr import PEER
from learnae.messages.wire import TEXT
from learnae.ports import IdentityKey
from learnae.protocol.types import PeerId

T = TypeVar("T")


class KeyWorld(Protocol):
    mine: IdentityKey
    theirs: IdentityKey

    def wait(self, coroutine: Coroutine[Any, Any, T]) -> T: ...


class IdentityKeySuite:
    def test_anybody_can_verify_a_signature(self, world: KeyWorld) -> None:
        signature = world.wait(world.mine.sign(b"claim"))
        assert world.mine.verify(world.mine.peer_id, b"claim", signature)
        assert world.theirs.verify(world.mine.peer_id, b"claim", signature)

    def test_a_signature_is_good_for_one_message(self, world: KeyWorld) -> None:
        assert not world.theirs.verify(world.mine.peer_id, b"another", world.wait(world.mine.sign(b"claim")))

    def test_a_signature_is_good_for_one_peer(self, world: KeyWorld) -> None:
        assert not world.mine.verify(world.theirs.peer_id, b"claim", world.wait(world.mine.sign(b"claim")))

    @pytest.mark.parametrize("garbage", ["", "x", "0" * 64, "u!!", "\N{SNOWMAN}"])
    def test_garbage_is_no_signature_and_no_error(self, world: KeyWorld, garbage: str) -> None:
        assert not world.mine.verify(world.mine.peer_id, b"claim", garbage)

    @pytest.mark.parametrize("stranger", ["", "12D3KooW", "1" * 52])
    def test_whoever_has_no_key_has_signed_nothing(self, world: KeyWorld, stranger: str) -> None:
        assert not world.mine.verify(PeerId(stranger), b"claim", world.wait(world.mine.sign(b"claim")))

    def test_ids_and_signatures_can_be_announced(self, world: KeyWorld) -> None:
        assert re.fullmatch(PEER, world.mine.peer_id)
        assert re.fullmatch(TEXT, world.wait(world.mine.sign(b"claim")))
        assert world.mine.peer_id != world.theirs.peer_id

    def test_signing_again_gives_the_same_signature(self, world: KeyWorld) -> None:
        """So that a claim announced after a rollback is the same claim."""
        assert world.wait(world.mine.sign(b"claim")) == world.wait(world.mine.sign(b"claim"))
