"""A session in words: its name, its key facts and how it ended.  The report and the live page show the same."""

from collections.abc import Mapping
from typing import Any

from learnae.records.history import History
from learnae.records.outcome import EndedBy

END_REASONS: dict[str, str] = {
    EndedBy.QUIET: "all peers finished and all debts are settled",
    EndedBy.MAX_DURATION: "the maximum duration was reached",
    EndedBy.INTERRUPTED: "the session was interrupted",
}
RESULT_TEXTS = {"valid": "passed", "invalid": "failed", "unknown": "unknown"}


def end_reason(ended_by: str | None) -> str:
    return END_REASONS.get(ended_by or "", "the reason is not recorded")


def session_settings(history: History) -> Mapping[str, Any]:
    return history.began.session if history.began else {}


def session_name(history: History) -> str:
    return str(session_settings(history).get("name", "without a name"))


def session_facts(history: History, peers: int) -> list[str]:
    """Number of peers, backend and seed, as far as they are recorded."""
    settings = session_settings(history)
    facts = [f"{peers} peers"]
    facts += [f"backend {history.began.backend}"] if history.began else []
    facts += [f"seed {settings['seed']}"] if "seed" in settings else []
    return facts


def checks_text(verdict: Mapping[str, Any]) -> str:
    """How many checks passed, for example ``All 18 checks passed``."""
    results = [check["result"] for check in verdict["checks"].values()]
    passed = results.count("valid")
    return f"All {passed} checks passed" if passed == len(results) else f"{passed} of {len(results)} checks passed"


def format_time(seconds: float) -> str:
    """Session time, with tenths of a second below a minute; without a place for a line break."""
    minutes, rest = divmod(seconds, 60)
    text = f"{minutes:.0f} min {int(rest):02} s" if minutes else f"{rest:.1f} s"
    return text.replace(" ", "\N{NO-BREAK SPACE}")
