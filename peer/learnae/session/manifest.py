"""What all peers of a session agree on, and what each one is told: a session as the core needs it."""

import json

from learnae.protocol.types import Cid, PeerConfig
from learnae.session.roster import Member
from learnae.session.settings import Session, resolved, wei


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
        "reward": {"factor_wei": str(wei(session.reward.factor)), "function": session.reward.function},
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
        slices=work.slices,
        slices_planned=work.slices * work.passes if traits.has_rows and traits.trains else 0,
        patience=work.patience,
        idle_after=work.idle_after,
        max_attempts_per_creator=work.budget,
        start_peers=start,
        start_timeout=session.start.timeout,
        pace_slice=session.pace.slice,
        pace_attempt=session.pace.attempt,
        announce_every=session.network.announce_every,
        max_peers=session.network.max_peers,
        max_announcements=session.network.max_announcements,
        reward=session.reward.function,
        factor=wei(session.reward.factor),
        cap=wei(session.reward.cap),
        confirmations=session.chain.confirmations,
        poll=session.chain.poll,
        resend_after=session.chain.resend_after,
    )
