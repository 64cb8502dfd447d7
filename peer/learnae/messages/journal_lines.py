"""A journal as lines of JSON, and what its peer signs when it leaves: the same for every backend."""

import hashlib
from collections.abc import Iterable, Iterator

from learnae.messages.codec import encode, to_json
from learnae.messages.json_text import Texts, json_text
from learnae.protocol.events import Event
from learnae.protocol.peer import VERSION
from learnae.protocol.settings import PeerConfig


def journal_lines(
    config: PeerConfig, entries: Iterable[tuple[Event, str]], texts: Texts | None = None
) -> Iterator[str]:
    """A heading, and each event with the digest of its actions.

    ``texts``: shared by several journals whose events share objects; their texts are kept as long as it is.
    """
    yield to_json({"core": VERSION, "config": encode(config)})
    for event, digest in entries:
        text = json_text(event, {} if texts is None else texts)
        yield f'{{"digest":{to_json(digest)},{text[1:]}'


def journal_text(name: str, config: PeerConfig, entries: Iterable[tuple[Event, str]]) -> bytes:
    """What the peer called ``name`` signs with its IPFS key: a digest of its whole journal."""
    digest = hashlib.sha256()
    for line in journal_lines(config, entries):
        digest.update(line.encode() + b"\n")
    return "\n".join(("learnae journal 1", config.session, config.peer, name, digest.hexdigest())).encode()
