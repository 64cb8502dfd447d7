"""What a peer knows of the chain."""

import pytest

from learnae.protocol.blockchain import Head


@pytest.mark.parametrize(
    ("after", "back"),
    [
        (Head("g", 7, "h7", 70), False),
        (Head("g", 8, "h8", 80), False),
        (Head("g", 6, "h6", 60), True),
        (Head("g", 7, "other", 70), True),
        (Head("other", 9, "h9", 90), True),
    ],
)
def test_a_chain_went_back_if_height_hash_or_genesis_say_so(after: Head, back: bool) -> None:
    assert Head("g", 7, "h7", 70).may_precede(after) is not back
