"""The fee pool that the chain of a session has, if the session has one.  Pure."""

from decimal import Decimal

from learnae.protocol.blockchain import DEPOSIT_GAS, REPORT_GAS, WITHDRAWAL_GAS, PoolTerms
from learnae.protocol.settings import GWEI
from learnae.protocol.types import ETHER
from learnae.session.settings import Session


def pool_terms(session: Session) -> PoolTerms | None:
    """There is a place for each peer that deposits: all but sensors and those that try without."""
    defence = session.defence
    if not defence.deposit_wei:
        return None
    return PoolTerms(defence.fee_wei, depositors(session), defence.window, defence.stake_wei)


def gas_of_calls(session: Session) -> Decimal:
    """ETH that the gas of one deposit, one report and one withdrawal costs at most."""
    return (DEPOSIT_GAS + REPORT_GAS + WITHDRAWAL_GAS) * session.chain.gas_price * GWEI / ETHER


def depositors(session: Session) -> int:
    """A group without a count has all peers that no other group counts."""
    counted = sum(group.count or 0 for group in session.groups)
    absent = (group for group in session.groups if group.sensor or not group.stakes)
    return session.peers - sum(group.count if group.count else session.peers - counted for group in absent)
