"""JSON text that is written in one step is that of the codec, and an object that occurs again is not written again."""

import math
from typing import Any

import pytest
from tests.messages.test_codec import HEARD, VALUES

from learnae.errors import Reason
from learnae.messages.codec import encode, to_json
from learnae.messages.json_text import Texts, json_text, number_text
from learnae.protocol.actions import Announce
from learnae.protocol.decisions import BooksClosed, PluginFailed
from learnae.protocol.events import ModelFetched, ModelReceived, RequestFailed, Started
from learnae.protocol.types import PeerId, Wei

MORE: list[Any] = [
    Started(0.0),
    ModelFetched(1e-7, 2**70),
    Started(3),  # an integer where a float is usual
    RequestFailed(1e22, 1, Reason.PLUGIN, PluginFailed("f.py:g", 3, 'says "no"\n\u2028 and é')),
    BooksClosed(1, 2, 3, 4, Wei(10**30), True),
    Announce(HEARD, ((PeerId("a"), "b"),)),
]


@pytest.mark.parametrize("value", [*(value for _, value in VALUES), *MORE], ids=lambda value: type(value).__name__)
def test_the_text_is_that_of_the_codec(value: Any) -> None:
    assert json_text(value, {}) == to_json(encode(value))


def test_what_was_written_is_written_again_only_where_it_is_the_same_object() -> None:
    texts: Texts = {}
    first, second = ModelReceived(1.0, HEARD), ModelReceived(2.0, HEARD)
    assert json_text(first, texts) == to_json(encode(first))
    texts[id(HEARD)] = HEARD, '"known"'
    assert json_text(second, texts) == '{"kind":"ModelReceived","at":2.0,"announcement":"known"}'
    assert '"known"' not in json_text(Announce(HEARD), texts)  # which names the class


def test_texts_keep_their_objects_so_that_no_other_one_gets_the_same_id() -> None:
    texts: Texts = {}
    json_text(ModelReceived(1.0, HEARD), texts)
    assert all(key == id(value) for key, (value, _) in texts.items())
    assert any(value is HEARD for value, _ in texts.values())


@pytest.mark.parametrize("number", [math.nan, math.inf, -math.inf])
def test_what_is_no_number_is_not_written(number: float) -> None:
    with pytest.raises(ValueError, match="JSON compliant"):
        number_text(number)
    with pytest.raises(ValueError, match="JSON compliant"):
        json_text(Started(number), {})
