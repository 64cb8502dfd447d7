"""Ethereum transactions are encoded as EIP-1559 says, and come back as they were."""

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from learnae.messages.transaction import FIELDS, parse, rlp, signed, unsigned

# signed by eth-account 0.14 with the key 0x0101...01
TRANSFER = {
    "chainId": 31337, "nonce": 0, "maxPriorityFeePerGas": 1, "maxFeePerGas": 2, "gas": 30_000, "to": b"\1" * 20,
    "value": 1, "data": b"",
}  # fmt: skip
RAW = (
    "02f864827a698001028275309401010101010101010101010101010101010101010180c001a06f096cd89eacb577a29ed896"
    "e0cd24ff56b0c06ed911223ae7ff0a5a74f3d0a0a0233269e5f8c2d67f121e3084db79ad20ef29b7f3a015c5703dd3c40375"
    "6b8102"
)
SIGNATURE = (
    "6f096cd89eacb577a29ed896e0cd24ff56b0c06ed911223ae7ff0a5a74f3d0a0233269e5f8c2d67f121e3084db79ad20ef29"
    "b7f3a015c5703dd3c403756b810201"
)

numbers = st.integers(0, 2**256 - 1)
transactions = st.fixed_dictionaries(
    dict.fromkeys(FIELDS, numbers) | {"to": st.just(b"") | st.binary(min_size=20, max_size=20), "data": st.binary()}
)


def test_a_transaction_is_encoded_as_by_ethereums_own_libraries() -> None:
    assert signed(TRANSFER, bytes.fromhex(SIGNATURE)).hex() == RAW


@given(transactions, st.binary(min_size=64, max_size=64), st.integers(0, 1))
def test_what_was_signed_is_parsed_again(transaction: dict[str, Any], signature: bytes, parity: int) -> None:
    assert parse(signed(transaction, signature + bytes([parity]))) == transaction


@given(transactions, st.data())
def test_a_transaction_that_is_cut_off_is_refused(transaction: dict[str, Any], data: st.DataObject) -> None:
    raw = signed(transaction, b"\1" * 65)
    with pytest.raises(ValueError, match="not a|cut off"):
        parse(raw[: data.draw(st.integers(0, len(raw) - 1))])


@pytest.mark.parametrize("raw", [b"", b"\2", b"\1\xc0", b"\2\xc0", b"\2\xc1\x83", unsigned(TRANSFER)])
def test_other_bytes_are_no_transaction(raw: bytes) -> None:
    with pytest.raises(ValueError, match="transaction"):
        parse(raw)


def test_what_follows_a_transaction_is_refused() -> None:
    with pytest.raises(ValueError, match="not a signed transaction"):
        parse(bytes.fromhex(RAW) + b"\0")


@pytest.mark.parametrize(
    ("item", "encoded"),
    [
        (0, "80"),
        (127, "7f"),
        (128, "8180"),
        (b"\0", "00"),
        (b"dog", "83646f67"),
        ([b"cat", b"dog"], "c88363617483646f67"),
        ([[], [[]], [[], [[]]]], "c7c0c1c0c3c0c1c0"),
        (b"a" * 55, "b7" + "61" * 55),
        (b"a" * 56, "b838" + "61" * 56),
        ([b"a" * 1024], "f90403b90400" + "61" * 1024),
    ],
)
def test_the_examples_of_the_specification_hold(item: Any, encoded: str) -> None:
    assert rlp(item).hex() == encoded
