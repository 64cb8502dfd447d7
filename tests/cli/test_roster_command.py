"""`learnae roster`: what the user got wrong is one sentence, and nothing is written; tests/stack uses what it makes."""

from pathlib import Path

import pytest
from tests.helpers.command_line import here, refused

from learnae.backends.live_run import ROSTER, SESSION
from learnae.session.session_file import parse, to_toml

AWAY = "http://127.0.0.1:1"


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    (tmp_path / "session.toml").write_text(to_toml(parse({"peers": 7})))
    return tmp_path


@pytest.mark.parametrize(
    ("urls", "sentence"),
    [
        ([AWAY], "peers = 1 is not allowed: give an integer from 2"),
        ([AWAY, AWAY], "cannot be used"),
        (["127.0.0.1:5001", AWAY], "the Kubo RPC URL must look like"),
        (["https://127.0.0.1:5001", AWAY], "the Kubo RPC URL must look like"),
    ],
)
def test_nodes_that_are_not_there_are_named_and_nothing_is_written(
    folder: Path, urls: list[str], sentence: str
) -> None:
    nodes = [part for url in urls for part in ("--kubo", url)]
    refused(here(folder, "roster", SESSION, *nodes, "--out", "run"), sentence)
    assert not (folder / "run").exists()


def test_a_folder_that_holds_a_roster_is_left_as_it_is(folder: Path) -> None:
    (folder / ROSTER).write_text("{}")
    refused(here(folder, "roster", SESSION, "--kubo", AWAY, "--kubo", AWAY, "--out", "."), "already holds a roster")
    assert (folder / ROSTER).read_text() == "{}"


def test_a_session_that_is_not_there_is_named(folder: Path) -> None:
    refused(here(folder, "roster", "gone.toml", "--kubo", AWAY, "--kubo", AWAY, "--out", "run"), "gone.toml")


def test_without_nodes_or_a_folder_the_command_says_what_it_wants(folder: Path) -> None:
    for missing in (("--out", "run"), ("--kubo", AWAY)):
        assert here(folder, "roster", SESSION, *missing).returncode == 2
