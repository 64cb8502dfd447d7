"""The suite of ``ports.Journal``.  An implementation supplies the fixture ``world``: a journal that can be reopened."""

from typing import Protocol

from learnae.errors import Reason
from learnae.ports import Journal
from learnae.protocol import events as on
from learnae.protocol.blockchain import Head, Receipt, Signed
from learnae.protocol.events import ModelAnnouncement
from learnae.protocol.policies import ModelForged
from learnae.protocol.types import (
    Address,
    Cid,
    Claim,
    ClaimFacts,
    ModelRef,
    PeerId,
    Poid,
    Score,
    Timer,
    TxHash,
    Weights,
)

WEIGHTS = Weights(Cid("bafy"), "0123abcd")
POID = Poid(PeerId("12D3KooW"), Address("0x" + "ab" * 20))
CLAIM = Claim(POID, Address("0x" + "cd" * 20), TxHash("0x" + "ef" * 32), "ab" * 32, "signature")
HEAD = Head("0xgenesis", 7, "0xhead", 1_700_000_000)
RECEIPT = Receipt(TxHash("0x01"), 6, True, Address("0x" + "cd" * 20))
EVENTS: tuple[on.Event, ...] = (
    on.Started(0.0),
    on.TimerFired(0.1, Timer.WORK),
    on.ModelReceived(
        0.30000000000000004, ModelAnnouncement(Cid("s"), ModelRef(POID.peer, 3, WEIGHTS), ("/ip4/1.2.3.4",))
    ),
    on.ClaimReceived(1.0, POID.peer, CLAIM, ()),
    on.ModelFetched(1.0, 1),
    on.ModelStored(2.0, 2),
    on.ModelScored(2.0, 3, WEIGHTS, Score(801, 1000)),
    ModelForged(2.0, 4, WEIGHTS),
    on.TransactionSigned(3.0, 5, Signed(0, '{"raw": "text"}', TxHash("0x01"), "0xgenesis")),
    on.TransactionSent(3.0, 6),
    on.ReceiptsRead(4.0, 7, HEAD, (RECEIPT, None)),
    on.ClaimSigned(5.0, 8, "signature"),
    on.ClaimRead(6.0, 9, ClaimFacts(POID, 1_700_000_001, 2, 0, True, True, False, POID.wallet)),
    on.RequestFailed(7.0, 10, Reason.UNREACHABLE),
    on.ChainRolledBack(8.0, HEAD),
    on.SessionClosed(1e9 / 3),
)
ENTRIES = [(event, f"{number:016x}") for number, event in enumerate(EVENTS)]


class JournalWorld(Protocol):
    journal: Journal

    def reopen(self) -> Journal:
        """What the next process finds after this one was killed."""
        ...


class JournalSuite:
    def test_a_new_journal_is_empty(self, world: JournalWorld) -> None:
        assert world.journal.replay() == []

    def test_events_of_every_kind_come_back_equal_and_in_order(self, world: JournalWorld) -> None:
        for event, digest in ENTRIES:
            world.journal.append(event, digest)
        assert world.journal.replay() == ENTRIES

    def test_what_was_appended_survives_a_kill(self, world: JournalWorld) -> None:
        for event, digest in ENTRIES:
            world.journal.append(event, digest)
        assert world.reopen().replay() == ENTRIES

    def test_entries_that_need_not_be_durable_are_so_with_the_next_one(self, world: JournalWorld) -> None:
        for event, digest in ENTRIES[:2]:
            world.journal.append(event, digest, durable=False)
        assert world.journal.replay() == ENTRIES[:2]
        world.journal.append(*ENTRIES[2])
        assert world.reopen().replay() == ENTRIES[:3]

    def test_a_reopened_journal_is_continued(self, world: JournalWorld) -> None:
        world.journal.append(*ENTRIES[0])
        world.reopen().append(*ENTRIES[1])
        assert world.reopen().replay() == ENTRIES[:2]

    def test_a_replay_is_a_copy(self, world: JournalWorld) -> None:
        world.journal.append(*ENTRIES[0])
        world.journal.replay().clear()
        assert world.journal.replay() == ENTRIES[:1]
