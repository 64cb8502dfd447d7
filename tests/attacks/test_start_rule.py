"""Attack: somebody announces identities that the chain does not have, to begin a session before its peers are there."""

from functools import partial
from typing import Any

import pytest
from tests.helpers.swarms import Faults, Run, run

from learnae.protocol.decisions import WorkBegan
from learnae.protocol.events import IdentityAnnouncement
from learnae.protocol.types import Address, Claim, PeerId, Poid, TxHash
from learnae.runtime.simulator import Simulator

LATE = 20.0  # s after which the last of six peers joins
SESSION: dict[str, Any] = {
    "peers": 6,
    "groups": [{"count": 5}, {"count": 1, "joins_at": LATE}],
    "data": {"rows": 500},
    "work": {"slices": 2, "patience": 2},
    "start": {"timeout": 60.0},
}


def announces(identities: int) -> Faults:
    """``identities`` claims to contracts that nobody deployed, each from an id of its own."""

    def attack(simulator: Simulator) -> None:
        for number in range(identities):
            simulator.at(1.0 + number / 10, partial(announce, simulator, number))

    def announce(simulator: Simulator, number: int) -> None:
        sender = PeerId(f"nobody {number}")
        poid = Poid(sender, Address(f"wallet {number}"))
        claim = Claim(poid, Address(f"contract {number}"), TxHash(f"deployment {number}"), "rows", "proof")
        for host in simulator.hosts.values():
            simulator.receive(host, sender, IdentityAnnouncement(host.config.session, claim, ()))

    return attack


def begun(session: Run) -> dict[str, tuple[float, WorkBegan]]:
    return {record.peer: (record.t, fact) for record, fact in session.history.facts(WorkBegan)}


@pytest.mark.parametrize("identities", [1, 20])
def test_identities_that_the_chain_does_not_have_neither_begin_a_session_nor_delay_it(identities: int) -> None:
    calm, attacked = begun(run(SESSION)), begun(run(SESSION, announces(identities)))
    assert all(t > LATE and not fact.timed_out and fact.identities == 6 for t, fact in attacked.values())
    assert {peer: t for peer, (t, _) in attacked.items()} == pytest.approx({p: t for p, (t, _) in calm.items()}, abs=1)
