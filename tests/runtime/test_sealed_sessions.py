"""Whole sessions whose models are sealed: what stores serve, who reads what, and that crashes take no key away."""

from functools import cache, partial
from typing import Any

from tests.helpers.swarms import Run, groups, run

from learnae.errors import Reason
from learnae.messages.wire import cid_of
from learnae.protocol import events as on
from learnae.protocol.decisions import Adopted, Averaged, FetchFailed, ModelLocked, Published, StandingChanged
from learnae.protocol.types import Cid
from learnae.runtime.simulator import Simulator

SEALED: dict[str, Any] = {
    "peers": 6,
    "data": {"rows": 1000},
    "work": {"slices": 9, "patience": 9},
    "defence": {"kind": "reciprocity", "grace": 2.0, "scope": "all", "access": "sealed"},
}
REFUSED = SEALED | groups({"count": 2, "policy": "refuses-to-pay"}, {})
LATE = SEALED | {"start": {"timeout": 3.0}} | groups({"count": 5}, {"joins_at": 6.0})
FORGIVING = REFUSED | {"defence": SEALED["defence"] | {"forgive": 4.0}, "pace": {"slice": 2.0}}


@cache
def refused() -> Run:
    return run(REFUSED)


def published(session: Run) -> set[Cid]:
    return {fact.cid for _, fact in session.history.facts(Published)}


def used(session: Run, name: str) -> set[str]:
    """The models of others that a peer averaged with or began with."""
    averaged = {fact.remote_cid for record, fact in session.history.facts(Averaged) if record.peer == name}
    adopted = {fact.cid for record, fact in session.history.facts(Adopted) if record.peer == name and fact.creator}
    return averaged | adopted


def keys_of(session: Run, name: str) -> set[str]:
    """The models that were announced to a peer with a key for it."""
    host = session.host(name)
    heard = [event.announcement for event, _ in host.journal.replay() if isinstance(event, on.ModelReceived)]
    sealings = [(said.model.weights.cid, said.sealing) for said in heard]
    return {cid for cid, sealing in sealings if sealing and sealing.key_of(host.config.peer)}


def test_no_published_model_can_be_read_without_a_key() -> None:
    """All blocks that stores serve, except what everybody has from the start."""
    session = refused()
    swarm, setup = session.simulation.setup.swarm, session.simulation.setup
    public = {setup.session_id, *map(setup.initial_cid, setup.members)}
    plain = published(session)
    served = {cid: swarm.blocks[cid] for cid in swarm.holders if cid not in public}
    assert len(served) == len(plain) > 50
    for cid, block in served.items():
        assert cid not in plain and cid_of(block) == cid
        assert not any(swarm.blocks[model] in block for model in plain)


def test_no_peer_uses_a_model_that_was_not_sealed_for_it() -> None:
    session = refused()
    assert session.failing == []
    for name in session.history.roster:
        assert used(session, name) and used(session, name) <= keys_of(session, name)
        readable = {cid for cid in published(session) if cid in session.host(name).ports.blocks}
        own = {fact.cid for record, fact in session.history.facts(Published) if record.peer == name}
        assert readable - own <= keys_of(session, name)


def test_refusers_are_locked_out_and_honest_peers_are_not() -> None:
    session = refused()
    locked = {record.peer for record, _ in session.history.facts(ModelLocked)}
    assert locked and locked <= {"p00", "p01"}
    assert not list(session.history.facts(FetchFailed))


def test_the_same_seed_gives_the_same_sealed_session_byte_for_byte() -> None:
    again = run(REFUSED)
    assert again.lines == refused().lines and again.chain_lines == refused().chain_lines
    assert again.simulation.setup.swarm.holders == refused().simulation.setup.swarm.holders


def test_a_peer_that_joins_late_reads_models_once_its_claim_is_known() -> None:
    session = run(LATE)
    assert session.failing == [] and used(session, "p05")


def test_a_forgiven_peer_gets_keys_again() -> None:
    """It uses models of a creator that it could not read before."""
    session = run(FORGIVING)
    assert session.failing == []
    forgiven = {
        (record.peer, fact.creator): record.t
        for record, fact in session.history.facts(StandingChanged)
        if not fact.denied
    }
    ids = {entry.peer: name for name, entry in session.history.roster.items()}
    used_again = [
        name
        for (creator, peer), at in forgiven.items()
        for record, fact in session.history.facts(Averaged)
        if record.peer == (name := ids[peer]) and record.t > at and ids[fact.creator] == creator
    ]
    assert used_again


def test_peers_that_crash_open_and_seal_as_before() -> None:
    def crashes(simulator: Simulator) -> None:
        for number, name in enumerate(simulator.hosts):
            simulator.at(2.0 + number / 2, partial(simulator.crash, name))
            simulator.at(2.1 + number / 2, partial(simulator.start, name))

    session = run(REFUSED, crashes)
    assert session.failing == []
    for name in session.history.roster:
        host = session.host(name)
        assert used(session, name) <= keys_of(session, name)
        failed = [event.reason for event, _ in host.journal.replay() if isinstance(event, on.RequestFailed)]
        assert Reason.SEAL not in failed
