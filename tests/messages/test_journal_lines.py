"""What a peer signs stands for one journal of one peer."""

from tests.helpers.peers import config

from learnae.messages.codec import decode
from learnae.messages.foreign_json import from_json
from learnae.messages.journal_lines import journal_lines, journal_text
from learnae.protocol import events as on
from learnae.protocol.settings import PeerConfig
from learnae.protocol.types import Cid, PeerId, Score, Timer, Weights

CONFIG = config()
SCORED = on.ModelScored(2.0, 1, Weights(Cid("bafy"), "0123abcd"), Score(801, 1000))
ENTRIES: list[tuple[on.Event, str]] = [(on.Started(0.0), "0a"), (SCORED, "0b"), (on.SessionClosed(1e9 / 3), "0c")]
BETTER = on.ModelScored(2.0, 1, SCORED.weights, Score(802, 1000))
TEXT = journal_text("p00", CONFIG, ENTRIES)


Parts = tuple[str, PeerConfig, list[tuple[on.Event, str]]]
OTHERS: list[Parts] = [
    ("p01", CONFIG, ENTRIES),
    ("p00", config(peer=PeerId("you")), ENTRIES),
    ("p00", config(session=Cid("another")), ENTRIES),
    ("p00", config(slices=3), ENTRIES),
    ("p00", CONFIG, ENTRIES[:-1]),
    ("p00", CONFIG, [ENTRIES[0], (BETTER, "0b"), ENTRIES[2]]),
    ("p00", CONFIG, [ENTRIES[0], (SCORED, "0d"), ENTRIES[2]]),
    ("p00", CONFIG, [ENTRIES[0], (on.TimerFired(1.0, Timer.WORK), "0e"), *ENTRIES[1:]]),
]


def test_every_part_of_a_journal_changes_what_is_signed() -> None:
    assert len({TEXT, *(journal_text(*parts) for parts in OTHERS)}) == 1 + len(OTHERS)


def test_a_journal_that_was_written_and_read_again_is_the_one_that_was_signed() -> None:
    heading, *lines = (from_json(line) for line in journal_lines(CONFIG, ENTRIES))
    digests = [line.pop("digest") for line in lines]
    events: list[on.Event] = [decode(on.Event, line) for line in lines]
    again = decode(PeerConfig, heading["config"])
    assert journal_text("p00", again, zip(events, digests, strict=True)) == TEXT
