"""The check of debts for rows (``reward.data``)."""

from collections import Counter
from collections.abc import Iterator
from fractions import Fraction
from math import floor

from learnae.analysis.checks.result import check, exact_accuracy, session_began
from learnae.protocol.decisions import Adopted, Averaged, Trained
from learnae.protocol.row_types import RowsFetched
from learnae.protocol.types import ETHER, Cid, PeerId, Score
from learnae.records.history import History, kept_score

Due = tuple[str, PeerId | None, Cid, Score, Score, int, int]  # payer, creator, block, scores, shares, wei


@check
def row_debts_are_exact(history: History) -> Iterator[str]:
    """Each new best score of a peer creates one debt per received block that it has trained on since the last one.

    The debts share the price of the gain equally, rounded down; nothing else creates a debt for rows.
    """
    due, owed = Counter(_due(history)), Counter[Due]()
    for (payer, _), changes in history.debts.items():
        for fact in {(fact.creator, fact.cid, fact.before, fact.after, fact.shares, fact.wei) for _, fact in changes}:
            if fact[4]:
                owed[payer, *fact] += 1
    for payer, creator, cid, before, after, _, wei in (due - owed).elements():
        yield f"{payer} does not owe {creator} {wei} wei for rows {cid}, {_gain(before, after)}"
    for payer, creator, cid, before, after, _, wei in (owed - due).elements():
        yield f"{payer} owes {creator} {wei} wei for rows {cid}, {_gain(before, after)}, which is not due"


def _due(history: History) -> Iterator[Due]:
    price = floor(Fraction(session_began(history).session.reward.data) * ETHER)
    creators: dict[tuple[str, Cid], PeerId] = {}
    best: dict[str, Score] = {}
    used: dict[str, list[Cid]] = {}
    for record in history.of(RowsFetched, Adopted, Trained, Averaged) if price else ():
        peer, fact = record.peer, record.fact
        if isinstance(fact, RowsFetched):
            creators[peer, fact.cid] = fact.creator
        elif isinstance(fact, Trained) and fact.rows:
            used.setdefault(peer, []).append(fact.rows)
        score = kept_score(fact)
        if score is None:
            continue
        before = best.get(peer)
        if before is None or exact_accuracy(score) > exact_accuracy(before):
            best[peer] = score
            blocks = used.pop(peer, []) if before else []
            for cid in blocks:
                assert before
                share = floor(price * (exact_accuracy(score) - exact_accuracy(before)) / len(blocks))
                yield peer, creators.get((peer, cid)), cid, before, score, len(blocks), share


def _gain(before: Score, after: Score) -> str:
    return f"which took it from {before.accuracy:.4f} to {after.accuracy:.4f}"
