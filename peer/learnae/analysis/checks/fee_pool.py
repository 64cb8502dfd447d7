"""Checks of the fee pool (``[defence]``): its calls, what peers report, that fees are split and stakes come back.

``wei_conserved`` compares what the pool pays with the balances on the chain, to the wei.
"""

from collections import Counter, defaultdict
from collections.abc import Iterator, Mapping, Sequence
from fractions import Fraction
from math import floor

from learnae.analysis.checks.debts import winning_claim
from learnae.analysis.checks.result import check, debt_name, session_began
from learnae.analysis.checks.work import last_states
from learnae.analysis.fee_pool import WHOLE, has_pool, pool_calls, splits_fees, wallet_of
from learnae.protocol.decisions import Averaged, ChainEntered, ClaimJudged, DebtChanged, DebtState, RolledBack
from learnae.protocol.fee_pool import AFTER_REPORT, NO_DEPOSIT
from learnae.protocol.settings import Defence
from learnae.protocol.types import ETHER, Address, TxHash
from learnae.records.chain_export import Balances
from learnae.records.history import History, PeerCrashed
from learnae.records.outcome import EndedBy


@check
def pool_follows_its_rules(history: History) -> Iterator[str]:
    """The fee pool accepted what its rules accept, and nothing else."""
    session_began(history)
    for call in pool_calls(history):
        if call.transaction.succeeded != call.succeeds:
            became, wanted = ("accepted", "refuse") if call.transaction.succeeded else ("refused", "accept")
            what = call.kind or "call"
            yield f"the pool {became} the {what} {call.transaction.hash}, which its rules {wanted}"


@check
def reports_follow_debts(history: History) -> Iterator[str]:
    """A report gives each payee the share of the fee that the reported debts come to, rounded down."""
    session = session_began(history)
    names = {wallet_of(entry.wallet): entry.name for entry in session.roster}
    defence = session.session.defence
    fee = floor(Fraction(defence.fee) * ETHER) if defence.kind is Defence.PROFILES else 0
    reported = defaultdict[tuple[str, TxHash | None], Counter[Address]](Counter)
    for (name, _), changes in history.debts.items():
        debt = changes[-1][1]
        if debt.payee:
            reported[name, debt.tx][wallet_of(debt.payee)] += debt.wei
    for call in pool_calls(history):
        payer = names.get(wallet_of(call.transaction.sender))
        if call.kind != "report" or payer is None:
            continue
        owed = reported[payer, call.transaction.hash]
        whole = max(fee, sum(owed.values()), 1)
        due = {payee: floor(Fraction(WHOLE * wei, whole)) for payee, wei in owed.items()}
        if {payee: share for payee, share in due.items() if share} != dict(call.shares):
            yield f"{payer} reports {_text(call.shares, names)}, but its debts come to {_text(due, names)}"


@check
def reports_omit_no_debt(history: History) -> Iterator[str]:
    """A report covers what was payable: only payees that were no members, and later debts, are left out."""
    session_began(history)
    calls = pool_calls(history)
    joined = {
        wallet_of(call.transaction.sender): call.block for call in calls if call.kind == "deposit" and call.succeeds
    }
    reports = {call.transaction.hash for call in calls if call.kind == "report"}
    debts_of = defaultdict[str, list[list[tuple[float, DebtChanged]]]](list)
    for (payer, _), changes in history.debts.items():
        debts_of[payer].append(changes)
    for payer, entry in history.roster.items():
        debts = debts_of[payer]
        covered = [first for changes in debts if changes[-1][1].tx in reports for first in _payable(changes)[:1]]
        seen = joined.get(wallet_of(entry.wallet), -1)  # the newest block that it has read for certain
        for changes in debts:
            debt, payable = changes[-1][1], _payable(changes)
            if debt.reason == NO_DEPOSIT and debt.payee and joined.get(wallet_of(debt.payee), seen + 1) <= seen:
                yield f"{debt_name(payer, debt.debt)} was declined, although its creator had deposited before {payer}"
            if debt.reason == AFTER_REPORT and payable and any(payable[-1] < first for first in covered):
                yield f"{debt_name(payer, debt.debt)} was payable before others that {payer} reports, and is left out"


@check
def fees_are_split(history: History) -> Iterator[str]:
    """If the session ended by itself, each peer that did not crash has deposited, tried to report, and withdrawn.

    If fees are split, nobody pays for a single model.
    """
    session = session_began(history)
    if not has_pool(history) or history.ended_by is not EndedBy.QUIET:
        return
    if not history.exports(Balances):
        raise LookupError("the chain's export is missing or incomplete")
    calls = [call for call in pool_calls(history) if call.succeeds or call.kind == "report"]
    done = {(wallet_of(call.transaction.sender), call.kind) for call in calls}
    reporting = {call.transaction.hash for call in calls if call.kind == "report"}
    states = last_states(history)
    for entry in (entry for entry in session.roster if entry.stakes):
        for kind in ("deposit", "report", "withdrawal"):
            if states.get(entry.name) == "done" and (wallet_of(entry.wallet), kind) not in done:
                yield f"{entry.name} made no {kind}"
    for (payer, number), changes in history.debts.items():
        debt = changes[-1][1]
        if splits_fees(history) and debt.state is DebtState.FINAL and debt.tx not in reporting:
            yield f"debt {number} of {payer} was paid by {debt.tx}, which is no report"


@check
def models_have_stakes(history: History) -> Iterator[str]:
    """A member of the pool averages only with models of identities whose contracts were deposited with.

    Left out is a member whose chain rolled back or was replaced, also after its crash: it may have read deposits that
    the exported chain does not have.
    """
    session = session_began(history)
    if not session.session.defence.stake_wei:
        return
    deposits = [call for call in pool_calls(history) if call.kind == "deposit" and call.succeeds]
    staked = {call.contract for call in deposits}
    members = {wallet_of(call.transaction.sender) for call in deposits}
    names = {name for name, entry in history.roster.items() if wallet_of(entry.wallet) in members}
    names -= _read_other_chains(history)
    claims: dict[str, dict[Address, ClaimJudged]] = {}
    for record in history.of(ClaimJudged, Averaged):
        if isinstance(record.fact, ClaimJudged):
            claims.setdefault(record.peer, {})[record.fact.contract] = record.fact
        elif isinstance(record.fact, Averaged) and record.peer in names:
            winner = winning_claim(claims.get(record.peer, {}).values(), record.fact.creator)
            if winner is None or winner.contract.lower() not in staked:
                yield f"{record.peer} averaged with a model of {record.fact.creator}, whose identity has no stake"


def _read_other_chains(history: History) -> set[str]:
    """Peers that may have read a chain that was rolled back or replaced later."""
    found, entered, crashed = set[str](), set[str](), set[str]()
    for record in history.of(ChainEntered, RolledBack, PeerCrashed):
        if isinstance(record.fact, PeerCrashed):
            crashed.add(record.peer)
        elif isinstance(record.fact, RolledBack) or record.peer in entered:
            found |= {record.peer} | crashed  # a peer that is down does not notice
        else:
            entered.add(record.peer)
    return found


def _payable(changes: Sequence[tuple[float, DebtChanged]]) -> list[float]:
    """When the debt became payable, or payable to another."""
    return [at for at, change in changes if change.state is DebtState.PAYABLE]


def _text(shares: Mapping[Address, int], names: Mapping[Address, str]) -> str:
    return ", ".join(f"{share} to {names.get(payee, payee)}" for payee, share in shares.items()) or "nothing"
