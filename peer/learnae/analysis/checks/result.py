"""What a check is: a search of a history for violations, and what comes of it."""

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from enum import StrEnum
from fractions import Fraction
from functools import wraps

from learnae.protocol.decisions import ChainEntered, DebtChanged
from learnae.protocol.types import Score
from learnae.records.history import History, SessionBegan
from learnae.session.settings import Session

NAMED = 5  # violations a reason names


class CheckOutcome(StrEnum):
    """In order of severity."""

    VALID = "valid"
    UNKNOWN = "unknown"
    INVALID = "invalid"


@dataclass(frozen=True, slots=True)
class CheckResult:
    result: CheckOutcome
    reason: str = ""


class Undecided(Exception):
    """The history does not say enough: the result is unknown, for the reason given."""


Check = Callable[[History], CheckResult]


def check(find: Callable[[History], Iterable[str]]) -> Check:
    """A search for violations as a check.  What was found before the search broke down still counts."""

    @wraps(find)
    def judge(history: History) -> CheckResult:
        found: list[str] = []
        broken = ""
        try:
            found.extend(find(history))
        except Undecided as doubt:
            broken = str(doubt)
        except Exception as error:  # an exploding check is unknown: jepsen's rule
            broken = f"{type(error).__name__}: {error}"
        if not found:
            return CheckResult(CheckOutcome.UNKNOWN, broken) if broken else CheckResult(CheckOutcome.VALID)
        more = f"; and {len(found) - NAMED} more" if len(found) > NAMED else ""
        then = f"; then {broken}" if broken else ""
        return CheckResult(CheckOutcome.INVALID, "; ".join(found[:NAMED]) + more + then)

    return judge


# what several checks need; LookupError where the history does not say


def session_began(history: History) -> SessionBegan:
    if history.began is None:
        raise LookupError("the history does not begin with SessionBegan")
    return history.began


def session_of(history: History) -> Session:
    return session_began(history).session


def chains_of_debts(history: History) -> dict[tuple[str, int], list[str | None]]:
    """Of each change in ``history.debts``, the genesis hash of the chain its payer acted on; None: of none yet."""
    acts_on: dict[str, str] = {}
    found: dict[tuple[str, int], list[str | None]] = {}
    for record in history.records:
        match record.fact:
            case ChainEntered(genesis=genesis):
                acts_on[record.peer] = genesis
            case DebtChanged(debt=debt):
                found.setdefault((record.peer, debt), []).append(acts_on.get(record.peer))
    return found


def exact_accuracy(score: Score) -> Fraction:
    return Fraction(score.correct, score.total)


def debt_name(payer: str, debt: int) -> str:
    return f"debt {debt} of {payer}"
