"""Checks of debts: creditor, payee and final state (sections 3.1 and 3.2).  ``amounts.py`` checks the amounts."""

from collections import Counter
from collections.abc import Iterable, Iterator
from fractions import Fraction
from math import floor

from learnae.analysis.checks.result import chains_of_debts, check, debt_name, session_began, session_of
from learnae.plugins import place
from learnae.protocol.decisions import (
    Averaged,
    ChainEntered,
    ClaimJudged,
    DebtChanged,
    DebtState,
    PluginFailed,
    Verdict,
    WorkChanged,
    WorkState,
)
from learnae.protocol.policies import Policy
from learnae.protocol.settings import IdentityRule, Settle
from learnae.protocol.types import ETHER, Address, Cid, PeerId, Score, TxHash
from learnae.records.history import Evaluated, History

ROUNDING = 1e-6  # s, of the times in a history
FULL = 50  # debts that one payment covers
REFUSING = (Policy.REFUSES_TO_PAY, Policy.CONCEALS_AVERAGES)
SPENT = (DebtState.SIGNED, DebtState.SENT, DebtState.MINED, DebtState.FINAL)


@check
def no_debt_left_open(history: History) -> Iterator[str]:
    """Every debt ends as paid, refused, declined or unclaimed."""
    session_began(history)
    for debt, changes in history.debts.items():
        if not changes[-1][1].state.terminal:
            yield f"{debt_name(*debt)} is still {changes[-1][1].state}"


@check
def debts_signed_on_one_chain(history: History) -> Iterator[str]:
    """No debt is signed on two chains, because a replaced chain may still hold the first payment."""
    session_began(history)
    by_chain = chains_of_debts(history)
    for debt, changes in history.debts.items():
        states = zip(by_chain[debt], (change.state for _, change in changes), strict=True)
        chains = {chain for chain, state in states if state is DebtState.SIGNED}
        if len(chains) > 1:
            yield f"{debt_name(*debt)} was signed on {len(chains)} chains"


@check
def adoptions_create_debts(history: History) -> Iterator[str]:
    """Each adopted average creates one debt with the right creator, model and scores; nothing else creates one."""
    session_began(history)
    adopted = Counter(
        (record.peer, fact.creator, fact.remote_cid, fact.before, fact.after)
        for record, fact in history.facts(Averaged)
        if fact.adopted
    )
    owed: Counter[tuple[str, PeerId, Cid, Score, Score]] = Counter()
    for (payer, debt), changes in for_models(history):
        subjects = {(fact.creator, fact.cid, fact.before, fact.after) for _, fact in changes}
        owed.update((payer, *subject) for subject in subjects)
        if len(subjects) > 1:
            yield f"{debt_name(payer, debt)} changed its model or scores"
    for payer, creator, cid, *_ in (adopted - owed).elements():
        yield f"{payer} adopted {cid} of {creator} but has no debt for it"
    for payer, creator, cid, *_ in (owed - adopted).elements():
        yield f"{payer} owes {creator} for {cid} but has not adopted it"


def for_models(history: History) -> Iterator[tuple[tuple[str, int], list[tuple[float, DebtChanged]]]]:
    """The debts that are for adopted models themselves, not for rows or parents."""
    return (item for item in history.debts.items() if item[1][0][1].for_adopted)


@check
def payee_has_earliest_claim(history: History) -> Iterator[str]:
    """The payee had the earliest admitted claim (section 3.2) that the payer knew when it signed.

    A replacement with a higher fee is not a new decision: it has the nonce of the first and must have its payee.
    A chain that replaced another has no claims yet.
    """
    session_began(history)
    known: dict[str, dict[tuple[PeerId, Address], ClaimJudged]] = {}
    entered: set[str] = set()
    signed: dict[tuple[str, int], DebtChanged] = {}
    for record in history.records:
        match record.fact:
            case ClaimJudged() as claim:
                known.setdefault(record.peer, {})[claim.sender, claim.contract] = claim
            case ChainEntered():
                if record.peer in entered:
                    known.pop(record.peer, None)
                entered.add(record.peer)
            case DebtChanged() as debt if debt.state in SPENT:
                key = (record.peer, debt.debt)
                first = signed.get(key)
                if debt.state is DebtState.SIGNED and (first is None or first.nonce != debt.nonce):
                    signed[key] = debt
                    winner = winning_wallet(known.get(record.peer, {}).values(), debt.creator)
                    if debt.payee is None or debt.payee != winner:
                        yield f"{debt_name(*key)} was signed to {debt.payee}, not to {winner}"
                elif first is None or (first.nonce, first.payee) != (debt.nonce, debt.payee):
                    yield f"{debt_name(*key)} is {debt.state} to {debt.payee}, but was not signed like that"


def winning_wallet(claims: Iterable[ClaimJudged], peer: PeerId) -> Address | None:
    winner = winning_claim(claims, peer)
    return winner.poid.wallet if winner else None


def winning_claim(claims: Iterable[ClaimJudged], peer: PeerId) -> ClaimJudged | None:
    """The earliest timestamp; within one second the earlier block, then the smaller index (section 3.2)."""
    admitted = [claim for claim in claims if claim.poid.peer == peer and claim.verdict is not Verdict.REJECTED]
    return min(admitted, key=lambda claim: (claim.timestamp, claim.block, claim.index), default=None)


@check
def only_creators_are_paid(history: History) -> Iterator[str]:
    """If claims need a proof of possession, payments for a model reach the pay-out wallet of its creator."""
    session = session_began(history)
    wallets = {entry.peer: entry.payee for entry in session.roster}
    for debt, changes in history.debts.items() if session.session.identity is IdentityRule.PROVEN else ():
        last = changes[-1][1]
        if last.state is DebtState.FINAL and last.payee != wallets.get(last.creator):
            yield f"{debt_name(*debt)} was paid to {last.payee}, which is not its creator's wallet"


@check
def plugins_did_not_raise(history: History) -> Iterator[str]:
    """No plug-in raised or returned what it must not, not even on test rows."""
    session_began(history)
    failed = [(record.peer, fact) for record, fact in history.facts(PluginFailed)]
    tests = [(record.peer, test.failed) for record, test in history.facts(Evaluated) if test.failed]
    for facts, where in ((failed, ""), (tests, " on test rows, where it counts as 0")):
        found: dict[str, tuple[PluginFailed, dict[str, None]]] = {}  # by place: texts may differ from call to call
        for peer, fact in facts:
            found.setdefault(place(fact.plugin, fact.line), (fact, {}))[1][peer] = None
        for at, (first, peers) in found.items():
            yield f"{at}, for {', '.join(peers)}{where}: {first.error}"


@check
def batches_are_due(history: History) -> Iterator[str]:
    """A batched payment reaches the threshold, is full, or was signed after its payer had finished its work.

    A payer that is woken while it signs has work again when the signature is recorded.
    """
    payment = session_of(history).payment
    if payment.settle is not Settle.BATCHED:
        return
    threshold = floor(Fraction(payment.threshold) * ETHER)
    finished: dict[str, bool] = {}
    last_finished: dict[str, int] = {}  # the last record during which the payer had no work
    payable: dict[tuple[str, int], int] = {}
    batches: dict[tuple[str, TxHash | None], list[tuple[DebtChanged, bool]]] = {}
    for number, record in enumerate(history.records):
        if finished.get(record.peer):
            last_finished[record.peer] = number
        match record.fact:
            case WorkChanged(work=work):
                finished[record.peer] = work is WorkState.DONE
            case DebtChanged(state=DebtState.PAYABLE) as debt:
                payable[record.peer, debt.debt] = number
            case DebtChanged(state=DebtState.SIGNED) as debt if (record.peer, debt.debt) in payable:
                since = payable.pop((record.peer, debt.debt))
                rested = last_finished.get(record.peer, -1) >= since
                batches.setdefault((record.peer, debt.tx), []).append((debt, rested))
    for (payer, tx), batch in batches.items():
        wei = sum(debt.wei for debt, _ in batch)
        if wei < threshold and len(batch) < FULL and not all(rested for _, rested in batch):
            yield f"{payer} signed {tx} for {wei} wei, below the threshold of {threshold}, before it had finished"


@check
def spending_cap_respected(history: History) -> Iterator[str]:
    """No peer signed payments above the session's spending cap."""
    cap = floor(Fraction(session_of(history).reward.cap) * ETHER)
    spent: Counter[str] = Counter()
    for (payer, _), changes in history.debts.items():
        if changes[-1][1].state in SPENT:
            spent[payer] += changes[-1][1].wei
    return (f"{payer} signed {wei} wei, above the cap of {cap}" for payer, wei in spent.items() if wei > cap)


@check
def refusers_pay_nothing(history: History) -> Iterator[str]:
    """Peers whose policy is to refuse decline every debt and sign no payment."""
    refusers = {entry.name for entry in session_began(history).roster if entry.policy in REFUSING}
    for (payer, debt), changes in history.debts.items():
        last = changes[-1][1]
        if payer in refusers and (last.state is not DebtState.DECLINED or any(fact.tx for _, fact in changes)):
            yield f"{debt_name(payer, debt)} is {last.state}, though {payer} refuses to pay"
