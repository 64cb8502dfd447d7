"""The fakes keep every promise of their ports, and a few of their own."""

import random
from collections.abc import Coroutine, MutableMapping
from dataclasses import dataclass, field
from typing import Any, TypeVar

import pytest
from tests.adapters.chains import CID, FINNEY, ChainSuite, pay, reason, receipt, sent
from tests.adapters.journals import JournalSuite
from tests.adapters.keys import IdentityKeySuite
from tests.adapters.stores import StoreSuite
from tests.adapters.trainers import TrainerSuite

from learnae.adapters.ipfs_keys import create_identity
from learnae.adapters.memory import MemoryJournal, MemoryKey, MemoryTrainer, keys, now
from learnae.adapters.memory_chain import MemoryChain, MemoryChainPort, pay_gas
from learnae.adapters.memory_network import MemoryNet, MemoryStore, MemorySwarm
from learnae.errors import Reason
from learnae.messages.wire import cid_of
from learnae.ports import Chain, IdentityKey, Journal, Store, Trainer
from learnae.protocol import events as on
from learnae.protocol.actions import Action, SetTimer
from learnae.protocol.blockchain import Receipt
from learnae.protocol.replay import digest
from learnae.protocol.types import ETHER, Cid, PeerId, Timer, TxHash, Wei
from learnae.records.chain_export import Balances, Block
from learnae.runtime.clocks import VirtualClock
from learnae.session.faults import CUT, Link

T = TypeVar("T")
INITIAL = b"500 - 0 initial"


class AtOnce:
    """A world that never waits."""

    def wait(self, coroutine: Coroutine[Any, Any, T]) -> T:
        return now(coroutine)


class Stores(AtOnce):
    def __init__(self) -> None:
        self.net = MemoryNet(random.Random(1))
        self.swarm = MemorySwarm(self.net)
        self.stores: list[Store] = [MemoryStore(self.swarm, name) for name in ("p00", "p01", "p02")]

    def leave(self, index: int) -> None:
        self.net.down.add(f"p{index:02}")

    def expect_absent(self) -> None:
        """Nothing waits here."""

    def limit(self, size: int) -> None:
        self.swarm.max_size = size


class Keys(AtOnce):
    def __init__(self) -> None:
        ring: dict[PeerId, bytes] = {}
        self.mine: IdentityKey = MemoryKey(ring, keys("mine")[0])
        self.theirs: IdentityKey = MemoryKey(ring, keys("theirs")[0])


class Identities(AtOnce):
    def __init__(self) -> None:
        self.mine: IdentityKey = create_identity()
        self.theirs: IdentityKey = create_identity()


@dataclass
class Chains(AtOnce):
    clock: VirtualClock = field(default_factory=VirtualClock)

    def __post_init__(self) -> None:
        (self.peer, self.payer_wallet), (_, self.payee_wallet), (_, self.poor_wallet) = map(keys, ("1", "2", "3"))
        alloc = {self.payer_wallet: ETHER, self.payee_wallet: ETHER, self.poor_wallet: Wei(3 * FINNEY)}
        self.ledger = MemoryChain(lambda: self.clock.now, alloc)
        self.payer: Chain = MemoryChainPort(self.ledger, self.payer_wallet)
        self.payee: Chain = MemoryChainPort(self.ledger, self.payee_wallet)
        self.poor: Chain = MemoryChainPort(self.ledger, self.poor_wallet)

    def mine(self, blocks: int = 1) -> None:
        self.clock.now += blocks * self.ledger.block_time

    def fee(self, hash: TxHash) -> Wei:
        blocks = [record for record in self.ledger.export() if isinstance(record, Block)]
        each = next(each for block in blocks for each in block.transactions if each.hash == hash)
        return Wei(each.gas_used * each.gas_price)

    def stop(self) -> None:
        self.ledger.stall()

    def roll_back(self, blocks: int) -> None:
        self.ledger.roll_back(blocks)

    def start_anew(self) -> None:
        self.ledger.start_anew()


@dataclass
class Journals:
    journal: Journal = field(default_factory=MemoryJournal)

    def reopen(self) -> Journal:
        """The process lives on, and with it the list."""
        return self.journal


class Trainers:
    def __init__(self) -> None:
        self.peers = (keys("1")[0], keys("2")[0])
        self.initial = cid_of(INITIAL)
        self.blocks: MutableMapping[Cid, bytes] = {self.initial: INITIAL}
        self.mine: Trainer = MemoryTrainer(self.blocks, self.peers[0], "seed")
        self.theirs: Trainer = MemoryTrainer(self.blocks, self.peers[1], "seed")


class TestMemoryStore(StoreSuite):
    @pytest.fixture
    def world(self) -> Stores:
        return Stores()

    def test_a_link_that_is_cut_one_way_carries_no_block(self, world: Stores) -> None:
        cid = now(world.stores[0].put(b"weights"))
        world.net.links["p01", "p00"] = CUT
        assert now(world.stores[2].get(cid)) == b"weights"
        assert now(world.stores[1].get(cid)) == b"weights"  # from the third
        world.net.down.add("p02")
        other = now(world.stores[0].put(b"others"))
        with pytest.raises(Exception, match="unreachable"):
            now(world.stores[1].get(other))


class TestMemoryKey(IdentityKeySuite):
    @pytest.fixture
    def world(self) -> Keys:
        return Keys()


class TestIpfsIdentity(IdentityKeySuite):
    @pytest.fixture
    def world(self) -> Identities:
        return Identities()


class TestMemoryJournal(JournalSuite):
    @pytest.fixture
    def world(self) -> Journals:
        return Journals()

    def test_entries_with_and_without_a_digest_keep_their_order(self) -> None:
        journal, events = MemoryJournal(), [on.TimerFired(at, Timer.WORK) for at in (1.0, 2.0, 3.0, 4.0)]
        actions: list[Action] = [SetTimer(Timer.WORK, 1.0)]
        journal.append_actions(events[0], actions)
        journal.append(events[1], "given")
        journal.append_actions(events[2], [])
        journal.append_actions(events[3], actions)
        expected = [(events[0], digest(actions)), (events[1], "given"), (events[2], digest([]))]
        assert journal.replay() == [*expected, (events[3], digest(actions))]
        assert journal.entries == journal.replay()


class TestMemoryTrainer(TrainerSuite):
    @pytest.fixture
    def world(self) -> Trainers:
        return Trainers()


class TestLedgerChain(ChainSuite):
    @pytest.fixture
    def world(self) -> Chains:
        return Chains()

    def test_a_stalled_chain_makes_no_blocks_and_forgets_none(self, world: Chains) -> None:
        sent(world, signed := pay(world, 0))
        world.mine(3)
        height = world.ledger.height
        world.ledger.stall()
        world.mine(10)
        world.ledger.resume()
        assert world.ledger.height == height
        world.mine()
        assert world.ledger.height == height + 1
        assert receipt(world, signed) == Receipt(signed.hash, 1, True)

    def test_an_account_that_reverts_costs_the_fee_and_not_the_wei(self, world: Chains) -> None:
        world.ledger.reverting.add(world.payee_wallet)
        sent(world, signed := pay(world, 0))
        world.mine()
        found = receipt(world, signed)
        assert found and not found.succeeded
        balances = world.ledger.export()[-1]
        assert isinstance(balances, Balances)
        assert balances.balances[world.payee_wallet] == ETHER
        assert balances.balances[world.payer_wallet] == ETHER - pay_gas(1) * world.ledger.gas_price

    def test_gas_above_the_limits_is_not_signed(self, world: Chains) -> None:
        price = world.ledger.gas_price
        payer = MemoryChainPort(world.ledger, world.payer_wallet, price, Wei(2 * pay_gas(1) * price))
        for nonce in range(2):
            now(payer.sign_pay(world.payee_wallet, FINNEY, (CID,), nonce, 0))
        assert reason(world, payer.sign_pay(world.payee_wallet, FINNEY, (CID,), 2, 0)) is Reason.GAS_CAP
        assert reason(world, payer.sign_pay(world.payee_wallet, FINNEY, (CID,), 1, 1)) is Reason.INVALID_RESPONSE

    def test_what_was_paid_before_an_account_began_to_revert_stays_paid(self, world: Chains) -> None:
        sent(world, signed := pay(world, 0))
        world.mine(3)
        assert receipt(world, signed)
        world.ledger.reverting.add(world.payee_wallet)
        world.ledger.roll_back(1)
        assert now(world.payer.balance(world.payee_wallet)) == ETHER + FINNEY
        assert receipt(world, signed) == Receipt(signed.hash, 1, True)

    def test_what_a_wallet_no_longer_holds_waits_in_the_pool(self, world: Chains) -> None:
        signed = now(world.poor.sign_pay(world.payee_wallet, FINNEY, (CID,), 0, 0))
        world.ledger.balances[world.poor_wallet] = Wei(1)
        sent(world, signed)
        world.mine(2)
        assert receipt(world, signed) is None

    def test_an_export_leaves_out_empty_blocks(self, world: Chains) -> None:
        world.mine(5)
        sent(world, pay(world, 0))
        world.mine(2)
        blocks = [record for record in world.ledger.export() if isinstance(record, Block)]
        assert [block.number for block in blocks] == [6]

    def test_a_branch_after_a_rollback_has_other_hashes(self, world: Chains) -> None:
        world.mine(3)
        before = now(world.payer.head())
        world.ledger.roll_back(1)
        world.mine()
        after = now(world.payer.head())
        assert after.height == before.height and after.hash != before.hash


def test_waiting_is_nothing_a_memory_port_does() -> None:
    class Later:
        def __await__(self) -> Any:
            yield

    async def waits() -> None:
        await Later()

    with pytest.raises(AssertionError, match="waited"):
        now(waits())


def test_a_network_loses_about_the_share_it_was_told_to() -> None:
    net = MemoryNet(random.Random(7), Link(loss=0.25))
    assert 0.2 < sum(net.delay("p00", "p01") is None for _ in range(2000)) / 2000 < 0.3
    assert not any(MemoryNet(random.Random(7)).delay("p00", "p01") is None for _ in range(100))
