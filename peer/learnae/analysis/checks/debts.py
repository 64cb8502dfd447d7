"""What is owed, to whom, how much, and what became of it: section 3.1 and Eq. 1, section 3.2."""

from collections import Counter
from collections.abc import Iterable, Iterator
from fractions import Fraction
from math import floor

from learnae.analysis.checks.result import chains_of_debts, check, debt_name, exact_accuracy, session_began, session_of
from learnae.protocol.decisions import Averaged, ChainEntered, ClaimJudged, DebtChanged, DebtState, Verdict
from learnae.protocol.settings import IdentityRule
from learnae.protocol.types import ETHER, Address, Cid, PeerId, Policy, Score
from learnae.records.history import History

SPENT = (DebtState.SIGNED, DebtState.SENT, DebtState.MINED, DebtState.FINAL)


@check
def no_debt_left_open(history: History) -> Iterator[str]:
    """Paid, refused, declined or unclaimed: none is left open."""
    session_began(history)
    for debt, changes in history.debts.items():
        if not changes[-1][1].state.terminal:
            yield f"{debt_name(*debt)} is left {changes[-1][1].state}"


@check
def debts_signed_on_one_chain(history: History) -> Iterator[str]:
    """A chain that was replaced may hold whatever was signed for it, so no debt is ever signed for another, too."""
    session_began(history)
    by_chain = chains_of_debts(history)
    for debt, changes in history.debts.items():
        states = zip(by_chain[debt], (change.state for _, change in changes), strict=True)
        chains = {chain for chain, state in states if state is DebtState.SIGNED}
        if len(chains) > 1:
            yield f"{debt_name(*debt)} was signed on {len(chains)} chains"


@check
def adoptions_create_debts(history: History) -> Iterator[str]:
    """Each adopted average makes one debt with its creator, model and scores, and nothing else makes one."""
    session_began(history)
    adopted = Counter(
        (record.peer, fact.creator, fact.remote_cid, fact.before, fact.after)
        for record, fact in history.facts(Averaged)
        if fact.adopted
    )
    owed: Counter[tuple[str, PeerId, Cid, Score, Score]] = Counter()
    for (payer, debt), changes in history.debts.items():
        whats = {(fact.creator, fact.cid, fact.before, fact.after) for _, fact in changes}
        owed.update((payer, *what) for what in whats)
        if len(whats) > 1:
            yield f"{debt_name(payer, debt)} changed what it is for"
    for payer, creator, cid, *_ in (adopted - owed).elements():
        yield f"{payer} adopted {cid} of {creator} and owes nothing for it"
    for payer, creator, cid, *_ in (owed - adopted).elements():
        yield f"{payer} owes {creator} for {cid} and has not adopted it"


@check
def payee_has_earliest_claim(history: History) -> Iterator[str]:
    """Whoever was paid had the earliest admitted claim (section 3.2), as far as the payer knew when it signed.

    A replacement with a higher fee is no new decision: it has the nonce, and must have the payee, of the first.
    A chain that takes another's place holds no claim yet.
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
                    winner = _winner(known.get(record.peer, {}).values(), debt.creator)
                    if debt.payee is None or debt.payee != winner:
                        yield f"{debt_name(*key)} was signed to {debt.payee}, not to {winner}"
                elif first is None or (first.nonce, first.payee) != (debt.nonce, debt.payee):
                    yield f"{debt_name(*key)} is {debt.state} to {debt.payee} and was not signed so"


def _winner(claims: Iterable[ClaimJudged], peer: PeerId) -> Address | None:
    """Section 3.2: the earliest timestamp; within one second the earlier block, then the earlier place in it."""
    admitted = [each for each in claims if each.poid.peer == peer and each.verdict is not Verdict.REJECTED]
    if not admitted:
        return None
    return min(admitted, key=lambda each: (each.timestamp, each.block, each.index)).poid.wallet


@check
def only_creators_are_paid(history: History) -> Iterator[str]:
    """Where claims need a proof of possession, money for a model reaches the wallet of the peer that made it."""
    session = session_began(history)
    wallets = {entry.peer: entry.wallet for entry in session.roster}
    for debt, changes in history.debts.items() if session.session.identity is IdentityRule.PROVEN else ():
        last = changes[-1][1]
        if last.state is DebtState.FINAL and last.payee != wallets.get(last.creator):
            yield f"{debt_name(*debt)} was paid to {last.payee}, which is not its creator's wallet"


@check
def amounts_follow_reward_function(history: History) -> Iterator[str]:
    """Eq. 1, or the reward function the session agreed on, in exact arithmetic and rounded down once."""
    reward = session_of(history).reward
    factor = floor(Fraction(reward.factor) * ETHER)
    for debt, changes in history.debts.items():
        for wei, before, after in {(fact.wei, fact.before, fact.after): None for _, fact in changes}:
            due = _reward(reward.function, factor, before, after)
            if wei != due:
                yield f"{debt_name(*debt)} is over {wei} wei, not {due}"


def _reward(function: str, factor: int, before: Score, after: Score) -> int:
    was = exact_accuracy(before)
    match function:
        case "proportional":
            return floor(factor * (exact_accuracy(after) - was))
        case "error-reduction":
            return floor(factor * (exact_accuracy(after) - was) / (1 - was))
        case "flat":
            return factor
    raise LookupError(f"reward function {function!r} is not known here")


@check
def spending_cap_respected(history: History) -> Iterator[str]:
    """No peer signed away more than the session allows it to spend."""
    cap = floor(Fraction(session_of(history).reward.cap) * ETHER)
    spent: Counter[str] = Counter()
    for (payer, _), changes in history.debts.items():
        if changes[-1][1].state in SPENT:
            spent[payer] += changes[-1][1].wei
    return (f"{payer} spent {wei} wei of {cap}" for payer, wei in spent.items() if wei > cap)


@check
def refusers_pay_nothing(history: History) -> Iterator[str]:
    """The policy refuses-to-pay declines every debt, openly, and signs no payment."""
    refusers = {entry.name for entry in session_began(history).roster if entry.policy is Policy.REFUSES_TO_PAY}
    for (payer, debt), changes in history.debts.items():
        last = changes[-1][1]
        if payer in refusers and (last.state is not DebtState.DECLINED or any(fact.tx for _, fact in changes)):
            yield f"{debt_name(payer, debt)} is {last.state}, though {payer} refuses to pay"
