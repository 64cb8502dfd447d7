"""A peer that has locked a stake: it takes models of identities that have one, and gets its own back."""

from decimal import Decimal
from typing import Any

from tests.helpers.peers import facts, head, score
from tests.protocol.test_fee_pool import Member, calls, idles, later, mined

from learnae.protocol import actions as do
from learnae.protocol.blockchain import Deposit, PoolRead, PoolState, ReadPool, Report, Withdrawal
from learnae.protocol.types import Address, Timer, wei

STAKE = Decimal("0.02")


def registered(**settings: Any) -> Member:
    """A peer whose contract is deployed, which has trained, and knows the identities of bob and ann."""
    driven = Member(stake=STAKE, window=100, patience=3, expected_identities=0, **settings)
    driven.registered().loaded()
    driven.meets("bob").meets("ann")
    for step in (1, 2):
        driven.scored(do.TrainSlice, f"me-{step}", score(50 + step))
    return driven


def reads(driven: Member, *members: str, complete: bool = False) -> Member:
    """The pool has these members, each with its contract."""
    if not driven.all_asked(ReadPool):
        driven.fires(Timer.CHAIN)
    wallets = tuple(Address(f"0x{name}") for name in members)
    state = PoolState(1100, complete, wallets, tuple(Address(f"contract of {name}") for name in members))
    driven.tell(PoolRead(driven.now, driven.asked(ReadPool).request, head(0), state))
    return driven


def fetched(driven: Member) -> list[str]:
    return [str(request.model.creator) for request in driven.all_asked(do.FetchModel) if request.model]


def test_the_stake_is_deposited_with_the_contract_and_debts_are_paid_as_ever() -> None:
    driven = registered()
    assert calls(driven) == [Deposit(Address("0xmine"), wei(STAKE))]
    reads(mined(driven, 1), "me", "bob").attempted("bob", 60)
    assert [request.to for request in driven.all_asked(do.SignPayment)] == ["0xbob"]


def test_a_peer_without_the_setting_has_nothing_to_do_with_stakes() -> None:
    driven = registered(stakes=False)
    assert calls(driven) == [] and not driven.all_asked(ReadPool)
    driven.hears("bob")
    assert fetched(driven) == ["bob"]


def test_no_model_is_fetched_before_the_pool_has_its_identity() -> None:
    driven = mined(registered(), 1)
    driven.hears("bob")
    driven.hears("ann")
    assert fetched(driven) == [], "the pool was not read yet"
    reads(driven, "me")
    assert fetched(driven) == []
    reads(driven, "me", "ann")
    assert fetched(driven) == ["ann"]


def test_training_begins_once_the_expected_identities_have_their_stakes() -> None:
    driven = Member(stake=STAKE, window=100, expected_identities=2)
    driven.registered().loaded()
    driven.meets("bob")
    mined(driven, 1)
    assert not driven.all_asked(do.TrainSlice)
    reads(driven, "me")
    assert not driven.all_asked(do.TrainSlice)
    reads(driven, "me", "bob")
    assert driven.all_asked(do.TrainSlice)


def test_an_identity_that_names_the_wallet_of_a_member_has_no_stake() -> None:
    """It costs one contract to name the wallet of another peer."""
    driven = mined(registered(), 1)
    driven.meets("eve", wallet="0xbob", read=facts("eve", wallet="0xbob"))
    driven.hears("eve")
    reads(driven, "me", "bob")
    assert fetched(driven) == []


def test_an_identity_that_nobody_has_claimed_has_no_stake() -> None:
    driven = reads(mined(registered(), 1), "me", "bob")
    driven.hears("eve")
    assert fetched(driven) == []


def test_who_has_finished_reports_nothing_and_takes_the_stake_when_all_have() -> None:
    driven = idles(reads(mined(registered(), 1), "me", "bob"))
    reads(later(driven), "me", "bob")
    assert calls(driven) == [Report(())]
    reads(mined(driven, 2, block=8), "me", "bob", complete=True)
    assert calls(driven) == [Withdrawal()]
