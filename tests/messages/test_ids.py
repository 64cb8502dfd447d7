"""IPFS ids and the keys in them."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from learnae.messages.ids import (
    BASE58,
    CID_PREFIX,
    base64url,
    cid_from_bytes,
    cid_to_bytes,
    cids_from_bytes,
    cids_from_calldata,
    cids_to_bytes,
    from_base64url,
    peer_id,
    public_key,
)
from learnae.protocol.types import PeerId

KNOWN = PeerId("12D3KooWD3eckifWpRn9wQpMG9R9hX3sD158z7EqHWmweQAJU5SA")  # from libp2p's documentation


@given(st.binary(min_size=32, max_size=32))
def test_every_key_comes_back_from_its_id(key: bytes) -> None:
    peer = peer_id(key)
    assert peer.startswith("12D3KooW") and len(peer) == 52
    assert public_key(peer) == key


def test_an_id_as_libp2p_writes_it_is_read() -> None:
    assert peer_id(public_key(KNOWN)) == KNOWN


@given(st.text(alphabet=BASE58, max_size=80) | st.text(max_size=60))
def test_what_is_no_id_has_no_key(text: str) -> None:
    if not (text.startswith("12D3KooW") and len(text) == 52):
        with pytest.raises(ValueError):
            public_key(PeerId(text))


@pytest.mark.parametrize("peer", ["", "1", KNOWN[:-1], KNOWN + "1", "1" + KNOWN, "Q" + KNOWN[1:], KNOWN[:-1] + "0"])
def test_an_id_that_was_damaged_is_refused(peer: str) -> None:
    with pytest.raises(ValueError):
        public_key(PeerId(peer))


@pytest.mark.parametrize("size", [0, 31, 33])
def test_a_key_of_another_length_has_no_id(size: int) -> None:
    with pytest.raises(ValueError):
        peer_id(bytes(size))


@given(st.binary(min_size=36, max_size=36))
def test_the_bytes_of_a_cid_come_back_from_its_text(binary: bytes) -> None:
    assert cid_to_bytes(cid_from_bytes(binary)) == binary


@given(st.lists(st.binary(min_size=32, max_size=32), max_size=5))
def test_the_models_of_a_payment_come_back_from_its_calldata(digests: list[bytes]) -> None:
    cids = tuple(cid_from_bytes(CID_PREFIX + digest) for digest in digests)
    assert cids_from_bytes(cids_to_bytes(cids)) == cids


@pytest.mark.parametrize("binary", [b"x", bytes(36), CID_PREFIX + bytes(31), CID_PREFIX + bytes(33)])
def test_calldata_that_is_not_made_of_cids_names_no_models(binary: bytes) -> None:
    with pytest.raises(ValueError):
        cids_from_bytes(binary)


def test_a_transfer_pays_for_the_models_in_its_calldata_and_else_for_none() -> None:
    cids = tuple(cid_from_bytes(CID_PREFIX + bytes([number]) * 32) for number in range(2))
    assert cids_from_calldata("0x" + cids_to_bytes(cids).hex()) == cids
    assert cids_from_calldata("0x" + " ".join(cids).encode().hex()) == cids
    for nothing in (b"", b"hello", b"\xff", cids_to_bytes(cids)[:-1], " ".join((*cids, "hello")).encode()):
        assert cids_from_calldata("0x" + nothing.hex()) == ()


@given(st.binary(max_size=80))
def test_bytes_come_back_from_their_text(data: bytes) -> None:
    assert from_base64url(base64url(data)) == data


@pytest.mark.parametrize("text", ["", "zAAAA", "AAAA", "u\u00e4", "uAAAAA"])
def test_what_is_no_base64url_is_refused(text: str) -> None:
    with pytest.raises(ValueError):
        from_base64url(text)
