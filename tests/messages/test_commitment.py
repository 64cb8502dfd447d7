"""A commitment stands for one salt and one table of rows."""

import re

from learnae.messages.commitment import commit
from learnae.messages.wire import COMMITMENT


def test_a_commitment_has_the_form_that_claims_require() -> None:
    assert re.fullmatch(COMMITMENT, commit("salt", 1, bytes(4), bytes(8)).digest)


def test_every_part_of_the_rows_and_the_salt_changes_the_digest() -> None:
    features, labels = bytes(range(16)), bytes(16)
    digests = {
        commit("salt", 2, features, labels).digest,
        commit("another salt", 2, features, labels).digest,
        commit("salt", 1, features, labels).digest,
        commit("salt", 2, features[::-1], labels).digest,
        commit("salt", 2, features, labels[:8]).digest,
        commit("salt", 2, features + labels[:8], labels[8:]).digest,
    }
    assert len(digests) == 6
