"""What all peers of a session agree on, and what each one is told: a session as the core needs it."""

import json

from learnae.protocol.settings import PeerConfig
from learnae.protocol.types import Cid
from learnae.session.roster import Member
from learnae.session.session_file import resolved
from learnae.session.settings import Session


def manifest(session: Session, initial_weights: Cid, features: int) -> bytes:
    """The block whose CID is the session's id: what all peers must agree on, in canonical JSON."""
    agreed = {
        "chain_id": session.chain.id,
        "data": {"features": features, "source": session.data.name, "public_rows": session.data.public_rows},
        "identity": session.identity,
        "initial_weights": initial_weights,
        "model": resolved(session)["model"],
        "name": session.name,
        "privacy": session.privacy,
        "reward": {"factor_wei": str(session.reward.factor_wei), "function": session.reward.function},
        "seed": session.seed,
        "validation": {"rule": "strictly better on own rows", "rows": session.data.validation_rows},
        "version": 1,
    }
    return json.dumps(agreed, sort_keys=True, separators=(",", ":")).encode()


def peer_config(
    session: Session, member: Member, session_id: Cid, initial: Cid, expected_identities: int
) -> PeerConfig:
    """What one member is told.  ``expected_identities``: identities it can hear, its own included."""
    traits, work = member.traits, session.work
    start = expected_identities if session.start.peers is None else min(session.start.peers, expected_identities)
    return PeerConfig(
        peer=member.peer,
        wallet=member.wallet,
        addresses=(),
        session=session_id,
        seed=f"{session.seed} {member.name}",
        policy=traits.policy,
        forgery=traits.forgery,
        claimed_peer=member.claims,
        has_rows=traits.has_rows,
        wants_payment=traits.wants_payment,
        identity=session.identity,
        initial_weights=initial,
        slices_planned=work.slices * work.passes if traits.has_rows and traits.trains else 0,
        expected_identities=start,
        work=work,
        start=session.start,
        pace=session.pace,
        network=session.network,
        reward=session.reward,
        chain=session.chain,
    )
