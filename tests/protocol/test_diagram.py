"""The transition tables at the head of the peer are the ones that run."""

import re

import pytest

from learnae.protocol import peer
from learnae.protocol.transitions import IDENTITY, WORK

MACHINES = {
    "work": {(before.name, cause, after.name) for (before, cause), after in WORK.items()},
    "identity": {(before.name, cause, after.name) for (before, cause), after in IDENTITY.items()},
}


def arrows(text: str) -> set[tuple[str, str, str]]:
    """``A | B --one | other--> C --next--> D``, several a line, notes in parentheses."""
    found = set()
    for chain in re.split(r" {4,}|\n", re.sub(r"\([^)]*\)", "", text)):
        parts = [[each.strip() for each in part.split("|")] for part in re.split(r"--(?=\w)|(?<=\w)-->| -->", chain)]
        for befores, causes, afters in zip(parts[::2], parts[1::2], parts[2::2], strict=False):
            found |= {(before, cause, after) for before in befores for cause in causes for after in afters}
    return found


@pytest.mark.parametrize("name", MACHINES)
def test_the_machine_at_the_head_of_the_peer_is_the_one_that_runs(name: str) -> None:
    described = re.search(rf"^    {name} +((?:.+\n)+?)(?=    \w|\n)", peer.__doc__ or "", re.MULTILINE)
    assert described
    assert arrows(described[1]) == MACHINES[name]
