"""Whether the files of a run agree with each other: settings, roster, journals, history, verdict and report."""

from collections.abc import Callable, Iterator
from pathlib import Path

from learnae.adapters.run_directory import VERDICT, RunDirectory
from learnae.adapters.run_directory.seal import is_sealed
from learnae.backends import live_run
from learnae.backends.sim.simulation import JOURNALS_UP_TO
from learnae.errors import InputError
from learnae.protocol.types import Score
from learnae.records.history import (
    Evaluated,
    FaultBegan,
    FaultEnded,
    FaultsPlanned,
    History,
    PeerCrashed,
    ReadingPublished,
    ReadingsDamaged,
    SessionBegan,
    session_began,
)
from learnae.records.outcome import BackendName
from learnae.runs.drawing import REPORT, report_parts
from learnae.runs.exported_journals import exported_journals
from learnae.runs.journal_signatures import wrong_signatures
from learnae.runs.provenance import is_of_another_program
from learnae.runtime.history_from_journals import ReplayedJournal, contradictions
from learnae.session.session_file import load

OTHER = "it was changed, or another version of LEARNAE wrote it"
TOLERANCE = 1000  # one part of this many test rows may be classified differently on another processor


def inconsistencies(run: RunDirectory, history: History, notice: Callable[[str], None]) -> Iterator[str]:
    """A sentence about each contradiction between the files of a run.  ``notice`` gets what was not compared."""
    began = history.began
    if began is None:
        yield "history.jsonl does not begin with the session"
        return
    try:
        if began.backend is BackendName.LIVE:
            yield from _of_live_run(run.path, history, began, notice)
        else:
            yield from _settings(run.path, began)
            if _keeps_journals(began):
                journals = _exported(run.path, history)
                yield from contradictions(history, journals)
                if began.backend is BackendName.EMBEDDED:
                    yield from wrong_signatures(history, journals, notice)
    except InputError as error:
        yield str(error)
    yield from _derived(run, history, notice)


def _of_live_run(run: Path, history: History, began: SessionBegan, notice: Callable[[str], None]) -> Iterator[str]:
    session, members = live_run.members(run)
    journals = live_run.replayed_journals(run, members)
    manifest = next((journal.contents.config.session for journal in journals.values()), began.manifest)
    if session_began(BackendName.LIVE, session, members, manifest) != began:
        yield f"history.jsonl begins with other settings, peers or roles than {live_run.SESSION} and {live_run.ROSTER}"
    yield from contradictions(history, journals)
    yield from wrong_signatures(history, journals, notice)
    faults = FaultsPlanned, FaultBegan, FaultEnded, PeerCrashed
    for what, kinds, file in (
        ("faults", faults, live_run.FAULTS),
        ("readings", (ReadingPublished, ReadingsDamaged), live_run.READINGS),
    ):
        recorded = sorted(record.line() for record in live_run.observed(run, file))
        if sorted(record.line() for record in history.of(*kinds)) != recorded:
            yield f"the {what} in history.jsonl are not those of {file}"


def wrong_accuracies(run: Path, history: History) -> tuple[list[str], list[str]]:
    """The test accuracies of a live run that its models do not have, and what could not be measured, in sentences."""
    session, _ = live_run.members(run)
    measured, notices = live_run.test_accuracies(run, session, history.records)
    stated = {record.peer: record.fact for record in history.of(Evaluated)}
    wrong = [
        f"the model of {record.peer} classifies {record.fact.test.correct} test rows correctly, not as the history says"
        for record in measured
        if isinstance(record.fact, Evaluated) and not _close(record.fact, stated.get(record.peer))
    ]
    return wrong, notices


def _close(measured: Evaluated, stated: object) -> bool:
    if not isinstance(stated, Evaluated) or (measured.cid, measured.step) != (stated.cid, stated.step):
        return False
    return _near(measured.test, stated.test) and (
        measured.own == stated.own or bool(measured.own and stated.own and _near(measured.own, stated.own))
    )


def _near(one: Score, other: Score) -> bool:
    return one.total == other.total and abs(one.correct - other.correct) <= one.total / TOLERANCE


def _settings(run: Path, began: SessionBegan) -> Iterator[str]:
    file = run / live_run.SESSION
    if not file.is_file() or load(file) != began.session:
        yield f"{live_run.SESSION} has other settings than history.jsonl"


def _keeps_journals(began: SessionBegan) -> bool:
    """A large simulated session without faults keeps none."""
    simulated = began.backend is BackendName.SIM
    return not simulated or len(began.roster) <= JOURNALS_UP_TO or bool(began.session.faults)


def _exported(run: Path, history: History) -> dict[str, ReplayedJournal]:
    return {name: ReplayedJournal.of(name, journal) for name, journal in exported_journals(run, history.roster).items()}


def _derived(run: RunDirectory, history: History, notice: Callable[[str], None]) -> Iterator[str]:
    """Verdict and report, as far as they are there, are derived again."""
    stored = run.verdict()
    again = run.judge_again(history)
    differing = [VERDICT] if stored and stored != again else []
    report = run.path / REPORT
    if report.is_file():
        top, library, rest = report_parts(run, history, again)
        text = report.read_bytes()
        if not (text.startswith(top) and text.endswith(rest) and len(text) >= len(top) + len(rest)):
            differing.append(REPORT)
        elif text[len(top) : len(text) - len(rest)] != library:
            notice(f"{REPORT} contains another version of Plotly than the one here: that part of it was not compared.")
    for name in differing:
        if is_sealed(run.path, name) and is_of_another_program(run):
            notice(f"{name} is as it was sealed; another version of LEARNAE wrote it: it was not derived again.")
        else:
            yield f"{name} does not follow from the records: {OTHER}"
