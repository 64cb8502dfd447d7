"""A wallet's key is in one file that its owner alone can read, and nowhere else."""

import json
import stat
from collections.abc import Callable
from pathlib import Path

import pytest
from eth_account import Account
from hypothesis import given
from hypothesis import strategies as st

from learnae.adapters.keystore import (
    ORDER,
    Wallet,
    create_wallet,
    load_wallet,
    require_checksum,
    resolve_url,
    resolve_wallet,
)
from learnae.errors import InputError

SECRET = bytes.fromhex("c0ffee" * 10 + "0042")
TRANSACTION = {
    "type": 2, "chainId": 31337, "nonce": 0, "to": b"\1" * 20, "value": 1, "gas": 30_000,
    "maxFeePerGas": 2, "maxPriorityFeePerGas": 1, "data": b"",
}  # fmt: skip


def test_a_wallet_comes_back_from_its_file(tmp_path: Path) -> None:
    made = create_wallet(tmp_path / "wallet")
    assert load_wallet(tmp_path / "wallet") == made
    assert load_wallet(tmp_path / "wallet").sign(TRANSACTION) == made.sign(TRANSACTION)


def test_a_url_is_told_as_it_is_or_kept_in_a_private_file(tmp_path: Path) -> None:
    told, kept = "https://node.example/key", tmp_path / "rpc"
    kept.write_text(f"{told}\n")
    kept.chmod(0o644)
    with pytest.raises(InputError, match="chmod 600"):
        resolve_url(str(kept))
    kept.chmod(0o600)
    assert resolve_url(told) == resolve_url(str(kept)) == told


def test_a_byte_order_mark_of_an_editor_is_ignored(tmp_path: Path) -> None:
    wallet = create_wallet(tmp_path / "wallet")
    (tmp_path / "wallet").write_bytes(b"\xef\xbb\xbf" + (tmp_path / "wallet").read_bytes())
    assert load_wallet(tmp_path / "wallet") == wallet


def test_each_wallet_is_another(tmp_path: Path) -> None:
    assert create_wallet(tmp_path / "1").address != create_wallet(tmp_path / "2").address


def test_what_it_signs_is_from_its_address() -> None:
    wallet = Wallet.from_key(SECRET)
    assert Account.recover_transaction(wallet.sign(TRANSACTION)).lower() == wallet.address


@given(
    key=st.binary(min_size=32, max_size=32).filter(lambda key: 0 < int.from_bytes(key) < ORDER),
    nonce=st.integers(0, 2**64 - 2),
    fee=st.integers(0, 2**80),
    value=st.integers(0, 2**128),
    to=st.sampled_from([b"", b"\1" * 20]),
    data=st.binary(max_size=300),
)
def test_it_signs_as_eth_account_does(key: bytes, nonce: int, fee: int, value: int, to: bytes, data: bytes) -> None:
    transaction = TRANSACTION | {"nonce": nonce, "maxFeePerGas": fee, "value": value, "to": to, "data": data}
    reference = Account.from_key(key)
    assert Wallet.from_key(key).address == reference.address.lower()
    assert Wallet.from_key(key).sign(transaction) == reference.sign_transaction(transaction).raw_transaction


def test_the_file_is_its_owners_alone(tmp_path: Path) -> None:
    create_wallet(tmp_path / "wallet")
    assert stat.S_IMODE((tmp_path / "wallet").stat().st_mode) == 0o600


@pytest.mark.parametrize("mode", [0o640, 0o604, 0o644, 0o660, 0o666, 0o620, 0o601])
def test_a_file_that_others_can_use_is_refused(tmp_path: Path, mode: int) -> None:
    create_wallet(tmp_path / "wallet")
    (tmp_path / "wallet").chmod(mode)
    with pytest.raises(InputError, match="chmod 600"):
        load_wallet(tmp_path / "wallet")


@pytest.mark.parametrize("mode", [0o600, 0o400])
def test_a_file_that_its_owner_alone_can_read_is_taken(tmp_path: Path, mode: int) -> None:
    made = create_wallet(tmp_path / "wallet")
    (tmp_path / "wallet").chmod(mode)
    assert load_wallet(tmp_path / "wallet") == made


def test_a_wallet_is_never_overwritten(tmp_path: Path) -> None:
    made = create_wallet(tmp_path / "wallet")
    with pytest.raises(InputError, match="may hold money"):
        create_wallet(tmp_path / "wallet")
    assert load_wallet(tmp_path / "wallet") == made


def test_a_folder_that_is_not_there_is_one_sentence(tmp_path: Path) -> None:
    for call in (create_wallet, load_wallet):
        with pytest.raises(InputError, match="No such file"):
            call(tmp_path / "nowhere" / "wallet")


def damaged(path: Path, change: Callable[[dict[str, object]], object]) -> None:
    create_wallet(path)
    path.write_text(json.dumps(change(json.loads(path.read_text()))))


@pytest.mark.parametrize(
    "change",
    [
        lambda whole: whole | {"private_key": whole["private_key"][:-2]},
        lambda whole: whole | {"private_key": "0x" + "00" * 32},
        lambda whole: whole | {"private_key": "0x" + "ff" * 32},
        lambda whole: whole | {"private_key": "0x" + "11" * 32},
        lambda whole: whole | {"private_key": 17},
        lambda whole: whole | {"private_key": "no digits"},
        lambda whole: whole | {"address": "0x" + "11" * 20},
        lambda whole: whole | {"version": 2},
        lambda whole: {"private_key": whole["private_key"]},
        lambda whole: [whole],
        lambda whole: None,
    ],
)
def test_a_damaged_file_is_one_sentence_without_its_content(
    tmp_path: Path, change: Callable[[dict[str, object]], object]
) -> None:
    path = tmp_path / "wallet"
    damaged(path, change)
    with pytest.raises(InputError, match="is not a (wallet|text file)") as failure:
        load_wallet(path)
    told = f"{failure.value!r} {failure.value.__cause__!r}"
    assert "private_key" not in told and not any(word in told for word in path.read_text().split('"') if len(word) > 20)


@pytest.mark.parametrize("content", [b"", b"{", b"\xff\xfe", b"[" * 9_000, b"\0" * 20_000, b"{}" * 9_000])
def test_a_file_of_something_else_is_one_sentence(tmp_path: Path, content: bytes) -> None:
    path = tmp_path / "wallet"
    path.touch(0o600)
    path.write_bytes(content)
    with pytest.raises(InputError, match="is not a (wallet|text file)"):
        load_wallet(path)


@given(secret=st.binary(max_size=40))
def test_what_is_no_key_is_refused_without_being_quoted(secret: bytes) -> None:
    if len(secret) == 32 and 0 < int.from_bytes(secret, "big") < ORDER:
        assert Wallet.from_key(secret).address.islower()
    else:
        with pytest.raises(ValueError) as failure:
            Wallet.from_key(secret)
        assert len(secret) < 3 or (secret.hex() not in str(failure.value) and repr(secret) not in str(failure.value))


CHECKSUMMED = "0x5aAeb6053F3E94C9b9A09f33669435E7Ef1BeAed"  # of EIP-55


@pytest.mark.parametrize("address", [CHECKSUMMED, CHECKSUMMED.lower(), "0x" + CHECKSUMMED[2:].upper()])
def test_an_address_with_its_checksum_or_without_any_is_taken(address: str) -> None:
    require_checksum(address)


def test_an_address_that_was_mistyped_is_one_sentence() -> None:
    with pytest.raises(
        InputError, match=r"^0x5aAeb6053F3E94C9b9A09f33669435E7Ef1BeAeD is mistyped: .*; copy it again$"
    ):
        require_checksum(CHECKSUMMED[:-1] + "D")


def test_a_wallet_shows_its_address_and_not_its_key() -> None:
    wallet = Wallet.from_key(SECRET)
    for text in (repr(wallet), str(wallet), f"{wallet}", repr({"wallet": wallet}), repr(vars(wallet))):
        assert wallet.address in text and SECRET.hex() not in text and repr(SECRET) not in text


@pytest.mark.parametrize("text", ["1" * 600, "0x" + "1" * 64 + "\0", "1" * 64 + "/" + "1" * 300, "~" + "1" * 64])
def test_a_key_that_was_mistyped_is_not_taken_for_a_file_and_quoted(text: str) -> None:
    assert resolve_wallet(text) is None
    assert resolve_url(text) == text
