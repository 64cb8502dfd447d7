"""Signatures of sensors and IPFS nodes are verified by the id of their key."""

from learnae.ed25519 import SensorKey, verify, verify_text
from learnae.messages.ids import base64url
from learnae.messages.wire import SIGNING_PREFIX
from learnae.protocol.types import PeerId

KEY, OTHER = SensorKey.from_secret(bytes(32)), SensorKey.from_secret(bytes([1] * 32))


def test_a_signature_holds_for_one_key_and_one_message() -> None:
    signed = KEY.sign(b"message")
    assert verify(KEY.peer, b"message", signed)
    assert not verify(OTHER.peer, b"message", signed)
    assert not verify(KEY.peer, b"another", signed)
    assert not verify(KEY.peer, b"message", signed[:-1])
    assert not verify(PeerId("nobody"), b"message", signed)


def test_only_the_text_that_an_ipfs_node_writes_is_accepted() -> None:
    text = base64url(KEY.sign(SIGNING_PREFIX + b"message"))
    assert verify_text(KEY.peer, b"message", text)
    for other in (text + "=", text + "\n", text[1:], "", base64url(KEY.sign(b"message")), "é"):
        assert not verify_text(KEY.peer, b"message", other)


def test_a_key_does_not_show_its_secret() -> None:
    assert repr(KEY) == f"SensorKey(peer='{KEY.peer}')"
