"""Whole stories, told event by event: what a peer does about each is in ``transcripts/*.txt``, to be read as prose.

A block is what happens, ``----``, and the actions.  ``peer(...)`` makes the peer; ``hear(...)`` is gossip from the
creator or owner it names; ``TrainSlice`` in the place of a request's id is the oldest open request of that kind.
"""

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from tests.helpers import peers

from learnae import errors
from learnae.errors import Reason
from learnae.protocol import actions, events, settings, types
from learnae.protocol.actions import Announce, RecordDecision, SetTimer
from learnae.protocol.peer import Peer
from learnae.protocol.replay import new_peer

FOLDER = Path(__file__).parent / "transcripts"
WORDS = {**vars(types), **vars(settings), **vars(errors), **vars(actions), **vars(events), **vars(peers)}


class Story:
    def __init__(self) -> None:
        self.now = 0.0
        self.peer: Peer

    def run(self, line: str) -> list[Any]:
        told = eval(line, {**WORDS, "peer": self.begin, "hear": self.hear})
        if told is None or isinstance(told, Reason):
            return ["dropped: " + told] if told else []
        if isinstance(getattr(told, "request", None), type):
            told = replace(told, request=self.oldest(told.request))
        self.now = told.at
        return self.peer.handle(told)

    def begin(self, **settings: Any) -> None:
        self.peer = new_peer(peers.config(**settings))

    def hear(self, at: float, announcement: events.Announcement, sender: str = "") -> events.Event | Reason:
        """``sender`` is told only where somebody speaks of another."""
        model = isinstance(announcement, events.ModelAnnouncement)
        named = announcement.model.creator if model else announcement.claim.poid.peer  # type: ignore[union-attr]
        return self.peer.screen(types.PeerId(sender or named), announcement, at)

    def oldest(self, kind: type) -> int:
        open = [each for each in self.peer.outstanding() if not isinstance(each, SetTimer | RecordDecision | Announce)]
        return next(each.request for each in open if isinstance(each, kind))


def told_anew(text: str) -> str:
    """The same story with the actions of today's core."""
    return "\n".join(_blocks(text))


def _blocks(text: str) -> Iterator[str]:
    story = Story()
    for block in text.strip("\n").split("\n\n"):
        what = block.split("\n----")[0].strip("\n")
        yield what
        code = "\n".join(line for line in what.splitlines() if not line.startswith("#"))
        if code:
            yield "----"
            yield from (action if isinstance(action, str) else repr(action) for action in story.run(code))
        yield ""


@pytest.mark.parametrize("path", sorted(FOLDER.glob("*.txt")), ids=lambda path: path.stem)
def test_a_story_goes_as_it_was_told(path: Path, request: pytest.FixtureRequest) -> None:
    text = path.read_text()
    anew = told_anew(text)
    if request.config.getoption("--rewrite", False):
        path.write_text(anew)
    assert anew == path.read_text()


def test_there_are_stories() -> None:
    assert len(list(FOLDER.glob("*.txt"))) >= 6
