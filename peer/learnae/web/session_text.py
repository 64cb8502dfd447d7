"""A session in words: its name, its key facts and how it ended.  The report and the live page show the same."""

from collections.abc import Mapping
from typing import Any

from learnae.messages.codec import encode
from learnae.records.history import History
from learnae.records.outcome import EndedBy
from learnae.session.sensor_rules import members_text

END_REASONS: dict[str, str] = {
    EndedBy.QUIET: "all peers finished and all debts are settled",
    EndedBy.MAX_DURATION: "the maximum duration was reached",
    EndedBy.INTERRUPTED: "the session was interrupted",
}
RESULT_TEXTS = {"valid": "passed", "invalid": "failed", "unknown": "unknown"}


def end_reason(ended_by: str | None) -> str:
    return END_REASONS.get(ended_by or "", "the reason is not recorded")


def session_settings(history: History) -> Mapping[str, Any]:
    """The settings as plain values; empty if they are not recorded."""
    return {name: value for name, value in encode(history.session).items() if name != "kind"} if history.session else {}


def session_name(history: History) -> str:
    return history.session.name if history.session else "without a name"


def session_facts(history: History, peers: int) -> list[str]:
    """Number of peers, backend and seed, as far as they are recorded."""
    if began := history.began:
        return [members_text(began.session), f"backend {began.backend}", f"seed {began.session.seed}"]
    return [f"{peers} peers"]


def checks_text(verdict: Mapping[str, Any]) -> str:
    """How many checks passed, for example ``All 24 checks passed``."""
    results = [check["result"] for check in verdict["checks"].values()]
    passed = results.count("valid")
    return f"All {passed} checks passed" if passed == len(results) else f"{passed} of {len(results)} checks passed"


def format_time(seconds: float) -> str:
    """Session time, with tenths of a second below a minute; without a place for a line break."""
    minutes, rest = divmod(seconds, 60)
    text = f"{minutes:.0f} min {int(rest):02} s" if minutes else f"{rest:.1f} s"
    return text.replace(" ", "\N{NO-BREAK SPACE}")
