"""The suite of ``ports.Chain``.  An implementation supplies the fixture ``world``: a chain with three wallets on it."""

from collections.abc import Coroutine
from dataclasses import replace
from typing import Any, Protocol, TypeVar

import pytest

from learnae.errors import InputError, PortError, Reason
from learnae.messages.ids import cid_to_bytes
from learnae.messages.wire import cid_of
from learnae.ports import Chain
from learnae.protocol.blockchain import Receipt, Signed
from learnae.protocol.directory import rank_of
from learnae.protocol.types import Address, Claim, PeerId, Poid, TxHash, Wei

T = TypeVar("T")
CID = cid_of(b"model")
CALLDATA = cid_to_bytes(CID)  # of a payment for it
FINNEY = Wei(10**15)


class ChainWorld(Protocol):
    """``poor`` holds 3 finney; the other two hold far more."""

    payer: Chain
    payee: Chain
    poor: Chain
    payer_wallet: Address
    payee_wallet: Address
    poor_wallet: Address
    peer: PeerId  # the payer's id

    def mine(self, blocks: int = 1) -> None: ...

    def fee(self, hash: TxHash) -> Wei:
        """Gas times its price, from the mined transaction."""
        ...

    def stop(self) -> None:
        """Nobody can reach the chain."""
        ...

    def roll_back(self, blocks: int) -> None:
        """The node comes back as it was so many blocks before, and has forgotten what was waiting."""
        ...

    def start_anew(self) -> None: ...

    def wait(self, coroutine: Coroutine[Any, Any, T]) -> T: ...


def pay(world: ChainWorld, nonce: int, attempt: int = 0, wei: Wei = FINNEY) -> Signed:
    return world.wait(world.payer.sign_pay(world.payee_wallet, wei, (CID,), nonce, attempt))


def sent(world: ChainWorld, *forms: Signed) -> None:
    for signed in forms:
        world.wait(world.payer.broadcast(signed))


def receipt(world: ChainWorld, signed: Signed) -> Receipt | None:
    return world.wait(world.payer.receipt(signed.hash))


def balance(world: ChainWorld, wallet: Address) -> Wei:
    return world.wait(world.payer.balance(wallet))


def deployed(world: ChainWorld) -> Claim:
    poid = Poid(world.peer, world.payer_wallet)
    signed = world.wait(world.payer.sign_deploy(poid, 0, 0))
    sent(world, signed)
    world.mine()
    found = receipt(world, signed)
    assert found and found.contract and found.succeeded
    return Claim(poid, found.contract, signed.hash, "", "")


def reason(world: ChainWorld, call: Coroutine[Any, Any, object]) -> Reason:
    with pytest.raises(PortError) as failure:
        world.wait(call)
    return failure.value.reason


class ChainSuite:
    # identity

    def test_what_was_not_mined_has_no_receipt(self, world: ChainWorld) -> None:
        signed = pay(world, 0)
        assert receipt(world, signed) is None
        sent(world, signed)
        world.mine()
        assert receipt(world, signed) == Receipt(signed.hash, world.wait(world.payer.head()).height, True)

    def test_a_claim_is_read_as_it_was_deployed(self, world: ChainWorld) -> None:
        claim = deployed(world)
        head = world.wait(world.payee.head())
        facts = world.wait(world.payee.read_claim(claim))
        assert facts.poid == claim.poid
        assert (facts.timestamp, facts.block, facts.index) == (head.timestamp, head.height, 0)
        assert facts.code_matches and facts.receipt_matches
        assert not facts.signature_valid  # which is not for the chain to say

    def test_a_contract_that_is_not_there_is_not_found(self, world: ChainWorld) -> None:
        claim = replace(deployed(world), contract=Address("0x" + "99" * 20))
        assert reason(world, world.payee.read_claim(claim)) is Reason.NOT_FOUND

    def test_a_claim_over_another_deployment_has_the_wrong_receipt(self, world: ChainWorld) -> None:
        claim = replace(deployed(world), deploy_tx=TxHash("0x" + "99" * 32))
        assert not world.wait(world.payee.read_claim(claim)).receipt_matches

    def test_the_contract_and_not_the_claim_says_whose_wallet_it_is(self, world: ChainWorld) -> None:
        claim = deployed(world)
        lie = replace(claim, poid=replace(claim.poid, wallet=world.payee_wallet))
        assert world.wait(world.payee.read_claim(lie)).poid == claim.poid

    def test_of_two_contracts_in_one_block_the_index_tells_the_earlier(self, world: ChainWorld) -> None:
        first, second = (
            world.wait(world.payer.sign_deploy(Poid(world.peer, w), n, 0))
            for n, w in enumerate((world.payer_wallet, world.payee_wallet))
        )
        sent(world, first, second)
        world.mine()
        ranks = []
        for signed, wallet in ((first, world.payer_wallet), (second, world.payee_wallet)):
            found = receipt(world, signed)
            assert found and found.contract
            claim = Claim(Poid(world.peer, wallet), found.contract, signed.hash, "", "")
            facts = world.wait(world.payee.read_claim(claim))
            ranks.append(rank_of(facts))
            assert facts.deployer == world.payer_wallet, "whichever wallet the contract names"
        assert ranks[0] < ranks[1]

    # money

    def test_a_payment_moves_its_wei_and_costs_its_fee(self, world: ChainWorld) -> None:
        payer, payee = balance(world, world.payer_wallet), balance(world, world.payee_wallet)
        signed = pay(world, 0)
        sent(world, signed)
        world.mine()
        assert balance(world, world.payee_wallet) == payee + FINNEY
        assert balance(world, world.payer_wallet) == payer - FINNEY - world.fee(signed.hash)
        assert world.fee(signed.hash) > 0

    def test_one_wei_can_be_paid(self, world: ChainWorld) -> None:
        payee = balance(world, world.payee_wallet)
        sent(world, pay(world, 0, wei=Wei(1)))
        world.mine()
        assert balance(world, world.payee_wallet) == payee + 1

    def test_a_transaction_is_sent_as_often_as_one_likes_and_paid_once(self, world: ChainWorld) -> None:
        payee = balance(world, world.payee_wallet)
        signed = pay(world, 0)
        sent(world, signed, signed)
        world.mine()
        sent(world, signed)
        world.mine(2)
        assert balance(world, world.payee_wallet) == payee + FINNEY

    # nonces

    def test_a_later_nonce_waits_for_the_earlier(self, world: ChainWorld) -> None:
        first, second = pay(world, 0), pay(world, 1)
        sent(world, second)
        world.mine(2)
        assert receipt(world, second) is None
        sent(world, first)
        world.mine()
        assert receipt(world, first) and receipt(world, second)

    def test_signing_the_same_again_gives_the_same_transaction(self, world: ChainWorld) -> None:
        assert pay(world, 0) == pay(world, 0)

    def test_a_replacement_with_a_higher_fee_is_mined_in_its_place(self, world: ChainWorld) -> None:
        payee = balance(world, world.payee_wallet)
        forms = [pay(world, 0, attempt) for attempt in range(3)]
        assert len({form.hash for form in forms}) == 3 and {form.nonce for form in forms} == {0}
        sent(world, *forms)
        world.mine(2)
        assert [receipt(world, form) is not None for form in forms] == [False, False, True]
        assert balance(world, world.payee_wallet) == payee + FINNEY

    def test_a_form_that_was_replaced_comes_too_late(self, world: ChainWorld) -> None:
        payee = balance(world, world.payee_wallet)
        old, new = pay(world, 0, 0), pay(world, 0, 1)
        sent(world, new, old)
        world.mine()
        sent(world, old)
        world.mine()
        assert receipt(world, old) is None and receipt(world, new)
        assert balance(world, world.payee_wallet) == payee + FINNEY

    def test_a_replacement_comes_too_late_for_what_is_mined(self, world: ChainWorld) -> None:
        payee = balance(world, world.payee_wallet)
        old, new = pay(world, 0, 0), pay(world, 0, 1)
        sent(world, old)
        world.mine()
        sent(world, new)
        world.mine()
        assert receipt(world, old) and receipt(world, new) is None
        assert balance(world, world.payee_wallet) == payee + FINNEY

    def test_a_wallet_that_sent_what_its_payer_does_not_count_signs_no_more(self, world: ChainWorld) -> None:
        """A journal was lost, or another is in use: all it signs would count as sent and never be mined."""
        sent(world, pay(world, 0))
        world.mine()
        with pytest.raises(InputError, match="has sent 1 transactions"):
            pay(world, 0)
        world.mine(3)
        world.roll_back(4)
        assert pay(world, 0)

    # funds

    def test_what_a_wallet_does_not_hold_is_not_signed_and_spends_no_nonce(self, world: ChainWorld) -> None:
        assert reason(world, world.poor.sign_pay(world.payee_wallet, Wei(4 * FINNEY), (CID,), 0, 0)) is Reason.FUNDS
        signed = world.wait(world.poor.sign_pay(world.payee_wallet, FINNEY, (CID,), 0, 0))
        sent(world, signed)
        world.mine()
        assert receipt(world, signed)

    def test_what_is_promised_cannot_be_promised_again(self, world: ChainWorld) -> None:
        two = Wei(2 * FINNEY)
        world.wait(world.poor.sign_pay(world.payee_wallet, two, (CID,), 0, 0))
        assert reason(world, world.poor.sign_pay(world.payee_wallet, two, (CID,), 1, 0)) is Reason.FUNDS

    def test_a_replacement_is_not_a_second_promise(self, world: ChainWorld) -> None:
        two = Wei(2 * FINNEY)
        forms = [world.wait(world.poor.sign_pay(world.payee_wallet, two, (CID,), 0, attempt)) for attempt in range(2)]
        assert forms[0].hash != forms[1].hash

    # what can happen to a chain

    def test_the_head_moves_on_a_block_at_a_time(self, world: ChainWorld) -> None:
        before = world.wait(world.payer.head())
        world.mine()
        after = world.wait(world.payer.head())
        assert (after.genesis, after.height) == (before.genesis, before.height + 1)
        assert after.hash != before.hash and after.timestamp >= before.timestamp

    def test_a_rollback_loses_what_its_blocks_held(self, world: ChainWorld) -> None:
        payee = balance(world, world.payee_wallet)
        world.mine(3)
        signed, before = pay(world, 0), world.wait(world.payer.head())
        sent(world, signed)
        world.mine()
        assert receipt(world, signed)
        world.roll_back(1)
        after = world.wait(world.payer.head())
        assert (after.genesis, after.height) == (before.genesis, before.height)
        assert receipt(world, signed) is None
        assert balance(world, world.payee_wallet) == payee

    def test_what_a_rollback_lost_is_mined_when_it_is_sent_again(self, world: ChainWorld) -> None:
        payee = balance(world, world.payee_wallet)
        world.mine(3)
        signed = pay(world, 0)
        sent(world, signed)
        world.mine()
        world.roll_back(2)
        world.mine()
        assert receipt(world, signed) is None
        sent(world, signed)
        world.mine()
        assert receipt(world, signed)
        assert balance(world, world.payee_wallet) == payee + FINNEY

    def test_a_claim_comes_back_at_its_address(self, world: ChainWorld) -> None:
        world.mine(3)
        signed = world.wait(world.payer.sign_deploy(Poid(world.peer, world.payer_wallet), 0, 0))
        found = []
        for _ in range(2):
            sent(world, signed)
            world.mine()
            found.append(receipt(world, signed))
            world.roll_back(1)
        assert found[0] and found[1] and found[0].contract == found[1].contract

    def test_another_chain_has_another_genesis_and_no_memory(self, world: ChainWorld) -> None:
        before = world.wait(world.payer.head())
        payee = balance(world, world.payee_wallet)
        signed = pay(world, 0)
        sent(world, signed)
        world.mine()
        world.start_anew()
        assert world.wait(world.payer.head()).genesis != before.genesis
        assert receipt(world, signed) is None
        assert balance(world, world.payee_wallet) == payee

    def test_payments_for_models_are_read_from_a_block_on(self, world: ChainWorld) -> None:
        others = (CID, cid_of(b"another model"))
        sent(world, first := pay(world, 0))
        world.mine()
        sent(world, world.wait(world.payer.sign_pay(world.payee_wallet, FINNEY, others, 1, 0)))
        sent(world, world.wait(world.payer.sign_pay(world.payee_wallet, FINNEY, (), 2, 0)))  # for no model
        world.mine(2)
        report = world.wait(world.poor.payments(1, (world.payee_wallet,)))
        assert [(paid.sender, paid.to, paid.cids) for paid in report.payments] == [
            (world.payer_wallet, world.payee_wallet, (CID,)),
            (world.payer_wallet, world.payee_wallet, others),
        ]
        head = world.wait(world.payer.head())
        assert (report.genesis, report.until, report.height) == (head.genesis, head.height, head.height)
        mined = receipt(world, first)
        assert mined
        later = world.wait(world.poor.payments(mined.block + 1, (world.payee_wallet,)))
        assert [paid.cids for paid in later.payments] == [others]
        assert not world.wait(world.poor.payments(1, (world.poor_wallet,))).payments
        assert world.wait(world.poor.payments(head.height + 1, (world.payee_wallet,))).until == head.height

    def test_on_another_chain_nonces_and_promises_begin_anew(self, world: ChainWorld) -> None:
        two = Wei(2 * FINNEY)
        for nonce in range(2):
            world.wait(world.poor.sign_pay(world.payee_wallet, FINNEY, (CID,), nonce, 0))
        world.start_anew()
        signed = world.wait(world.poor.sign_pay(world.payee_wallet, two, (CID,), 0, 0))
        sent(world, signed)
        world.mine()
        assert receipt(world, signed)

    def test_what_was_signed_for_one_chain_is_not_sent_to_another(self, world: ChainWorld) -> None:
        """They have the same id, so the other would take it: now, or when its turn comes."""
        signed = pay(world, 0)
        world.start_anew()
        assert reason(world, world.payer.broadcast(signed)) is Reason.CHAIN

    def test_a_chain_that_is_away_is_unreachable_to_every_question(self, world: ChainWorld) -> None:
        claim, signed = deployed(world), pay(world, 1)
        world.stop()
        calls = (
            world.payer.broadcast(signed),
            world.payer.receipt(signed.hash),
            world.payer.head(),
            world.payer.read_claim(claim),
            world.payer.balance(world.payer_wallet),
        )
        assert {reason(world, call) for call in calls} <= {Reason.UNREACHABLE, Reason.TIMEOUT}
