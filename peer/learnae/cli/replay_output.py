"""What `learnae audit --replay` prints."""

import os
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from learnae.cli.findings import Findings
from learnae.cli.output import console, say
from learnae.records.history import History

if TYPE_CHECKING:
    from learnae.runs.replay_run import ReplayOutcome

SHOWN = 20  # differences


def print_replay(
    run: Path,
    history: History,
    share: float,
    peers: Sequence[str],
    other_processor: bool,
    threads: int | None,
    findings: Findings,
) -> tuple[int, dict[str, Any]]:
    """Execute the run again; the exit code, and the outcome for JSON.

    The code is 1 if a result differs, 2 if something could not be verified.
    """
    from learnae.runs.replay_run import ReplayOptions, replay_run  # imports torch

    options = ReplayOptions(share, peers, other_processor, threads or os.cpu_count() or 1)
    with console.status("Reading the run") as status:
        outcome = replay_run(
            run, history, options, lambda done, total: status.update(f"{done:,} of {total:,} executed again")
        )
    if not findings.as_json:
        _print(outcome)
    code = 1 if outcome.wrong or outcome.failures else 2 if outcome.missing else 0
    return code, {
        "executed": dict(outcome.replayed.executed),
        "wrong": outcome.wrong,
        "differences": list(map(str, outcome.failures)),
        "accepted": len(outcome.accepted),
        "missing": outcome.missing,
    }


def _print(outcome: "ReplayOutcome") -> None:
    failures = outcome.failures
    for line in [*outcome.wrong, *map(str, failures[:SHOWN])]:
        say(line, "bold red")
    if len(failures) > SHOWN:
        say(f"... and {len(failures) - SHOWN:,} more")
    if any(difference.near is not False for difference in failures):
        say("Some may differ because these peers had another processor: if they had, add --other-processor.")
    accepted = len(outcome.accepted)
    if accepted:
        say(f"{accepted:,} results differ as little as they may on another processor, and were accepted.")
    for line in outcome.missing:
        say(line)
    unknown = len(outcome.replayed.differences) - len(failures) - accepted
    result = f"{len(failures):,} differ" if failures or accepted or unknown else "all equal"
    if unknown:
        result += f", {unknown:,} cannot be verified here"
    say(f"{_counts(outcome.replayed.executed)} were executed again: {result}.", "bold")


def _counts(executed: Mapping[str, int]) -> str:
    """Each training and each averaging includes a score."""
    trainings, averagings = (executed.get(kind, 0) for kind in ("training", "averaging"))
    more = {"forgeries": executed.get("forgery", 0), "refusals of similar models": executed.get("comparison", 0)}
    others = "".join(f", {count:,} {name}" for name, count in more.items() if count)
    scores = trainings + averagings + executed.get("scoring", 0)
    return f"{trainings:,} trainings, {averagings:,} averagings{others} and {scores:,} scores"
