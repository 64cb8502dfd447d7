"""What every backend must do.  A subclass gives its backend and becomes that backend's tests."""

import multiprocessing
import os
import signal
from pathlib import Path
from typing import Any

import pytest

from learnae.adapters.run_directory import RunDirectory
from learnae.analysis.checks import exit_code
from learnae.backends.base import Backend, RunOptions
from learnae.cli.output import INTERRUPTED
from learnae.cli.run_session import run_session
from learnae.errors import InputError
from learnae.ports import Observer
from learnae.protocol.decisions import Averaged, WorkChanged
from learnae.records.history import Fact
from learnae.records.outcome import EndedBy
from learnae.runs.consistency import inconsistencies
from learnae.session.session_file import parse
from learnae.session.settings import Session

COMPLETE = {
    "session.toml",
    "environment.json",
    "history.jsonl",
    "chain.jsonl",
    "verdict.json",
    "report.html",
    "figures",
}
QUICK: dict[str, Any] = {
    "peers": 3,
    "linger": 0.5,
    "max_duration": 600.0,
    "data": {"rows": 1000},
    "work": {"slices": 3, "patience": 6, "idle_after": 0.4},
    "pace": {"slice": 0.03, "attempt": 0.03},
    "chain": {"block_time": 0.2, "poll": 0.2},
    "network": {"announce_every": 0.3},
}


class BackendSuite:
    """``settings``: of a small session.  ``unsupported``: options that the backend must refuse."""

    settings: dict[str, Any] = QUICK
    unsupported = RunOptions(remote_peers=1)

    def backend(self, session: Session, options: RunOptions) -> Backend:
        raise NotImplementedError

    def left_behind(self) -> object:
        """Whatever a run started and did not end; empty if there is nothing."""
        return multiprocessing.active_children()

    def run(self, folder: Path, *observers: Observer, **changes: Any) -> tuple[int, dict[str, Any]]:
        """The exit code and the verdict of a session, which leaves its run directory in ``folder``."""
        verdicts: list[dict[str, Any]] = []

        def conclude(directory: RunDirectory, verdict: dict[str, Any]) -> int:
            verdicts.append(verdict)
            return exit_code(verdict)

        options = RunOptions(out=folder)
        backend = self.backend(parse(self.settings | changes), options)
        backend.check()
        code = run_session(backend, "a test", options, conclude, *observers)
        return code, verdicts[0]

    def test_a_session_reports_progress_and_ends_valid_with_a_complete_run_directory(self, tmp_path: Path) -> None:
        working = set[str]()

        def observe(now: float, peer: str, item: Fact) -> None:
            if isinstance(item, WorkChanged):
                working.add(peer)

        code, verdict = self.run(tmp_path / "run", observe)
        assert len(working) == self.settings["peers"]
        assert (code, verdict["verdict"]) == (0, "valid"), verdict["checks"]
        assert {path.name for path in (tmp_path / "run").iterdir()} >= COMPLETE
        assert RunDirectory(tmp_path / "run").verdict() == verdict
        history = RunDirectory(tmp_path / "run").read()
        assert history.ended_by == EndedBy.QUIET and len(history.roster) == self.settings["peers"]
        notices: list[str] = []
        problems = inconsistencies(RunDirectory(tmp_path / "run"), history, notices.append)
        assert not [*problems, *notices], "each journal is signed by its peer"
        assert not self.left_behind()

    def test_ctrl_c_leaves_nothing_running_and_a_readable_partial_run(self, tmp_path: Path) -> None:
        pressed: list[str] = []

        def press(now: float, peer: str, item: Fact) -> None:
            if isinstance(item, Averaged) and not pressed:
                pressed.append(peer)
                os.kill(os.getpid(), signal.SIGINT)

        work = self.settings["work"] | {"patience": 100_000}
        code, verdict = self.run(tmp_path / "run", press, work=work, max_duration=3600.0)
        assert pressed and code == INTERRUPTED
        assert (verdict["verdict"], verdict["ended_by"]) == ("invalid", EndedBy.INTERRUPTED)
        assert RunDirectory(tmp_path / "run").read().ended_by == EndedBy.INTERRUPTED
        assert not self.left_behind()

    def test_what_it_cannot_do_is_refused_in_one_sentence_and_nothing_is_written(
        self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.chdir(tmp_path)
        with pytest.raises(InputError) as refusal:
            self.backend(parse(self.settings), self.unsupported).check()
        assert ": " in str(refusal.value) and "\n" not in str(refusal.value)
        assert not list(tmp_path.iterdir())

    def test_cleaning_up_is_harmless_without_a_run_and_twice(self) -> None:
        backend = self.backend(parse(self.settings), RunOptions())
        backend.clean_up()
        backend.clean_up()
        assert not self.left_behind()
