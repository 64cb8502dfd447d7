"""Live peers on memory ports and a real clock."""

import asyncio
from collections.abc import Callable, Iterable, Iterator
from dataclasses import replace
from typing import Any

import pytest
from tests.helpers.peers import config
from tests.helpers.stages import Stage, all_of, leave

from learnae.adapters.memory import MemoryJournal, MemoryKey, keys
from learnae.adapters.memory_chain import MemoryChain
from learnae.adapters.sqlite_journal import SqliteJournal, read_journal
from learnae.analysis.checks import verdict
from learnae.errors import PortError, Reason
from learnae.messages.journal_lines import journal_text
from learnae.ports import Chain, Gossip, Performed
from learnae.protocol.blockchain import Head, Receipt
from learnae.protocol.decisions import DebtChanged, DebtState, RolledBack, WorkState
from learnae.protocol.events import Announcement, ModelAnnouncement, SessionClosed
from learnae.protocol.types import TxHash
from learnae.records.history import Fact, History, SessionEnded
from learnae.records.outcome import EndedBy
from learnae.runtime import journal_signature
from learnae.runtime.history_from_journals import ReplayedJournal, merged
from learnae.runtime.live import LivePeer


def final_debts(peers: Iterable[LivePeer]) -> Iterator[DebtChanged]:
    return (debt for peer in peers for debt in peer.peer.status().debts if debt.state is DebtState.FINAL)


def test_a_live_session_ends_quiet_and_valid(staged: Callable[..., Stage]) -> None:
    stage = staged()
    stage.begin()
    assert asyncio.run(all_of(stage.peers())) == ["quiet"] * 3
    stage.end(EndedBy.QUIET)
    found = verdict(stage.history)
    assert found["verdict"] == "valid", found["checks"]
    assert found["summary"]["payments_per_peer"]["max"] >= 1


def test_no_action_is_performed_before_its_event_is_on_the_disk_and_events_go_there_together(
    staged: Callable[..., Stage],
) -> None:
    stage = staged()
    peers = stage.peers()
    first, journal = peers[0], peers[0].journal
    assert isinstance(journal, SqliteJournal)
    on_disk, statements = list[bool](), list[str]()

    def look(now: float, peer: str, item: Fact) -> None:
        on_disk.append(len(read_journal(journal.path).entries) == len(journal.replay()))

    first.observers += (look,)
    journal.connection.set_trace_callback(statements.append)
    asyncio.run(all_of(peers))
    assert len(on_disk) > 10 and all(on_disk)
    assert 10 < statements.count("COMMIT") < len(journal.replay())


def test_a_stopped_peer_comes_back_from_its_journal_and_finishes(staged: Callable[..., Stage]) -> None:
    stage = staged()
    stage.begin()

    async def play() -> list[str]:
        first, *others = stage.peers()
        async with asyncio.TaskGroup() as group:
            tasks = [group.create_task(peer.run()) for peer in others]
            leaving = group.create_task(first.run())
            await stage.when(lambda: first.peer.status().slices_trained >= 1)
            await leave(first, leaving)
            back = stage.peer(first.name)
            assert back.peer.status().slices_trained >= 1
            tasks.append(group.create_task(back.run()))
        return [task.result() for task in tasks]

    assert asyncio.run(play()) == ["quiet"] * 3
    stage.end(EndedBy.QUIET)
    found = verdict(stage.history)
    assert found["verdict"] == "valid", found["checks"]


def test_the_journals_alone_give_the_whole_history(staged: Callable[..., Stage]) -> None:
    """Also what a crash would have kept from the observers: it is told from what was on the disk before."""
    stage = staged()
    stage.begin()
    peers = stage.peers()
    assert asyncio.run(all_of(peers)) == ["quiet"] * 3
    stage.end(EndedBy.QUIET)
    told = {
        peer.name: ReplayedJournal.of(peer.name, read_journal(stage.folder / f"{peer.name}.sqlite")) for peer in peers
    }
    again = merged(stage.session, stage.simulation.setup.members, told)
    assert again[0] == stage.recording.records[0]
    assert again[-1].fact == SessionEnded(EndedBy.QUIET)
    for peer in peers:
        observed = [record.fact for record in stage.recording.records if record.peer == peer.name]
        assert [record.fact for record in again if record.peer == peer.name] == observed
    found = verdict(History(again, stage.history.chain))
    assert found["verdict"] == "valid", found["checks"]


def test_a_session_whose_peers_did_not_all_come_to_their_end_has_no_end(staged: Callable[..., Stage]) -> None:
    stage = staged(max_duration=0.5, linger=60.0)
    peers = stage.peers()
    assert asyncio.run(all_of(peers)) == ["max_duration"] * 3
    told = {
        peer.name: ReplayedJournal.of(peer.name, read_journal(stage.folder / f"{peer.name}.sqlite")) for peer in peers
    }
    assert merged(stage.session, stage.simulation.setup.members, told)[-1].fact == SessionEnded(EndedBy.MAX_DURATION)
    del told["p01"]
    assert History(merged(stage.session, stage.simulation.setup.members, told)).ended_by is None


def test_blocks_that_are_replaced_at_the_same_height_are_noticed_where_the_chain_can_tell(
    staged: Callable[..., Stage],
) -> None:
    stage = staged()
    asked: list[Head] = []

    async def replaced_once(head: Head) -> bool:
        asked.append(head)
        return len(asked) != 3

    async def play() -> None:
        first, *others = stage.peers()
        first.holds = replaced_once
        await all_of([first, *others])

    asyncio.run(play())
    assert [record.peer for record in stage.recording.records if isinstance(record.fact, RolledBack)] == ["p00"]
    assert len(asked) > 3


class GoesBackUnwatched:
    """A chain that once, when it has told a receipt, goes back to where it was looked at last, until the next look."""

    def __init__(self, chain: Chain, ledger: MemoryChain) -> None:
        self.chain, self.ledger = chain, ledger
        self.looked, self.told, self.back = 0, False, False
        self.reader: object = None

    async def receipt(self, hash: TxHash) -> Receipt | None:
        found = await self.chain.receipt(hash)
        self.reader = asyncio.current_task() if found else None
        return found

    async def head(self) -> Head:
        head = await self.chain.head()
        if self.reader is asyncio.current_task():
            self.told = self.told or head.height > self.looked
            return head
        if self.told and not self.back:
            self.ledger.roll_back(head.height - self.looked)
            self.back, head = True, await self.chain.head()
        self.looked = head.height
        return head

    def __getattr__(self, name: str) -> Any:
        return getattr(self.chain, name)


def test_a_chain_that_only_receipts_saw_higher_is_noticed_when_it_goes_back(staged: Callable[..., Stage]) -> None:
    stage = staged()

    async def play() -> None:
        first, *others = stage.peers()
        chain = GoesBackUnwatched(first.ports.chain, stage.simulation.ledger)
        first.ports = replace(first.ports, chain=chain)
        await all_of([first, *others])
        assert chain.back

    asyncio.run(play())
    assert "p00" in {record.peer for record in stage.recording.records if isinstance(record.fact, RolledBack)}


def test_a_dead_chain_pauses_payments_and_nothing_else(staged: Callable[..., Stage]) -> None:
    stage = staged(start={"peers": 1, "timeout": 0.1})

    async def play() -> None:
        stage.simulation.ledger.stall()
        peers = stage.peers()
        async with asyncio.TaskGroup() as group:
            tasks = [group.create_task(peer.run()) for peer in peers]
            await stage.when(lambda: all(peer.peer.status().work is WorkState.DONE for peer in peers))
            assert not any(final_debts(peers))
            stage.simulation.ledger.resume()
        assert [task.result() for task in tasks] == ["quiet"] * 3

    asyncio.run(play())


def test_a_rolled_back_chain_is_noticed_and_everybody_is_paid_once(staged: Callable[..., Stage]) -> None:
    stage = staged()
    stage.begin()

    async def play() -> list[str]:
        peers = stage.peers()
        async with asyncio.TaskGroup() as group:
            tasks = [group.create_task(peer.run()) for peer in peers]
            await stage.when(lambda: any(final_debts(peers)))
            stage.simulation.ledger.roll_back(3)
        return [task.result() for task in tasks]

    assert asyncio.run(play()) == ["quiet"] * 3
    stage.end(EndedBy.QUIET)
    found = verdict(stage.history)
    assert found["verdict"] == "valid", found["checks"]


def test_a_session_that_is_closed_gives_up_open_debts(staged: Callable[..., Stage]) -> None:
    stage = staged(linger=60.0, start={"timeout": 1.0})  # nobody can register
    stage.simulation.ledger.stall()

    async def play() -> None:
        peers = stage.peers()
        async with asyncio.TaskGroup() as group:
            tasks = [group.create_task(peer.run()) for peer in peers]
            await stage.when(lambda: any(peer.peer.status().debts for peer in peers))
            for peer in peers:
                peer.close()
        assert [task.result() for task in tasks] == ["closed"] * 3
        assert all(debt.state is DebtState.UNCLAIMED for peer in peers for debt in peer.peer.status().debts)
        for peer in peers:
            assert isinstance(peer.journal, SqliteJournal)
            config, entries, _, signature = read_journal(peer.journal.path)
            assert isinstance(entries[-1][0], SessionClosed) and signature
            assert peer.ports.key.verify(config.peer, journal_text(peer.name, config, entries), signature)

    asyncio.run(play())


def test_every_call_of_a_port_is_timed_with_the_reason_of_its_failure(staged: Callable[..., Stage]) -> None:
    stage = staged()
    timed: list[Performed] = []

    async def play() -> None:
        first, *others = stage.peers()
        first.stopwatches = (lambda peer, performed: timed.append(performed),)
        async with asyncio.TaskGroup() as group:
            for peer in (first, *others):
                group.create_task(peer.run())
            await stage.when(lambda: first.peer.status().slices_trained >= 1)
            stage.simulation.ledger.stall()
            await stage.when(lambda: first.peer.status().work is WorkState.DONE)
            stage.simulation.ledger.resume()

    asyncio.run(play())
    answered = {each.action for each in timed if not each.failed}
    assert {"FetchModel", "StoreModel", "TrainSlice", "AverageModels", "Announce", "ReadHead"} <= answered
    assert any(each.action == "ReadHead" and each.failed for each in timed)
    assert all(each.bytes for each in timed if each.action in ("FetchModel", "StoreModel") and not each.failed)
    assert all(each.seconds >= 0 for each in timed)


def test_an_endless_session_ends_at_max_duration(staged: Callable[..., Stage]) -> None:
    stage = staged(max_duration=0.5, linger=60.0)
    assert asyncio.run(all_of(stage.peers())) == ["max_duration"] * 3


class HangingGossip:
    """Says nothing to the end until it may; what it was to say is there."""

    def __init__(self, gossip: Gossip) -> None:
        self.gossip, self.begun = gossip, list[Announcement]()
        self.may, self.four = asyncio.Event(), asyncio.Event()

    async def publish(self, announcement: Announcement) -> None:
        self.begun.append(announcement)
        if len(self.begun) == 4:
            self.four.set()
        await self.may.wait()

    def __getattr__(self, name: str) -> Any:
        return getattr(self.gossip, name)


def test_of_announcements_that_cannot_be_published_the_newest_of_each_topic_waits(staged: Callable[..., Stage]) -> None:
    stage = staged(network={"announce_every": 0.02}, start={"peers": 1, "timeout": 0.1}, linger=60.0)

    async def play() -> None:
        peer = stage.peer("p00")
        peer.gossip = gossip = HangingGossip(peer.gossip)
        async with asyncio.TaskGroup() as group:
            life = group.create_task(peer.run())
            await stage.when(lambda: peer.peer.status().work is WorkState.DONE)
            assert len(gossip.begun) <= 2  # the identity may be on its way to the chain
            gossip.may.set()
            await gossip.four.wait()
            peer.stop()
            assert await life == "stopped"
        published = peer.peer.status().published
        assert published and published.step > 1
        assert {each.model for each in gossip.begun[2:] if isinstance(each, ModelAnnouncement)} == {published}

    asyncio.run(play())


class BusyKey(MemoryKey):
    """A key whose node does not answer a number of times."""

    def __init__(self, busy: int) -> None:
        super().__init__({}, keys("busy")[0])
        self.busy = busy

    async def sign(self, message: bytes) -> str:
        self.busy -= 1
        if self.busy >= 0:
            raise PortError(Reason.TIMEOUT)
        return await super().sign(message)


@pytest.mark.parametrize(("busy", "signs"), [(2, True), (10**9, False)])
def test_a_busy_node_is_asked_again_and_one_that_is_down_ends_the_session_without_a_signature(
    monkeypatch: pytest.MonkeyPatch, busy: int, signs: bool
) -> None:
    monkeypatch.setattr(journal_signature, "PAUSE", 0.0)
    monkeypatch.setattr(journal_signature, "PATIENCE", 10.0 if signs else 0.01)
    last = SessionClosed(1.0), "digest"
    sign = journal_signature.journal_signature("p00", BusyKey(busy), config(), MemoryJournal(), last)
    assert (asyncio.run(sign) is not None) is signs
