"""Checks: searches of a history for violations, and their results."""

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from enum import StrEnum
from fractions import Fraction
from functools import wraps

from learnae.protocol.decisions import ChainEntered, DebtChanged
from learnae.protocol.types import Score
from learnae.records.fold import once
from learnae.records.history import History, SessionBegan
from learnae.session.settings import Session

MAX_NAMED = 5  # violations that a reason names


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
    """The history does not contain enough: the result is unknown, for the given reason."""


Check = Callable[[History], CheckResult]


def check(find: Callable[[History], Iterable[str]]) -> Check:
    """Turn a search for violations into a check.  Violations found before the search failed still count."""

    @wraps(find)
    def judge(history: History) -> CheckResult:
        violations: list[str] = []
        failure = ""
        try:
            violations.extend(find(history))
        except Undecided as doubt:
            failure = str(doubt)
        except Exception as error:  # a check that raises must never pass, whatever it raises
            failure = f"{type(error).__name__}: {error}"
        if not violations:
            return CheckResult(CheckOutcome.UNKNOWN, failure) if failure else CheckResult(CheckOutcome.VALID)
        more = f"; and {len(violations) - MAX_NAMED} more" if len(violations) > MAX_NAMED else ""
        then = f"; then {failure}" if failure else ""
        return CheckResult(CheckOutcome.INVALID, "; ".join(violations[:MAX_NAMED]) + more + then)

    return judge


# used by several checks; they raise LookupError if the history lacks what they need


def session_began(history: History) -> SessionBegan:
    if history.began is None:
        raise LookupError("the history does not begin with SessionBegan")
    return history.began


def session_of(history: History) -> Session:
    return session_began(history).session


@once
def chains_of_debts(history: History) -> dict[tuple[str, int], list[str | None]]:
    """For each change in ``history.debts``, the genesis hash of the payer's chain at the time; None: it had none."""
    current: dict[str, str] = {}
    chains: dict[tuple[str, int], list[str | None]] = {}
    for record in history.of(ChainEntered, DebtChanged):
        if isinstance(record.fact, ChainEntered):
            current[record.peer] = record.fact.genesis
        else:
            assert isinstance(record.fact, DebtChanged)
            chains.setdefault((record.peer, record.fact.debt), []).append(current.get(record.peer))
    return chains


def exact_accuracy(score: Score) -> Fraction:
    return Fraction(score.correct, score.total)


def debt_name(payer: str, debt: int) -> str:
    return f"debt {debt} of {payer}"
