"""Row blocks of an open session (section 1.1: "nodes can also exchange training data"): published, fetched, handed out.

A row block is one more kind of announced block.  Rules:
1. A peer with rows publishes each of its slices once: packed, signed with its IPFS key, stored, announced.  Validation
   and test rows are in no slice.
2. An announcement counts only with the creator's signature, which the driver verifies.  The sender may be another.
3. Trainers, profiteers and keepers fetch announced blocks in random order, ``AHEAD`` at a time.  Their number is
   limited, per creator and in all.  What a keeper fetched it only serves.
4. A peer that follows the feed finds the rows of each verified reading in its own store, as a block of the sensor.  It
   announces them as long as it runs, whatever its role, and waits for no room to take them.
5. Each fetched block is trained on once.  The next slice of a peer is drawn uniformly from its own slices that are
   left, in their order, and the blocks at hand.
"""

from collections.abc import Callable
from dataclasses import dataclass, field, replace
from functools import partial
from random import Random

from learnae.errors import Reason
from learnae.protocol import actions as do
from learnae.protocol import events as on
from learnae.protocol.decisions import FetchFailed
from learnae.protocol.delivery import Delivery
from learnae.protocol.policies import Role
from learnae.protocol.requests import Requests
from learnae.protocol.row_types import (
    PackRows,
    RowBlock,
    RowsAnnouncement,
    RowsFetched,
    RowsForwarded,
    RowsPacked,
    RowsPublished,
    RowsSigned,
    SignRows,
)
from learnae.protocol.rules import Rule
from learnae.protocol.settings import PeerConfig
from learnae.protocol.types import Cid, Timer

AHEAD = 3  # blocks at hand or on their way


@dataclass(slots=True)
class KnownRows:
    announcement: RowsAnnouncement
    delivery: Delivery = field(default_factory=Delivery)

    @property
    def block(self) -> RowBlock:
        return self.announcement.rows


class RowBlocks(Rule):
    """``arrived`` is called when a block is at hand to train on."""

    def __init__(self, config: PeerConfig, rng: Random, requests: Requests, arrived: Callable[[], None]) -> None:
        self._config, self._rng, self._requests, self._arrived = config, rng, requests, arrived
        self.publishes = not config.privacy and config.role in (Role.TRAINER, Role.PROVIDER)
        self.trains = not config.privacy and config.role in (Role.TRAINER, Role.PROFITEER)
        self._published: list[RowsAnnouncement] = []
        self._unsigned: RowBlock | None = None  # packed, not announced
        self._signature = ""
        self._packing_failed = False  # since the last announcements
        self.known: dict[Cid, KnownRows] = {}  # of others
        self._missing: dict[Cid, KnownRows] = {}  # the part of ``known`` that has not arrived
        self.ready: list[RowBlock] = []  # fetched and not trained on
        self.taken: list[RowBlock] = []  # trained on, or refused

    @property
    def received(self) -> int:
        """Blocks that were or will be slices of this peer's training."""
        return len(self.taken) + len(self.ready)

    @property
    def expected(self) -> bool:
        """Whether rows are to be published, or a block is on its way that has not failed before."""
        fetched = [request.cid for request in self._requests.open(do.FetchModel)]
        on_their_way = any(cid in self.known and not self.known[cid].delivery.failures for cid in fetched)
        return on_their_way or self._publishing

    @property
    def at_rest(self) -> bool:
        """Whether all own slices are published, and all known blocks have arrived or were given up."""
        return not self._publishing and all(known.delivery.given_up for known in self._missing.values())

    @property
    def accepts_more(self) -> bool:
        """Whether a new block of another peer may be worth an event."""
        return (self._collects or bool(self._config.sensors)) and len(self.known) < self._config.network.max_row_blocks

    @property
    def announced(self) -> frozenset[Cid]:
        return frozenset(announcement.rows.cid for announcement in (*self._published, *self._forwarded))

    @property
    def known_cids(self) -> frozenset[Cid]:
        """The blocks whose announcement by another peer changes nothing."""
        return self.announced | self.known.keys()

    @property
    def cids(self) -> list[Cid]:
        """The blocks that this peer holds."""
        own = [announcement.rows.cid for announcement in self._published] + [b.cid for b in (self._unsigned,) if b]
        return own + [cid for cid in self.known if cid not in self._missing]

    def screen(self, announcement: RowsAnnouncement) -> Reason | None:
        """Why an announced block is not worth an event; None if it is."""
        block, known = announcement.rows, self.known.get(announcement.rows.cid)
        if known:
            return Reason.REPEAT if known.block == block else Reason.COPY
        if block.creator == self._config.peer or block.cid in self.cids:
            return Reason.COPY
        of_creator = sum(other.block.creator == block.creator for other in self.known.values())
        full = of_creator >= self._config.network.max_row_blocks_per_creator or not self.accepts_more
        wanted = self._collects or block.creator in self._config.sensors
        return None if wanted and not full else Reason.RATE_LIMIT

    def receive(self, announcement: RowsAnnouncement) -> None:
        cid = announcement.rows.cid
        if cid not in self.known:
            self.known[cid] = self._missing[cid] = KnownRows(announcement)

    def draw(self, own_left: int) -> RowBlock | None:
        """The block that is the next slice; None for an own slice.  At least one slice must be left."""
        number = self._rng.randrange(own_left + len(self.ready)) if self.ready else 0
        if not self.ready or number < own_left:
            return None
        block = self.ready.pop(number - own_left)
        self.taken.append(block)
        return block

    # answers

    def answered(self, request: do.Request, event: on.Answer) -> None:
        match event, request:
            case RowsPacked(), _:
                self._packed(event)
            case RowsSigned(), _:
                self._signature = event.signature
                self._publish()
            case on.ModelStored(), do.StoreModel():
                self.stored(request.cid)
            case on.ModelFetched(), do.FetchModel(model=RowBlock() as block):
                self.fetched(block)
            case on.RequestFailed(), do.FetchModel(model=RowBlock() as block):
                self._requests.record(FetchFailed(block.creator, block.cid, event.reason))
                self.known[block.cid].delivery.fail(self._requests.now, self._requests.now)
            case on.RequestFailed(), PackRows():
                self._packing_failed = True  # it is tried again with the next announcements

    def fetched(self, block: RowBlock) -> None:
        del self._missing[block.cid]
        self._requests.record(RowsFetched(block.creator, block.cid))
        if block.creator in self._config.sensors:
            self._requests.record(RowsForwarded(block.creator, block.number, block.cid))
            self._requests.emit(do.Announce(replace(self.known[block.cid].announcement, addresses=())))
        if self.trains:
            self.ready.append(block)
            self.ready.sort(key=lambda block: block.cid)
            self._arrived()

    def stored(self, cid: Cid) -> None:
        block = self._unsigned
        if block and block.cid == cid and self._signature:
            self._published.append(RowsAnnouncement(self._config.session, block, self._signature))
            self._requests.record(RowsPublished(block.number, cid))
            self._requests.emit(do.Announce(self._published[-1]))
            self._unsigned = None

    # time

    def announce(self) -> None:
        """Announce all own blocks and those of sensors again; continue a publication that failed."""
        for announcement in (*self._published, *self._forwarded):
            self._requests.emit(do.Announce(announcement))
        self._packing_failed = False
        self._publish()

    def publish_and_fetch(self) -> None:
        """Pack the next own slice, if the trainer has nothing to do; fetch blocks."""
        packs = self._publishing and not self._unsigned and not self._packing_failed
        if packs and self._requests.trainer_is_free:
            pack = partial(PackRows, slice=len(self._published), flips=self._config.flips)
            self._requests.issue(pack)
        if not self._missing:
            return
        now, fetching = self._requests.now, {request.cid for request in self._requests.open(do.FetchModel)}
        missing = [known for cid, known in self._missing.items() if cid not in fetching]
        missing = [known for known in missing if not known.delivery.given_up]
        due = [known for known in missing if known.delivery.not_before <= now]
        for known in due:
            if known.block.creator in self._config.sensors:
                self._fetch(known)
        due = [known for known in due if known.block.creator not in self._config.sensors]
        on_their_way = sum(cid in self.known for cid in fetching)
        while due and on_their_way + len(self.ready) < AHEAD:
            on_their_way += 1
            self._fetch(due.pop(self._rng.randrange(len(due))))
        later = [known.delivery.not_before - now for known in missing if known.delivery.not_before > now]
        timer = self._requests.due(Timer.FETCH)
        if later and (timer is None or timer > now + min(later)):
            self._requests.set_timer(Timer.FETCH, min(later))

    # private

    def _packed(self, event: RowsPacked) -> None:
        self._unsigned, self._signature = RowBlock(self._config.peer, len(self._published) + 1, event.cid), ""
        self._publish()

    def _fetch(self, known: KnownRows) -> None:
        block, hints = known.block, known.announcement.addresses
        self._requests.issue(partial(do.FetchModel, cid=block.cid, model=block, hints=hints))

    @property
    def _collects(self) -> bool:
        """Whether it takes blocks of all creators."""
        return self.trains or (self._config.role is Role.KEEPER and not self._config.privacy)

    @property
    def _forwarded(self) -> list[RowsAnnouncement]:
        """The announcements of sensors' blocks that have arrived."""
        arrived = (known for cid, known in self.known.items() if cid not in self._missing)
        forwarded = (known.announcement for known in arrived if known.block.creator in self._config.sensors)
        return [replace(announcement, addresses=()) for announcement in forwarded]

    @property
    def _publishing(self) -> bool:
        """Whether own slices are left to publish."""
        return self.publishes and len(self._published) < self._config.work.slices

    def _publish(self) -> None:
        """Ask for the next step of the publication under way."""
        block = self._unsigned
        storing = [request.cid for request in self._requests.open(do.StoreModel)]
        if block is None or self._requests.waits_for(SignRows) or block.cid in storing:
            return
        if self._signature:
            self._requests.issue(partial(do.StoreModel, cid=block.cid))
        else:
            sign = partial(SignRows, cid=block.cid, number=block.number, session=self._config.session)
            self._requests.issue(sign)
