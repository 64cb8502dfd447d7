"""What is said of a session before it begins, and of its table."""

from pathlib import Path

import pytest
from tests.helpers.histories import GOOD

from learnae.adapters.run_directory import RunDirectory
from learnae.analysis.checks import verdict
from learnae.backends.base import RunOptions
from learnae.backends.sim.backend import SimBackend
from learnae.cli.output import print_outcome
from learnae.cli.run_session import expectation
from learnae.session.session_file import parse, to_toml


@pytest.mark.parametrize(("kind", "sentence"), [("mlp", "Expect about 15 s of real time."), ("cnn", "")])
def test_time_is_estimated_only_for_the_model_that_was_measured(kind: str, sentence: str) -> None:
    session = parse({"peers": 20, "model": {"kind": kind}})
    assert expectation(SimBackend(session, RunOptions(), print)) == sentence


def test_a_session_with_cheats_says_whose_numbers_the_table_has(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    verdict_of_good = {**verdict(GOOD), "root": None}
    for groups, said in (([{}], False), ([{}, {"count": 2, "policy": "refuses-to-pay"}], True)):
        (tmp_path / "session.toml").write_text(to_toml(parse({"peers": 6, "groups": groups})))
        print_outcome(RunDirectory(tmp_path), verdict_of_good)
        assert ("are those of the 4 honest peers; progress counts all." in capsys.readouterr().out) == said
