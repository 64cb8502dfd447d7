"""A run without a session has nothing to show: commands that show something refuse it, and those that judge it fail."""

from pathlib import Path

import pytest
from tests.helpers.command_line import here, refused
from tests.helpers.histories import GOOD


@pytest.mark.parametrize("history", ["", "rest"])
@pytest.mark.parametrize("command", ["report", "figures", "export", "compare", "calibrate"])
def test_a_command_that_shows_a_run_refuses_one_without_a_session(tmp_path: Path, command: str, history: str) -> None:
    run = tmp_path / "run"
    run.mkdir()
    lines = [record.line() for record in GOOD.records[1:]] if history else []
    (run / "history.jsonl").write_text("".join(f"{line}\n" for line in lines))
    (run / "session.toml").write_text("peers = 2\n")
    before = set(tmp_path.rglob("*"))
    refused(here(tmp_path, command, "run"), "run/history.jsonl records no session", "run the session again")
    assert set(tmp_path.rglob("*")) == before


def test_commands_that_judge_a_run_do_not_pass_one_without_a_session(tmp_path: Path) -> None:
    run = tmp_path / "run"
    run.mkdir()
    for name in ("history.jsonl", "chain.jsonl"):
        (run / name).write_text("")
    (run / "session.toml").write_text("peers = 2\n")
    for command in ("check", "audit"):
        done = here(tmp_path, command, "run")
        assert done.returncode in (1, 2), done.stdout + done.stderr
