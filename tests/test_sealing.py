"""Sealed models: only those for whom a model is sealed can read it, and keys follow from secrets."""

from dataclasses import replace

import pytest

from learnae.errors import PortError, Reason
from learnae.messages.ids import base64url
from learnae.messages.wire import cid_of
from learnae.protocol.defence_types import SealedKey
from learnae.protocol.types import Cid, PeerId
from learnae.sealing import SealingKey

BLOCK = b"weights" * 100
CID = cid_of(BLOCK)
ANN, BOB, EVE = SealingKey("ann"), SealingKey("bob"), SealingKey("eve")
BOB_ID, EVE_ID = PeerId("bob"), PeerId("eve")


def sealed_for_bob(creator: SealingKey = ANN) -> SealedKey:
    key = creator.seal(CID, {CID: BLOCK}, ((BOB_ID, BOB.public),)).key_of(BOB_ID)
    assert key
    return key


def refusal(reader: SealingKey, encrypted: bytes, key: SealedKey, cid: Cid = CID) -> Reason:
    with pytest.raises(PortError) as caught:
        reader.decrypt(cid, encrypted, key)
    return caught.value.reason


def test_whom_a_model_is_sealed_for_reads_it() -> None:
    encrypted = ANN.encrypt(CID, BLOCK)
    assert b"weights" not in encrypted and sealed_for_bob().cid == cid_of(encrypted)
    assert BOB.decrypt(CID, encrypted, sealed_for_bob()) == BLOCK


def test_nobody_else_reads_it() -> None:
    sealing = ANN.seal(CID, {CID: BLOCK}, ((BOB_ID, BOB.public),))
    assert sealing.key_of(EVE_ID) is None
    assert refusal(EVE, ANN.encrypt(CID, BLOCK), sealed_for_bob()) is Reason.SEAL


def test_a_key_opens_one_model_only() -> None:
    other = BLOCK + b"2"
    assert refusal(BOB, ANN.encrypt(cid_of(other), other), sealed_for_bob(), cid_of(other)) is Reason.SEAL


def test_what_does_not_open_is_the_fault_of_its_creator() -> None:
    encrypted, key = ANN.encrypt(CID, BLOCK), sealed_for_bob()
    assert refusal(BOB, encrypted[:-1], key) is Reason.SEAL
    assert refusal(BOB, b"", key) is Reason.SEAL
    assert refusal(BOB, encrypted, replace(key, creator_key=EVE.public)) is Reason.SEAL
    assert refusal(BOB, encrypted, replace(key, creator_key=base64url(bytes(32)))) is Reason.SEAL  # of small order
    assert refusal(BOB, encrypted, replace(key, wrapped=base64url(bytes(24)))) is Reason.SEAL


def test_a_block_that_is_not_the_announced_one_is_refused_although_it_opens() -> None:
    """The creator encrypts something else under the announced CID."""
    assert refusal(BOB, ANN.encrypt(CID, b"something else"), sealed_for_bob()) is Reason.SEAL


def test_a_peer_that_restarts_seals_and_opens_as_before() -> None:
    again, bob = SealingKey("ann"), SealingKey("bob")
    assert again.encrypt(CID, BLOCK) == ANN.encrypt(CID, BLOCK)
    assert sealed_for_bob(again) == sealed_for_bob()
    assert bob.decrypt(CID, ANN.encrypt(CID, BLOCK), sealed_for_bob()) == BLOCK


def test_peers_with_other_secrets_encrypt_the_same_block_to_other_bytes() -> None:
    assert ANN.encrypt(CID, BLOCK) != BOB.encrypt(CID, BLOCK)


def test_a_reader_whose_key_is_none_costs_the_others_nothing() -> None:
    readers = ((PeerId("a"), base64url(bytes(32))), (BOB_ID, BOB.public), (PeerId("c"), "nonsense"))
    assert [peer for peer, _ in ANN.seal(CID, {CID: BLOCK}, readers).keys] == [BOB_ID]
