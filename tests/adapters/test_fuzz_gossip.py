"""Random and mutated gossip on its real way: wire.decode, Peer.screen, Peer.handle, a journal on disk."""

import json
import random
import resource
import string
from collections import Counter
from collections.abc import Callable
from contextlib import closing
from dataclasses import dataclass, field, replace
from hashlib import sha256
from math import log
from pathlib import Path
from typing import Any

import pytest
from tests.helpers.peers import config

from learnae.adapters.memory import keys
from learnae.adapters.sqlite_journal import SqliteJournal
from learnae.errors import BadMessage, Reason
from learnae.messages.wire import cid_of, decode, encode
from learnae.protocol import actions as do
from learnae.protocol import events as on
from learnae.protocol.events import Announcement, IdentityAnnouncement, ModelAnnouncement
from learnae.protocol.replay import digest, new_peer, replay
from learnae.protocol.types import Address, Claim, ClaimFacts, ModelRef, PeerId, Poid, Score, Timer, TxHash, Weights

SESSION = cid_of(b"session")
ME, HONEST, OTHERS, KNOWN, EACH = keys("me")[0], 12, 40, 20, 30
PEERS = [keys(str(number)) for number in range(OTHERS)]
TEXT = string.ascii_letters + string.digits
WILD: list[Any] = [None, True, 0, -1, 1.5, 1e300, 2**63, 10**400, "", "x" * 3000, "\0", "\ud800", "é", [], {}, [[[]]]]
RSS = 48 << 10  # KiB that the last three quarters may add


def model(dice: random.Random, creator: PeerId, newest: int) -> ModelAnnouncement:
    step = dice.randrange(1, newest if dice.random() < 0.999 else 2**31)
    block = f"{creator} {step}".encode() if dice.random() < 0.9 else b"copied %d" % dice.randrange(20)
    return ModelAnnouncement(SESSION, ModelRef(creator, step, weights(block)), ())


def weights(block: bytes) -> Weights:
    return Weights(cid_of(block), sha256(block).hexdigest())


def claim(number: int) -> Claim:
    peer, wallet = PEERS[number]
    contract, tx, rows = Address(f"0x{number:040x}"), TxHash(f"0x{number:064x}"), f"{number:064x}"
    return Claim(Poid(peer, wallet), contract, tx, rows, f"proof{number}")


GOOD = {claim(number): PEERS[number] for number in range(HONEST)}


@dataclass
class Flood:
    """One peer, and all that others say to it.  What it asks for is answered, chains aside; the honest have claims."""

    journal: SqliteJournal
    dice: random.Random
    now: float = 0.0
    made: int = 0
    open: dict[int, do.Request] = field(default_factory=dict)
    heard: Counter[str] = field(default_factory=Counter)
    recent: list[bytes] = field(default_factory=lambda: [b"{}"])

    def __post_init__(self) -> None:
        self.config = settings()
        self.peer = new_peer(self.config)
        self.tell(on.Started(0.0))
        self.tell(on.TimerFired(100.0, Timer.START))

    def hear(self) -> None:
        self.now = max(100.0, self.now + self.dice.random() / 100)
        sender, message = self.message()
        try:
            announcement = decode(message)
        except BadMessage as error:
            self.heard[error.reason] += 1
            return
        assert encode(announcement) == message
        event = self.peer.screen(sender, announcement, self.now)
        if isinstance(event, Reason):
            self.heard[event] += 1
            return
        self.heard["journalled"] += 1
        assert admissible(sender, announcement)
        self.tell(event)
        self.answer_all()

    def message(self) -> tuple[PeerId, bytes]:
        """As gossip delivers it: the sender is known for sure, the rest is anything."""
        number = min(self.dice.randrange(OTHERS), self.dice.randrange(OTHERS))
        sender = PEERS[number][0]
        if self.dice.random() < 0.3:
            hint = f"/ip4/10.0.0.1/tcp/4001/p2p/{sender}"
            said: Announcement = IdentityAnnouncement(SESSION, claim(number), (hint,))
        else:
            said = model(self.dice, sender, 2 + self.heard.total() // 100)
        message = self.dice.choice(CHANGES)(self.dice, encode(said), self.recent)
        if self.dice.random() < 0.01:
            self.recent = [*self.recent[-50:], message]
        if self.dice.random() < 0.2:
            sender = self.dice.choice((ME, PEERS[self.dice.randrange(OTHERS)][0]))
        return keys(str(self.dice.random()))[0] if self.dice.random() < 0.001 else sender, message

    def tell(self, event: on.Event) -> None:
        self.now = max(self.now, event.at)
        actions = self.peer.handle(event)
        self.journal.append(event, digest(actions))
        self.open |= {action.request: action for action in actions if isinstance(action, do.Request)}

    def answer_all(self) -> None:
        for request in list(self.open.values()):
            if self.open.pop(request.request, None):
                self.tell(self.answer(request))

    def answer(self, request: do.Request) -> on.Event:
        at, id = self.now, request.request
        match request:
            case do.FetchModel(model=model) if model is None or self.dice.random() < 0.8:
                return on.ModelFetched(at, id)
            case do.StoreModel():
                return on.ModelStored(at, id)
            case do.ScoreModel() | do.TrainSlice() | do.AverageModels():
                self.made += 1
                made = weights(b"made %d" % self.made)
                return on.ModelScored(at, id, made, Score(500 - self.dice.randrange(200), 1000))
            case do.ReadClaim(claim=said) if said.contract in {each.contract for each in GOOD}:
                owner = next(each for each in GOOD if each.contract == said.contract)
                rank, ours = int(owner.contract, 16), said == owner
                facts = ClaimFacts(
                    owner.poid, rank, rank, 0, True, said.deploy_tx == owner.deploy_tx, ours, owner.poid.wallet
                )
                return on.ClaimRead(at, id, facts)
            case do.ReadClaim():
                return on.RequestFailed(at, id, Reason.NOT_FOUND)
        return on.RequestFailed(at, id, Reason.UNREACHABLE)


def settings() -> Any:
    bounds = {
        "max_peers": KNOWN,
        "max_announcements": EACH,
        "max_attempts_per_creator": 20,
        "patience": 10,
        "expected_identities": 50,
    }
    return replace(config(**bounds), peer=ME, session=SESSION, initial_weights=cid_of(b"initial"))


def admissible(sender: PeerId, announcement: Announcement) -> bool:
    """Whoever wrote it: it is of this session, of its sender, and not of this peer."""
    ours = announcement.session == SESSION and sender != ME
    return ours and (not isinstance(announcement, ModelAnnouncement) or announcement.model.creator == sender)


# what becomes of a message


def flipped(dice: random.Random, message: bytes, recent: list[bytes]) -> bytes:
    spoilt = bytearray(message)
    for _ in range(dice.randint(1, 4)):
        spoilt[dice.randrange(len(spoilt))] = dice.randrange(256)
    return bytes(spoilt)


def cut(dice: random.Random, message: bytes, recent: list[bytes]) -> bytes:
    return message[: dice.randrange(len(message) + 1)] + message[dice.randrange(len(message)) :]


def spliced(dice: random.Random, message: bytes, recent: list[bytes]) -> bytes:
    other = dice.choice(recent)
    return message[: dice.randrange(len(message))] + other[dice.randrange(len(other) + 1) :]


def typed(dice: random.Random, message: bytes, recent: list[bytes]) -> bytes:
    """One field of another type or value, one more, or one less."""
    body = json.loads(message)
    name = dice.choice([*body, "more"])
    if dice.random() < 0.2:
        body.pop(name, None)
    else:
        body[name] = dice.choice(WILD)
    return json.dumps(body, sort_keys=True, separators=(",", ":")).encode()


def exchanged(dice: random.Random, message: bytes, recent: list[bytes]) -> bytes:
    """One letter of a text for another, so that it may well be legal."""
    at = dice.randrange(len(message))
    return message[:at] + dice.choice(TEXT).encode() + message[at + 1 :] if chr(message[at]) in TEXT else message


def noise(dice: random.Random, message: bytes, recent: list[bytes]) -> bytes:
    return dice.randbytes(dice.choice((0, 1, 20, 200, 2048, 2049)))


def again(dice: random.Random, message: bytes, recent: list[bytes]) -> bytes:
    return dice.choice(recent)


def unchanged(dice: random.Random, message: bytes, recent: list[bytes]) -> bytes:
    return message


CHANGES: list[Callable[[random.Random, bytes, list[bytes]], bytes]] = [
    flipped, cut, spliced, typed, exchanged, exchanged, noise, again, unchanged, unchanged,
]  # fmt: skip


def flood(folder: Path, messages: int, seed: int) -> None:
    with closing(SqliteJournal(folder / "peer.sqlite", settings())) as journal:
        flood = Flood(journal, random.Random(seed))
        for _ in range(messages // 4):
            flood.hear()
        before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
        for _ in range(messages - messages // 4):
            flood.hear()
        grown = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before
        entries = journal.replay()
    peer, heard = flood.peer, flood.heard
    assert sum(heard.values()) == messages
    for reason in (Reason.MALFORMED, Reason.OVERSIZE, Reason.VERSION, Reason.SESSION, Reason.SENDER, Reason.PEER_LIMIT):
        assert heard[reason], reason
    for reason in (Reason.REPEAT, Reason.STALE, Reason.RATE_LIMIT):
        assert heard[reason], reason
    # nothing bad admitted
    honest = dict(PEERS[:HONEST])
    for known in peer._peer_book.peers:
        assert peer.status().payee(known) in (None, honest.get(known))
    for owner, wallet in honest.items():
        assert peer.status().payee(owner) in (None, wallet)
    # memory and journal bounded
    newcomers = KNOWN * (2 + log(messages / KNOWN))  # whom a reservoir of that size lets in, at most
    assert peer.status().peers_known <= KNOWN
    assert len(peer.status().directory) <= 3 * KNOWN
    assert 200 < heard["journalled"] <= newcomers * 2 * EACH
    assert len(entries) <= 12 * heard["journalled"] + 1000
    assert grown < RSS, f"{grown} KiB more"
    assert replay(flood.config, entries).outstanding() == peer.outstanding()


@pytest.mark.parametrize("seed", range(5))
def test_no_gossip_breaks_a_peer_or_fills_its_memory_or_its_journal(tmp_path: Path, seed: int) -> None:
    flood(tmp_path, 10_000, seed)


@pytest.mark.soak
def test_a_million_messages_break_no_peer_and_fill_neither_memory_nor_journal(tmp_path: Path) -> None:
    flood(tmp_path, 1_000_000, seed=5)
