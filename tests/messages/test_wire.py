"""Messages between peers: what comes back is what was sent, and whatever else arrives is a BadMessage."""

import json
import random
from collections.abc import Callable
from dataclasses import replace
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from learnae.errors import BadMessage, Reason
from learnae.messages.multiaddr import Multiaddr
from learnae.messages.wire import (
    MAX_ADDRESSES,
    MAX_MESSAGE,
    MAX_READERS,
    MAX_STEP,
    cid_of,
    decode,
    encode,
    max_message,
    proof_text,
    rows_text,
    topic_of,
    topics,
)
from learnae.protocol.defence_types import Sealing
from learnae.protocol.events import Announcement, IdentityAnnouncement, ModelAnnouncement
from learnae.protocol.row_types import RowBlock, RowsAnnouncement
from learnae.protocol.settings import Access, DefenceSettings
from learnae.protocol.types import Address, Claim, ModelRef, Parents, PeerId, Poid, TxHash, Weights

SEALED = max_message(DefenceSettings(access=Access.SEALED))
SESSION, BLOCK = cid_of(b"a session"), cid_of(b"a model")
PEER, OTHER = (PeerId("12D3KooW" + letter * 44) for letter in "xy")
WALLET, CONTRACT = Address("0x" + "aB" * 20), Address("0x" + "12" * 20)
CLAIM = Claim(Poid(PEER, WALLET), CONTRACT, TxHash("0x" + "cd" * 32), "ef" * 32, "uSIGNATURE")
HINTS = (f"/ip4/10.0.0.7/tcp/4001/p2p/{PEER}", f"/ip6/fd00::7/tcp/4001/p2p/{PEER}")
IDENTITY = IdentityAnnouncement(SESSION, CLAIM, HINTS[:1])
MODEL = ModelAnnouncement(SESSION, ModelRef(PEER, 7, Weights(BLOCK, "ab" * 32)), HINTS)
ROWS = RowsAnnouncement(SESSION, RowBlock(PEER, 3, cid_of(b"rows")), "uSIGNATURE", HINTS[:1])
AVERAGE = replace(
    MODEL, model=replace(MODEL.model, parents=Parents((cid_of(b"own"), cid_of(b"remote")), (PEER, OTHER)))
)
BOTH = pytest.mark.parametrize(
    "announcement", [IDENTITY, MODEL, AVERAGE, ROWS], ids=["identity", "model", "average", "rows"]
)

hexadecimal, base58 = "0123456789abcdef", "123456789ABCDEFGHJKLMNPQRSTUVWXYZabcdefghijkmnopqrstuvwxyz"
base64 = "".join(map(chr, (*range(48, 58), *range(65, 91), *range(97, 123)))) + "-_"
visible = "".join(map(chr, range(33, 127)))


def text(alphabet: str, least: int, most: int) -> st.SearchStrategy[str]:
    return st.text(alphabet, min_size=least, max_size=most)


def keys(letters: int) -> st.SearchStrategy[str]:
    return text(base64, letters, letters).map("u".__add__)


cids = st.binary(max_size=8).map(cid_of)
peers = text(base58, 40, 64).map(PeerId)
accounts = text(hexadecimal + "ABCDEF", 40, 40).map(lambda digits: Address("0x" + digits))
hosts = st.ip_addresses().filter(lambda host: host.version == 4 or host.ipv4_mapped is None)  # spelt in two ways
claims = st.builds(
    Claim,
    st.builds(Poid, peers, accounts),
    accounts,
    text(hexadecimal, 64, 64).map(lambda digits: TxHash("0x" + digits)),
    text(hexadecimal, 64, 64),
    text(visible, 0, 200),
    st.just("") | keys(43),
)
models = st.builds(ModelRef, peers, st.integers(1, MAX_STEP - 1), st.builds(Weights, cids, text(hexadecimal, 32, 64)))


def hints(peer: PeerId) -> st.SearchStrategy[tuple[str, ...]]:
    addresses = st.builds(Multiaddr, hosts, st.integers(1, 65535), st.just(peer)).map(str)
    return st.lists(addresses, max_size=MAX_ADDRESSES).map(tuple)


readers = st.dictionaries(peers, keys(32), max_size=3).map(lambda found: tuple(sorted(found.items())))
sealings = st.builds(Sealing, cids, keys(43), readers)
announcements = st.builds(IdentityAnnouncement, cids, claims, peers.flatmap(hints)) | models.flatmap(
    lambda model: st.builds(ModelAnnouncement, cids, st.just(model), hints(model.creator), st.none() | sealings)
)


def test_a_cid_is_the_one_that_ipfs_gives() -> None:
    assert cid_of(b"hello world") == "bafkreifzjut3te2nhyekklss27nh3k72ysco7y32koao5eei66wof36n5e"


@given(announcements)
def test_whatever_is_announced_comes_back_equal(announcement: Announcement) -> None:
    assert decode(encode(announcement), SEALED) == announcement


@pytest.mark.parametrize("creators", [None, [], [PEER], [PEER, PEER, PEER], [PEER, 7], [PEER, "no peer"]])
def test_each_parent_has_a_creator(creators: object) -> None:
    with pytest.raises(BadMessage):
        decode(spoilt(AVERAGE, parent_creators=creators))


def test_the_longest_announcement_is_still_a_message() -> None:
    poid = Poid(PeerId("x" * 64), WALLET)
    addresses = (f"/ip6/{':'.join(['1234'] * 8)}/tcp/65535/p2p/{poid.peer}",) * MAX_ADDRESSES
    longest = replace(IDENTITY, claim=replace(CLAIM, poid=poid, signature="s" * 200), addresses=addresses)
    assert len(encode(longest)) <= MAX_MESSAGE
    assert decode(encode(longest)) == longest
    parents = Parents((BLOCK, BLOCK), (poid.peer, poid.peer))
    model = ModelRef(poid.peer, MAX_STEP - 1, Weights(BLOCK, "ab" * 32), parents)
    assert len(encode(ModelAnnouncement(SESSION, model, addresses))) <= MAX_MESSAGE


def test_a_model_that_is_sealed_for_all_whom_a_peer_knows_is_still_a_message_of_a_sealed_session() -> None:
    readers = {PeerId(f"{number:x>64}".replace("0", "z")): "u" + "k" * 32 for number in range(1, MAX_READERS + 1)}
    sealing = Sealing(BLOCK, "u" + "c" * 43, tuple(sorted(readers.items())))
    longest = encode(replace(AVERAGE, sealing=sealing))
    assert MAX_READERS * 90 < len(longest) <= SEALED and decode(longest, SEALED) == replace(AVERAGE, sealing=sealing)
    with pytest.raises(BadMessage, match=Reason.OVERSIZE):
        decode(longest)
    one_more = {**dict(sealing.keys), PEER: "u" + "k" * 32}
    with pytest.raises(BadMessage, match=Reason.MALFORMED):
        decode(encode(replace(MODEL, sealing=replace(sealing, keys=tuple(sorted(one_more.items()))))), SEALED)


@pytest.mark.parametrize(
    "change",
    [
        {"cid": "nonsense"},
        {"creator_key": "u"},
        {"keys": []},
        {"keys": {PEER: "u" + "k" * 31}},
        {"keys": {"nobody": "u" + "k" * 32}},
        {"more": 1},
    ],
    ids=str,
)
def test_a_seal_that_no_peer_writes_is_no_message(change: dict[str, object]) -> None:
    sealing = Sealing(BLOCK, "u" + "c" * 43, ((PEER, "u" + "k" * 32),))
    good = json.loads(encode(replace(MODEL, sealing=sealing)))
    with pytest.raises(BadMessage, match=Reason.MALFORMED):
        decode(json.dumps(good | {"sealing": good["sealing"] | change}, sort_keys=True, separators=(",", ":")).encode())


@pytest.mark.parametrize("sealing", [None, [], "sealed"])
def test_what_is_no_seal_is_no_message(sealing: object) -> None:
    body = json.loads(encode(MODEL)) | {"sealing": sealing}
    with pytest.raises(BadMessage, match=Reason.MALFORMED):
        decode(json.dumps(body, sort_keys=True, separators=(",", ":")).encode())


def test_what_is_announced_is_canonical_json() -> None:
    assert encode(MODEL) == (
        b'{"addresses":["%s","%s"],"cid":"%s","creator":"%s","digest":"%s","parent_creators":[],"parents":[],'
        b'"session":"%s","step":7,"type":"model","v":1}'
    ) % (*map(str.encode, HINTS), BLOCK.encode(), PEER.encode(), b"ab" * 32, SESSION.encode())


def test_a_proof_is_good_for_one_claim_on_one_chain_in_one_session_only() -> None:
    texts = {
        proof_text(CLAIM, SESSION, 31337, "0xgenesis"),
        proof_text(CLAIM, SESSION, 31337, "0xanother"),
        proof_text(CLAIM, SESSION, 1, "0xgenesis"),
        proof_text(CLAIM, BLOCK, 31337, "0xgenesis"),
        proof_text(replace(CLAIM, contract=WALLET), SESSION, 31337, "0xgenesis"),
        proof_text(replace(CLAIM, validation="00" * 32), SESSION, 31337, "0xgenesis"),
        proof_text(replace(CLAIM, sealing_key="u" + "k" * 43), SESSION, 31337, "0xgenesis"),
        proof_text(replace(CLAIM, poid=Poid(PEER, CONTRACT)), SESSION, 31337, "0xgenesis"),
        proof_text(replace(CLAIM, poid=Poid(PeerId("y" * 50), WALLET)), SESSION, 31337, "0xgenesis"),
    }
    assert len(texts) == 9


def test_a_session_has_topics_of_its_own() -> None:
    assert topics(SESSION) == tuple(f"learnae/1/{SESSION}/{kind}" for kind in ("identity", "model", "rows"))


def test_each_kind_of_announcement_has_its_topic() -> None:
    assert (topic_of(IDENTITY), topic_of(MODEL), topic_of(ROWS)) == topics(SESSION)


def test_a_signature_of_rows_is_good_for_one_block_of_one_creator_in_one_session_only() -> None:
    rows = ROWS.rows
    texts = {
        rows_text(SESSION, rows),
        rows_text(BLOCK, rows),
        rows_text(SESSION, replace(rows, number=4)),
        rows_text(SESSION, replace(rows, cid=BLOCK)),
        rows_text(SESSION, replace(rows, creator=PeerId("y" * 50))),
    }
    assert len(texts) == 5


@pytest.mark.parametrize("number", [0, -1, MAX_STEP, True, 1.0, "1", None])
def test_rows_have_a_number(number: Any) -> None:
    with pytest.raises(BadMessage):
        decode(spoilt(ROWS, number=number))


def spoilt(announcement: Announcement, **fields: Any) -> bytes:
    body = json.loads(encode(announcement)) | fields
    body = {key: value for key, value in body.items() if value is not ...}
    return json.dumps(body, sort_keys=True, separators=(",", ":")).encode()


FOREIGN = (
    *("/dns4/x/tcp/4001", "/dns4/x/tcp/4001/p2p/" + PEER, "/ip4/10.0.0.7/tcp/4001", "/ip4/10.0.0.7/udp/4001/quic-v1"),
    *("/ip4/10.0.0.7/tcp/0/p2p/" + PEER, "/ip4/10.0.0.7/tcp/65536/p2p/" + PEER, "/ip4/10.0.0.07/tcp/1/p2p/" + PEER),
    *("/ip4/10.0.0.256/tcp/1/p2p/" + PEER, "/ip4/fd00::7/tcp/1/p2p/" + PEER, "/ip6/10.0.0.7/tcp/1/p2p/" + PEER),
    *("/ip6/FD00::7/tcp/1/p2p/" + PEER, "/ip6/fd00:0::7/tcp/1/p2p/" + PEER, "/ip6/fe80::1%eth0/tcp/1/p2p/" + PEER),
    f"/ip4/10.0.0.7/tcp/4001/p2p/{PEER}/p2p-circuit/p2p/{PEER}",
)
MALFORMED: dict[str, bytes] = {
    "empty": b"",
    "no JSON": b"{",
    "no UTF-8": b"\xff\xfe\x00",
    "a list": b"[1]",
    "a number": b"1",
    "deep": b"[" * MAX_MESSAGE,
    "a long number": b'{"v":' + b"9" * 1500 + b"}",
    "spaces": encode(MODEL).replace(b",", b", "),
    "other order": json.dumps(dict(reversed(json.loads(encode(MODEL)).items())), separators=(",", ":")).encode(),
    "a key twice": encode(MODEL).replace(b'"v":1', b'"v":1,"v":1'),
    "an escape": encode(MODEL).replace(b"/ip6", b"\\/ip6"),
    "unknown field": spoilt(MODEL, extra=1),
    "unknown type": spoilt(MODEL, type="gradient"),
    "the other's type": spoilt(MODEL, type="identity"),
    "version 1.0": encode(MODEL).replace(b'"v":1', b'"v":1.0'),
    "no session": spoilt(MODEL, session=...),
    "another CID version": spoilt(MODEL, cid="Qm" + "x" * 44),
    "step 0": spoilt(MODEL, step=0),
    "step true": spoilt(MODEL, step=True),
    "step 1.0": spoilt(MODEL, step=1.0),
    "step NaN": encode(MODEL).replace(b'"step":7', b'"step":NaN'),
    "a large step": spoilt(MODEL, step=MAX_STEP),
    "a short creator": spoilt(MODEL, creator="12D3"),
    "a creator with 0": spoilt(MODEL, creator="0" * 52),
    "a digest in capitals": spoilt(MODEL, digest="AB" * 32),
    "addresses no list": spoilt(MODEL, addresses="/ip4"),
    "an address no text": spoilt(MODEL, addresses=[1]),
    "an address with a line break": spoilt(MODEL, addresses=["/ip4\n"]),
    "a long address": spoilt(MODEL, addresses=["x" * 201]),
    "too many addresses": spoilt(MODEL, addresses=HINTS[:1] * (MAX_ADDRESSES + 1)),
    "an address of another peer": spoilt(MODEL, addresses=[HINTS[0][:-1] + "y"]),
    **{address: spoilt(MODEL, addresses=[address]) for address in FOREIGN},
    "a wallet no address": spoilt(IDENTITY, wallet="0x12"),
    "a contract no address": spoilt(IDENTITY, contract=None),
    "a transaction no hash": spoilt(IDENTITY, tx="0xcd"),
    "a commitment of another length": spoilt(IDENTITY, validation="ef" * 33),
    "a commitment in capitals": spoilt(IDENTITY, validation="EF" * 32),
    "no commitment": spoilt(IDENTITY, validation=...),
    "a signature no text": spoilt(IDENTITY, signature=["s"]),
    "a peer with a line break": spoilt(IDENTITY, peer=PEER + "\n"),
}


@pytest.mark.parametrize("message", MALFORMED.values(), ids=MALFORMED)
def test_what_encode_could_not_have_written_is_malformed(message: bytes) -> None:
    with pytest.raises(BadMessage) as raised:
        decode(message)
    assert raised.value.reason in (Reason.MALFORMED, Reason.VERSION)


@pytest.mark.parametrize("version", [0, 2, "1", True, None, ...])
def test_another_version_is_named_as_such(version: object) -> None:
    with pytest.raises(BadMessage) as raised:
        decode(spoilt(MODEL, v=version))
    assert raised.value.reason is Reason.VERSION


def test_an_overlong_message_is_not_even_parsed() -> None:
    with pytest.raises(BadMessage) as raised:
        decode(b" " * (MAX_MESSAGE + 1))
    assert raised.value.reason is Reason.OVERSIZE


def flip(message: bytes, dice: random.Random) -> bytes:
    place = dice.randrange(len(message))
    return message[:place] + bytes([dice.randrange(256)]) + message[place + 1 :]


def cut(message: bytes, dice: random.Random) -> bytes:
    start, end = sorted(dice.randrange(len(message) + 1) for _ in range(2))
    return message[:start] + message[end:]


def double(message: bytes, dice: random.Random) -> bytes:
    start, end = sorted(dice.randrange(len(message) + 1) for _ in range(2))
    return message[:end] + message[start:]


def swap(message: bytes, dice: random.Random) -> bytes:
    body = json.loads(message)
    one, other = dice.sample(sorted(body), 2)
    body[one], body[other] = body[other], body[one]
    return json.dumps(body, sort_keys=True, separators=(",", ":")).encode()


@BOTH
@pytest.mark.parametrize("mutate", [flip, cut, double, swap], ids=lambda mutate: mutate.__name__)
def test_no_mutated_message_does_worse_than_bad_message(
    announcement: Announcement, mutate: Callable[[bytes, random.Random], bytes]
) -> None:
    dice, message = random.Random(f"{mutate.__name__} {announcement}"), encode(announcement)
    for _ in range(1000):
        mutant = mutate(message, dice)
        try:
            assert encode(decode(mutant)) == mutant
        except BadMessage:
            pass


@given(st.binary(max_size=300))
def test_no_bytes_do_worse_than_bad_message(message: bytes) -> None:
    with pytest.raises(BadMessage):
        decode(message)


@pytest.mark.parametrize("parents", [None, "", [BLOCK], [BLOCK, BLOCK, BLOCK], [BLOCK, 7], [BLOCK, "no CID"], {}])
def test_an_average_has_two_parents(parents: object) -> None:
    with pytest.raises(BadMessage) as failure:
        decode(spoilt(AVERAGE, parents=parents))
    assert failure.value.reason is Reason.MALFORMED
