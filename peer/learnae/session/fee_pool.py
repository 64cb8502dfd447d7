"""The fee pool that the chain of a session has, if the session has one.  Pure."""

from learnae.protocol.blockchain import PoolTerms
from learnae.protocol.settings import Defence
from learnae.session.settings import Session


def pool_terms(session: Session) -> PoolTerms | None:
    """There is a place for each peer that can deposit: all but sensors."""
    if session.defence.kind is not Defence.PROFILES:
        return None
    return PoolTerms(session.defence.fee_wei, depositors(session), session.defence.window)


def depositors(session: Session) -> int:
    """A group without a count has all peers that no other group counts."""
    counted = sum(group.count or 0 for group in session.groups)
    sensors = (group.count if group.count else session.peers - counted for group in session.groups if group.sensor)
    return session.peers - sum(sensors)
