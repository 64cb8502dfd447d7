"""A peer whose work has a cost leaves while its income does not cover it, and returns when the prices of others do."""

from decimal import Decimal
from typing import Any

from tests.helpers.driven import Driven
from tests.helpers.peers import head, model, receipt, score

from learnae.errors import Reason
from learnae.protocol import actions as do
from learnae.protocol import events as on
from learnae.protocol.blockchain import ModelPayment, PaymentReport, PaymentsRead, ReadPayments
from learnae.protocol.decisions import BooksClosed, BooksFailed, WorkState
from learnae.protocol.settings import MarketSettings
from learnae.protocol.types import Address, Cid, Timer, Wei

MARKET = MarketSettings(window=2)


def costly(**settings: Any) -> Driven:
    """A registered peer that has nothing but averaging left; a unit of its work costs 10 wei."""
    driven = Driven(
        **{
            "cost": Wei(10),
            "market": MARKET,
            "slices_planned": 0,
            "expected_identities": 0,
            "patience": 9,
            "idle_after": 500.0,
            **settings,
        }
    )
    driven.registered().loaded().meets("bob").meets("ann")
    driven.looks(9, receipt(0, block=1, contract="0xmine"))
    return driven


def works(driven: Driven, units: int = 2, first: int = 1) -> Driven:
    """Average with as many models of bob's, to no avail."""
    for step in range(first, first + units):
        driven.attempted("bob", 1, step)
    return driven


def reads(
    driven: Driven, *payments: tuple[str, str, int], until: int = 7, height: int = 0, genesis: str = "genesis"
) -> Driven:
    """The chain has such payments: payer, payee and wei, for one model each."""
    paid = tuple(
        ModelPayment(Address(f"0x{payer}"), Address(f"0x{payee}"), (Cid(f"{payee}-1"),), Wei(wei))
        for payer, payee, wei in payments
    )
    request = driven.asked(ReadPayments)
    driven.tell(PaymentsRead(driven.now, request.request, PaymentReport(genesis, until, height or until, paid)))
    return driven


def left(**settings: Any) -> Driven:
    """It has sold one model for 19 wei in two units of work, and left."""
    return reads(works(costly(**settings)), ("bob", "me", 19))


def offered(driven: Driven, *payments: tuple[str, str, int], until: int = 9, step: int = 3) -> Driven:
    """A model is announced, and the chain has these payments since."""
    driven.after(1.0).hears("bob", step)
    return reads(driven, *payments, until=until)


def closed(driven: Driven) -> list[tuple[int, int, int, int, int, bool]]:
    return [
        (each.units, each.since, each.until, each.models, each.wei, each.works) for each in driven.facts(BooksClosed)
    ]


def away(driven: Driven) -> bool:
    status = driven.peer.status()
    assert not status.away or status.work is WorkState.DONE
    return status.away


def test_who_earns_what_its_work_costs_works_on() -> None:
    driven = works(costly(), 1)
    assert not driven.all_asked(ReadPayments), "the window is not over"
    works(driven, 1, first=2).hears("bob", 3)
    driven.fetched()
    assert driven.asked(ReadPayments).wallets == ("0xme",) and driven.asked(ReadPayments).since == 1
    assert not driven.all_asked(do.AverageModels), "the next unit waits"
    reads(driven, ("bob", "me", 15), ("ann", "me", 5))
    assert closed(driven) == [(2, 1, 7, 2, 20, True)] and not away(driven)
    driven.scored(do.AverageModels, "worse", score(1))
    works(driven, 1, first=4)
    assert driven.asked(ReadPayments).since == 8
    assert closed(reads(driven, until=7)) == [(2, 1, 7, 2, 20, True), (2, 8, 7, 0, 0, False)]


def test_who_earns_less_leaves_and_does_nothing_more() -> None:
    driven = left()
    assert closed(driven) == [(2, 1, 7, 1, 19, False)] and away(driven)
    driven.hears("ann", 1)
    assert not driven.all_asked(do.FetchModel)
    assert not driven.peer.at_rest, "it looks at the prices first"
    reads(driven, until=8)
    assert driven.peer.at_rest and driven.peer.quiet and closed(driven) == closed(left())


def test_money_that_it_sends_to_itself_is_no_income() -> None:
    assert away(reads(works(costly()), ("me", "me", 99)))


def test_a_transfer_that_is_for_no_model_is_no_income() -> None:
    driven = works(costly())
    plain = ModelPayment(Address("0xbob"), Address("0xme"), (), Wei(99))
    request = driven.asked(ReadPayments).request
    driven.tell(PaymentsRead(driven.now, request, PaymentReport("genesis", 7, 7, (plain,))))
    assert closed(driven) == [(2, 1, 7, 0, 0, False)] and away(driven)


def test_whose_work_costs_nothing_looks_at_no_payment() -> None:
    assert not works(costly(cost=Wei(0)), 5).all_asked(ReadPayments)


def test_nobody_leaves_before_its_contract_is_deployed() -> None:
    unregistered = Driven(cost=Wei(10), market=MARKET, slices_planned=0, expected_identities=0, patience=9).loaded()
    assert not works(unregistered, 3).all_asked(ReadPayments)


def test_it_returns_when_the_price_of_others_covers_its_cost() -> None:
    driven = left()
    offered(driven, ("me", "ann", 40))
    assert away(driven) and driven.facts(BooksClosed) == left().facts(BooksClosed), "one model is no window"
    offered(driven, ("bob", "ann", 0), until=11, step=4)
    assert not away(driven) and closed(driven)[-1] == (0, 8, 11, 2, 40, True)
    assert driven.peer.status().work is WorkState.IDLE
    assert driven.asked(do.FetchModel).model == model("bob", 4)


def test_it_stays_away_while_the_price_is_lower() -> None:
    driven = offered(left(), ("me", "ann", 20), ("bob", "ann", 19))
    assert away(driven) and closed(driven)[-1] == (0, 8, 9, 2, 39, False)
    assert away(offered(driven, until=11, step=4)), "earlier prices count no more"


def test_a_margin_raises_the_price_at_which_it_returns() -> None:
    market = MarketSettings(window=2, margin=Decimal("1.5"))
    assert away(offered(left(market=market), ("me", "ann", 30), ("bob", "ann", 29)))
    assert not away(offered(left(market=market), ("me", "ann", 30), ("bob", "ann", 30)))


def test_who_sold_nothing_returns_as_if_it_could_sell_one_model() -> None:
    driven = reads(works(costly()))
    assert away(driven) and not away(offered(driven, ("me", "ann", 20), ("bob", "ann", 20)))


def test_only_payments_to_others_with_known_wallets_make_the_price() -> None:
    driven = left()
    driven.hears("ann", 1)
    assert driven.asked(ReadPayments).wallets == ("0xann", "0xbob")
    driven.meets("cat")
    reads(driven, ("me", "ann", 40), ("bob", "ann", 40))
    assert away(driven), "it has read before it knew cat"
    assert driven.asked(ReadPayments).since == 8 and "0xcat" in driven.asked(ReadPayments).wallets
    assert not away(reads(driven, ("me", "ann", 40), ("bob", "cat", 10)))


def test_a_wallet_that_becomes_known_between_two_looks_makes_the_price_from_the_first_block_on() -> None:
    driven = offered(left(), ("me", "ann", 40)).meets("cat")
    driven.after(1.0).hears("bob", 4)
    assert driven.asked(ReadPayments).since == 8 and "0xcat" in driven.asked(ReadPayments).wallets
    reads(driven, ("me", "ann", 40), ("bob", "cat", 0), until=11)
    assert closed(driven)[-1] == (0, 8, 11, 2, 40, True)


def test_who_has_just_returned_closes_its_books_after_a_window() -> None:
    driven = offered(left(), ("me", "ann", 20), ("bob", "ann", 20))
    works(driven, 2, first=4)
    assert driven.asked(ReadPayments).wallets == ("0xme",)


def test_it_reads_on_up_to_the_newest_block() -> None:
    driven = reads(works(costly()), ("bob", "me", 15), until=7, height=9)
    assert not away(driven) and driven.asked(ReadPayments).since == 8
    reads(driven, ("bob", "me", 5), until=9)
    assert closed(driven) == [(2, 1, 9, 2, 20, True)]


def test_it_looks_at_prices_once_in_a_poll() -> None:
    driven = offered(left())
    driven.hears("bob", 4)
    assert not driven.all_asked(ReadPayments) and not driven.peer.at_rest
    assert driven.waits(Timer.WORK) == 1.0
    driven.fires(Timer.WORK)
    assert driven.all_asked(ReadPayments)
    driven.hears("bob", 5)
    assert len(driven.all_asked(ReadPayments)) == 1 and not driven.peer.at_rest


def test_it_works_on_while_the_chain_does_not_answer() -> None:
    driven = works(costly())
    driven.fails(ReadPayments, Reason.UNREACHABLE)
    works(driven, 1, first=3)
    assert not driven.all_asked(ReadPayments) and not away(driven)
    assert driven.facts(BooksFailed) == [BooksFailed(Reason.UNREACHABLE)]
    driven.after(1.0).hears("bob", 4)
    assert closed(reads(driven)) == [(3, 1, 7, 0, 0, False)]
    driven.hears("bob", 5)
    driven.fails(ReadPayments, Reason.UNREACHABLE)
    assert away(driven) and not driven.peer.at_rest, "it will look again"


def test_after_a_rollback_the_books_begin_again() -> None:
    driven = works(costly())
    late = driven.asked(ReadPayments)
    driven.tell(on.ChainRolledBack(driven.now, head(5)))
    driven.tell(PaymentsRead(driven.now, late.request, PaymentReport("genesis", 7, 7, ())))
    assert not closed(driven)
    works(driven, 2, first=3)
    assert driven.asked(ReadPayments).since == 6


def test_another_chain_begins_new_books() -> None:
    driven = reads(works(costly()), ("bob", "me", 20))
    works(driven, 2, first=3)
    reads(driven, ("bob", "me", 5), genesis="another", until=3)
    assert len(closed(driven)) == 1 and not driven.all_asked(ReadPayments)
    works(driven, 2, first=5)
    assert driven.asked(ReadPayments).since == 4
