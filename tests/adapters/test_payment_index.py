"""A payee finds its payments on the chain, on eth-tester and on Anvil, whatever happens to it."""

import asyncio
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
from tests.adapters.chains import CID, FINNEY, pay, sent
from tests.adapters.evms import ALLOC, AnvilWorld, LocalWorld

from learnae.adapters.evm import chain, export, payment_index
from learnae.adapters.evm.payment_index import PaymentIndex
from learnae.errors import PortError
from learnae.messages.ids import cid_from_bytes, cid_to_bytes
from learnae.messages.wire import cid_of
from learnae.protocol.types import Poid, Wei

World = LocalWorld | AnvilWorld


@pytest.fixture(params=[LocalWorld, pytest.param(AnvilWorld, marks=pytest.mark.real)])
def world(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[World]:
    with asyncio.Runner() as runner:
        world = LocalWorld(runner) if request.param is LocalWorld else AnvilWorld(runner, tmp_path)
        yield world
        world.end()


def opened(world: World) -> PaymentIndex:
    return PaymentIndex(world.node, ALLOC, time.time())


def look(world: World, found: PaymentIndex) -> None:
    world.wait(found.update(world.wait(world.payer.head())))


def test_a_cid_comes_back_from_calldata() -> None:
    assert cid_from_bytes(cid_to_bytes(CID)) == CID


def test_one_call_reads_payments_in_few_blocks_and_tells_how_many_there_are(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(chain, "MAX_BLOCKS", 2)
    world.mine(5)
    height = world.wait(world.poor.head()).height
    reports = [world.wait(world.poor.payments(since, (world.payee_wallet,))) for since in (1, 3, height)]
    assert [(report.until, report.height) for report in reports] == [(2, height), (4, height), (height, height)]


def test_payments_and_gas_are_found_as_they_are_mined_and_once(world: World) -> None:
    found = opened(world)
    look(world, found)
    first, second = pay(world, 0), pay(world, 1, wei=Wei(2 * FINNEY))
    sent(world, first)
    world.mine()
    look(world, found)
    [(block, cids, paid)] = found.received(world.payee_wallet)
    assert (cids, paid.wei, paid.sender, paid.hash) == ((CID,), FINNEY, world.payer_wallet, first.hash)
    assert found.gas_spent(world.payer_wallet) == world.fee(first.hash)
    sent(world, second)
    world.mine(3)
    for _ in range(2):
        look(world, found)
    assert [paid.hash for _, _, paid in found.received(world.payee_wallet)] == [first.hash, second.hash]
    assert not list(found.received(world.payer_wallet))
    assert found.gas_spent(world.payer_wallet) == world.fee(first.hash) + world.fee(second.hash)


def test_a_batch_is_one_payment_for_several_models(world: World) -> None:
    found, cids = opened(world), (CID, cid_of(b"another model"))
    look(world, found)
    sent(world, world.wait(world.payer.sign_pay(world.payee_wallet, FINNEY, cids, 0, 0)))
    world.mine()
    look(world, found)
    assert [(named, paid.wei) for _, named, paid in found.received(world.payee_wallet)] == [(cids, FINNEY)]


def test_closed_books_hold_what_the_export_tells_however_far_they_were_read(world: World) -> None:
    found, paid = opened(world), [pay(world, nonce) for nonce in (0, 1)]
    for each in paid:
        look(world, found)
        sent(world, each)
        world.mine()
    found.close(world.wait(export(world.node, ALLOC)))
    assert [each.hash for _, _, each in found.received(world.payee_wallet)] == [each.hash for each in paid]
    assert found.gas_spent(world.payer_wallet) == sum(world.fee(each.hash) for each in paid)


def test_what_is_no_payment_for_a_model_counts_as_gas_alone(world: World) -> None:
    found = opened(world)
    deployment = world.wait(world.payer.sign_deploy(Poid(world.peer, world.payer_wallet), 0, 0))
    sent(world, deployment)
    world.mine()
    look(world, found)
    assert found.gas_spent(world.payer_wallet) == world.fee(deployment.hash)
    assert not [each for wallet in ALLOC for each in found.received(wallet)]


def test_a_chain_that_went_back_is_read_anew(world: World) -> None:
    found = opened(world)
    look(world, found)
    world.mine(2)
    paid = pay(world, 0)
    sent(world, paid)
    world.mine()
    look(world, found)
    assert list(found.received(world.payee_wallet))
    world.roll_back(1)
    look(world, found)
    assert not list(found.received(world.payee_wallet))
    sent(world, paid)
    world.mine(3)
    for _ in range(2):
        look(world, found)
    assert [each.hash for _, _, each in found.received(world.payee_wallet)] == [paid.hash]
    assert found.gas_spent(world.payer_wallet) == world.fee(paid.hash)


def test_who_looks_with_an_older_head_changes_nothing(world: World) -> None:
    found = opened(world)
    before = world.wait(world.payer.head())
    sent(world, pay(world, 0))
    world.mine(2)
    look(world, found)
    world.wait(found.update(before))
    assert len(list(found.received(world.payee_wallet))) == 1


def test_a_long_chain_is_read_in_pieces(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(payment_index, "MAX_BLOCKS", 2)
    found = opened(world)
    sent(world, pay(world, 0))
    world.mine(6)
    look(world, found)
    assert len(list(found.received(world.payee_wallet))) <= 1
    for _ in range(5):
        look(world, found)
    assert len(list(found.received(world.payee_wallet))) == 1


def test_a_chain_that_is_away_is_a_failure_and_what_was_read_stays(world: World) -> None:
    found = opened(world)
    sent(world, pay(world, 0))
    world.mine()
    look(world, found)
    head = world.wait(world.payer.head())
    world.mine()
    later = world.wait(world.payer.head())
    world.stop()
    with pytest.raises(PortError):
        world.wait(found.update(later))
    world.wait(found.update(head))
    assert len(list(found.received(world.payee_wallet))) == 1
