"""Calls of the fee pool as calldata: what was encoded is decoded, and nothing else is."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from learnae.messages.pool_calls import decode_call, decode_state, encode_call
from learnae.protocol.blockchain import Deposit, PoolCall, PoolState, Report, Withdrawal
from learnae.protocol.types import Address, Wei

FEE = Wei(7)
addresses = st.binary(min_size=20, max_size=20).map(lambda raw: Address("0x" + raw.hex()))
reports = st.lists(st.tuples(addresses, st.integers(0, 2**96 - 1)), max_size=5).map(lambda each: Report(tuple(each)))
calls = st.one_of(st.builds(Deposit, addresses, st.just(FEE)), reports, st.just(Withdrawal()))


@given(call=calls)
def test_what_was_encoded_is_decoded(call: PoolCall) -> None:
    assert decode_call(encode_call(call), FEE) == call


@given(call=calls, data=st.data())
def test_what_differs_in_one_byte_is_another_call_or_none(call: PoolCall, data: st.DataObject) -> None:
    changed = bytearray(encode_call(call))
    changed[data.draw(st.integers(0, len(changed) - 1))] ^= data.draw(st.integers(1, 255))
    try:
        assert decode_call(bytes(changed), FEE) != call
    except ValueError:
        pass


@pytest.mark.parametrize("data", [b"", b"\xff" * 4, encode_call(Withdrawal()) + b"\0", encode_call(Report(())) + b"\0"])
def test_what_is_no_call_is_refused(data: bytes) -> None:
    with pytest.raises(ValueError):
        decode_call(data, FEE)


def returned(deadline: int, complete: int, *members: int, offset: int = 128, more: int = 0) -> bytes:
    """Each member has a contract with twice the number of its wallet."""
    count = len(members)
    contracts = (count + more, *(2 * member for member in members))
    words = (deadline, complete, offset, 160 + 32 * count, count, *members, *contracts)
    return b"".join(word.to_bytes(32) for word in words)


def wallet(number: int) -> Address:
    return Address(f"0x{number:040x}")


def test_a_state_is_read_as_the_contract_returns_it() -> None:
    assert decode_state(returned(9, 1, 5)) == PoolState(9, True, (wallet(5),), (wallet(10),))
    state = PoolState(9, False, (wallet(1), wallet(2)), (wallet(2), wallet(4)))
    assert decode_state(returned(9, 0, 1, 2)) == state
    assert decode_state(returned(0, 0)) == PoolState(0, False, ())


@pytest.mark.parametrize(
    "data",
    [
        b"",
        returned(9, 2),
        returned(9, 1, offset=96),
        returned(9, 1, 5, more=1),
        returned(9, 1, 5)[:-32],
        returned(9, 1, 5)[:-1],
    ],
)
def test_what_is_no_state_is_refused(data: bytes) -> None:
    with pytest.raises(ValueError):
        decode_state(data)


def test_a_pool_is_closed_from_its_deadline_on_or_once_all_have_reported() -> None:
    assert [PoolState(9, False, ()).closed(at) for at in (8, 9)] == [False, True]
    assert PoolState(9, True, ()).closed(1) and not PoolState(0, False, ()).closed(10**10)
