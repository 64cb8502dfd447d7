"""Calls of the fee pool (``contracts/FeePool.sol``) as calldata, and its state as it returns it.  Pure.

encode_call(Withdrawal())          # b"\\x3c\\xcf\\xd6\\x0b"
decode_call(data, wei)             # the call; ValueError if it is none
"""

from typing import assert_never

from learnae.protocol.blockchain import Deposit, PoolCall, PoolState, Report, Withdrawal
from learnae.protocol.types import Address, Wei

# The first four bytes of the hash of each function's signature.
DEPOSIT = bytes.fromhex("f340fa01")  # deposit(address)
REPORT = bytes.fromhex("9f3bfb9a")  # report(uint256[])
WITHDRAW = bytes.fromhex("3ccfd60b")  # withdraw()
GET_STATE = bytes.fromhex("1865c57d")  # getState()
WORD = 32  # bytes


def encode_call(call: PoolCall) -> bytes:
    match call:
        case Deposit(contract=contract):
            return DEPOSIT + _word(int(contract, 16))
        case Report(shares=shares):
            entries = (_word(share << 160 | int(wallet, 16)) for wallet, share in shares)
            return REPORT + _word(WORD) + _word(len(shares)) + b"".join(entries)
        case Withdrawal():
            return WITHDRAW
        case _:
            assert_never(call)


def decode_call(data: bytes, wei: Wei) -> PoolCall:
    """``wei``: that was sent along.  Raises ValueError: not what ``encode_call`` returns."""
    selector, words = data[:4], _numbers(data[4:])
    call: PoolCall
    if selector == DEPOSIT and len(words) == 1:
        call = Deposit(_address(words[0]), wei)
    elif selector == REPORT and len(words) >= 2:
        call = Report(tuple((_address(word), word >> 160) for word in words[2:]))
    else:
        call = Withdrawal()
    if encode_call(call) != data:
        raise ValueError("not a call of the fee pool")
    return call


def decode_state(returned: bytes) -> PoolState:
    """What ``getState`` returns.  Raises ValueError."""
    words = _numbers(returned)
    count = (len(words) - 6) // 2
    head = [4 * WORD, (5 + count) * WORD]
    if count < 0 or len(words) % 2 or words[1] > 1 or words[2:4] != head or {words[4], words[5 + count]} != {count}:
        raise ValueError("not the state of a fee pool")
    wallets, contracts = words[5 : 5 + count], words[6 + count :]
    return PoolState(words[0], bool(words[1]), tuple(map(_address, wallets)), tuple(map(_address, contracts)))


def _word(number: int) -> bytes:
    return number.to_bytes(WORD)


def _numbers(data: bytes) -> list[int]:
    if len(data) % WORD:
        raise ValueError("not in words of 32 bytes")
    return [int.from_bytes(data[at : at + WORD]) for at in range(0, len(data), WORD)]


def _address(word: int) -> Address:
    return Address(f"0x{word % 2**160:040x}")
