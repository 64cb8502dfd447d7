"""Lists of chunks: named as IPFS names them, and refused unless some content has exactly this list."""

import hashlib

import pytest
from hypothesis import given
from hypothesis import strategies as st

from learnae.messages.chunk_list import CHUNK, MAX_LIST, ChunkList, list_cid, raw_cid
from learnae.messages.ids import LIST_PREFIX, cid_to_bytes, cids_from_bytes, cids_to_bytes
from learnae.messages.wire import MAX_BLOCK, MAX_MODEL, cid_of
from learnae.protocol.types import Cid

CONTENT = hashlib.shake_256(b"content").digest(2 * CHUNK + 100)
LIST = ChunkList.of(CONTENT)
CIDS = st.binary(max_size=8).map(raw_cid)


def test_content_over_1_mib_has_the_cid_that_ipfs_add_gives_it() -> None:
    """Kubo 0.43: ipfs add --cid-version=1 --raw-leaves --chunker=size-1048576."""
    assert cid_of(bytes(MAX_BLOCK)) == "bafkreibq4fevl27rgurgnxbp7adh42aqiyd6ouflxhj3gzmcxcxzbh6lla"
    assert cid_of(bytes(MAX_BLOCK + 1)) == "bafybeihd4yzq7n5umhjngdum4r6k2to7egxfkf2jz6thvwzf6djus22cmq"
    assert cid_of(CONTENT) == "bafybeid5auknqqczal7odev4g6lqed6qkuynv2cwjyyh5ilggtd5g7b26e"
    assert cid_of(bytes(MAX_MODEL)) == "bafybeiddb2fdwjucpixyky7spnksaakgyzodgfqj6yl6wj2zqmjwhc2unm"


def test_up_to_1_mib_content_is_one_raw_block() -> None:
    assert cid_of(CONTENT[:MAX_BLOCK]) == raw_cid(CONTENT[:MAX_BLOCK]) != cid_of(CONTENT[: MAX_BLOCK + 1])


@given(st.lists(CIDS, min_size=2, max_size=64), st.integers(1, CHUNK))
def test_a_list_comes_back_from_its_block(chunks: list[Cid], last: int) -> None:
    listed = ChunkList(CHUNK * (len(chunks) - 1) + last, tuple(chunks))
    assert ChunkList.parse(listed.block) == listed
    assert len(listed.block) <= MAX_LIST


def test_the_content_comes_back_from_its_chunks() -> None:
    chunks = [CONTENT[:CHUNK], CONTENT[CHUNK : 2 * CHUNK], CONTENT[2 * CHUNK :]]
    assert LIST.chunks == tuple(map(raw_cid, chunks)) and LIST.sizes == [CHUNK, CHUNK, 100]
    assert LIST.join(chunks) == CONTENT
    for wrong in (chunks[:2], [*chunks, b""], [chunks[0][:-1], chunks[1], chunks[2] + b"0"], chunks[::-1]):
        with pytest.raises(ValueError, match="a chunk has another size"):
            LIST.join(wrong)


def hostile_lists() -> dict[str, bytes]:
    block, chunks = LIST.block, LIST.chunks
    return {
        "nothing": b"",
        "cut off": block[:-1],
        "cut off within a link": block[:60],
        "cut off within a CID": block[:20],
        "cut off before a size": block[:43],
        "continued": block + b"\0",
        "one chunk": ChunkList(CHUNK, chunks[:1]).block,
        "an empty last chunk": ChunkList(CHUNK, chunks[:2]).block,
        "a last chunk of over 1 MiB": ChunkList(2 * CHUNK + 1, chunks[:2]).block,
        "another total size": block.replace(b"\x18\xe4\x80\x80\x01", b"\x18\xe5\x80\x80\x01"),
        "a size with an endless encoding": block.replace(b"\x18\x80\x80\x40", b"\x18\xff\xff\xff"),
        "a size with a longer encoding": block.replace(b"\x18\x64", b"\x18\xe4\x00"),
        "a small chunk in the middle": block.replace(b"\x18\x80\x80\x40", b"\x18\x80\x80\x20", 1),
        "a list within a list": block.replace(cid_to_bytes(chunks[1]), cid_to_bytes(list_cid(block))),
        "a chunk with a name": block.replace(b"\x12\x00\x18", b"\x12\x01\x18", 1),
        "a directory": block.replace(b"\x08\x02\x18", b"\x08\x01\x18"),
    }


@pytest.mark.parametrize("name", hostile_lists())
def test_what_is_the_list_of_no_content_is_refused(name: str) -> None:
    block = hostile_lists()[name]
    assert block != LIST.block
    with pytest.raises(ValueError):
        ChunkList.parse(block)


@given(st.binary(max_size=200), st.integers(0, 200))
def test_any_bytes_are_a_list_or_refused(noise: bytes, at: int) -> None:
    block = LIST.block[:at] + noise
    try:
        assert ChunkList.parse(block).block == block
    except ValueError:
        pass


def test_a_payment_can_name_large_and_small_models() -> None:
    cids = (cid_of(CONTENT), cid_of(b"small"))
    assert cid_to_bytes(cids[0]).startswith(LIST_PREFIX)
    assert cids_from_bytes(cids_to_bytes(cids)) == cids
