"""The command line as a whole: names of sessions, help, completion, and what starting it costs."""

import json
import subprocess
import sys
import tomllib
from pathlib import Path
from typing import Any

import pytest
from jsonschema_rs import is_valid
from tests.helpers.command_line import here, refused
from typer.main import get_command
from typer.testing import CliRunner

from learnae.__main__ import main
from learnae.cli.app import GROUPS, PANELS, build_app
from learnae.errors import InputError
from learnae.resources import EXAMPLE, scenario_files, session_files
from learnae.session.session_file import load, parse, schema

SLOW_TO_IMPORT = {"torch", "matplotlib", "fastapi", "web3", "eth_tester", "docker"}


@pytest.mark.parametrize("file", [*session_files().values(), *scenario_files().values()], ids=lambda path: path.stem)
def test_every_shipped_file_is_named_like_its_session_and_says_what_it_shows(file: Path) -> None:
    session = load(file)
    assert session.name == file.stem
    assert session.about


def test_sessions_are_listed_with_what_they_show(tmp_path: Path) -> None:
    done = here(tmp_path, "sessions")
    assert done.returncode == 0
    lines = done.stdout.splitlines()
    assert lines[::2] == list(session_files())
    assert lines[1] == load(session_files()[lines[0]]).about


@pytest.mark.parametrize(
    ("arguments", "sentence"),
    [
        (["simulate", "papr"], "did you mean paper?"),
        (["swarm", "examples/paper.toml"], "did you mean paper?"),
        (["chaos", "plan", "split-hlaf"], "did you mean split-half?"),
        (["sweep", "xyz"], "`learnae sessions` lists"),
        (["chaos", "run", "xyz"], "`learnae chaos list` lists"),
        (["simulate", "x" * 300], "`learnae sessions` lists"),
    ],
)
def test_an_unknown_name_is_refused_with_a_suggestion(tmp_path: Path, arguments: list[str], sentence: str) -> None:
    refused(here(tmp_path, *arguments), sentence)


def test_a_table_is_no_session_and_its_command_is_named(tmp_path: Path) -> None:
    (tmp_path / "my shop.csv").write_text("x,label\n")
    command = "--set 'data.path=my shop.csv' --set data.label=COLUMN"
    refused(here(tmp_path, "simulate", "my shop.csv"), "is a table", "session `table`", command)


def test_a_file_of_a_shipped_sessions_name_is_given_with_its_path(tmp_path: Path) -> None:
    (tmp_path / "paper").write_text("peers = 1\n")
    refused(here(tmp_path, "simulate", "./paper"), "paper", "2")


def test_the_schema_is_printed_and_init_writes_the_same(tmp_path: Path) -> None:
    done = here(tmp_path, "schema")
    assert json.loads(done.stdout) == schema() == json.loads((EXAMPLE / "session.schema.json").read_text())


@pytest.mark.parametrize("file", [*session_files().values(), *scenario_files().values(), EXAMPLE / "session.toml"])
def test_every_shipped_session_satisfies_the_schema(file: Path) -> None:
    assert is_valid(schema(), tomllib.loads(file.read_text()))


def test_the_schema_refuses_what_the_session_file_refuses() -> None:
    for wrong in ({"peers": 1}, {"peeers": 20}, {"work": {"slices": 0}}, {"model": {"optimizer": "x"}}):
        assert not is_valid(schema(), wrong)
        with pytest.raises(InputError):
            parse(wrong)


def test_init_writes_a_session_with_its_table_and_never_overwrites(tmp_path: Path) -> None:
    done = here(tmp_path, "init", "mine")
    assert done.returncode == 0, done.stderr
    assert {path.name for path in (tmp_path / "mine").iterdir()} == {
        "session.toml",
        "session.schema.json",
        "rows.csv",
        "README.md",
    }
    assert load(tmp_path / "mine" / "session.toml").data.path == "rows.csv"
    (tmp_path / "mine" / "session.toml").write_text("changed")
    refused(here(tmp_path, "init", "mine"), "mine is not empty")
    assert (tmp_path / "mine" / "session.toml").read_text() == "changed"


@pytest.mark.parametrize("option", ["-h", "--help"])
def test_help_names_every_command(tmp_path: Path, option: str) -> None:
    done = here(tmp_path, option)
    assert done.returncode == 0
    assert all(name in done.stdout for names in (*PANELS.values(), GROUPS) for name in names)


def test_every_command_says_in_a_sentence_what_it_does() -> None:
    for command in build_app().registered_commands:
        assert command.callback
        assert (command.callback.__doc__ or "").partition("\n")[0].endswith("."), command.callback


def test_the_version_is_that_of_the_package(tmp_path: Path) -> None:
    assert here(tmp_path, "--version").stdout.startswith("learnae 0.")


def test_names_of_sessions_are_completed() -> None:
    typed = {"_LEARNAE_COMPLETE": "complete_bash", "COMP_WORDS": "learnae swarm pap", "COMP_CWORD": "2"}
    assert CliRunner().invoke(build_app(), prog_name="learnae", env=typed).stdout.split() == ["paper"]


def test_starting_imports_nothing_slow_and_a_peer_nothing_of_other_commands() -> None:
    code = """import sys; from learnae.cli.app import build_app
for only in ("peer", None): build_app(only); print(*sys.modules)"""
    done = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=True, cwd=Path(__file__).parents[2] / "peer"
    )
    of_a_peer, of_all = (set(line.split()) for line in done.stdout.splitlines())
    assert not SLOW_TO_IMPORT & of_all
    commands = {f"learnae.cli.{name}" for names in (*PANELS.values(), GROUPS) for name in names}
    assert commands & of_a_peer == {"learnae.cli.peer"} and commands <= of_all


@pytest.mark.parametrize("name", [name for names in (*PANELS.values(), GROUPS) for name in names])
def test_each_command_can_be_built_without_the_others(name: str) -> None:
    command: Any = get_command(build_app(name))
    assert list(command.commands) == [name]


def test_errors_of_the_system_are_one_sentence_too(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def full(*_: object, **__: object) -> None:
        raise OSError(28, "No space left on device", "rows.csv")

    monkeypatch.setattr("shutil.copytree", full)
    refused(here(tmp_path, "init", "mine"), "rows.csv: No space left on device")


def test_a_shipped_session_is_named_without_its_path() -> None:
    with pytest.raises(InputError, match="^session paper and the command line: data.rows = 3 cannot be cut"):
        load(session_files()["paper"], {"data.rows": 3})


def test_an_interruption_while_modules_are_imported_ends_with_130(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def interrupted() -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr("learnae.cli.app.main", interrupted)
    with pytest.raises(SystemExit, match="130"):
        main()
    assert capsys.readouterr().err == "learnae: interrupted\n"


def test_an_interrupted_command_ends_with_130(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def interrupted(*_: object, **__: object) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr("shutil.copytree", interrupted)
    done = here(tmp_path, "init", "mine")
    assert (done.returncode, done.stderr) == (130, "learnae: interrupted\n")


@pytest.mark.parametrize("closed", ["2>&-", ">&-", ">&- 2>&-"])
def test_a_closed_output_changes_no_exit_code(closed: str) -> None:
    command = ["sh", "-c", f'"$0" -m learnae sessions {closed}', sys.executable]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert (done.returncode, done.stderr) == (0, "")
    assert bool(done.stdout) == (closed == "2>&-")


@pytest.mark.parametrize("arguments", ["--version", "sessions", "schema"])
def test_output_that_does_not_fit_on_the_disk_is_one_sentence(arguments: str) -> None:
    command = ["env", "-u", "PYTHONUNBUFFERED", sys.executable, "-m", "learnae", arguments]
    with open("/dev/full", "w") as full:
        done = subprocess.run(command, stdout=full, stderr=subprocess.PIPE, text=True, check=False)
    sentence = "learnae: No space left on device: free some space, or use another disk\n"
    assert (done.returncode, done.stderr) == (2, sentence)


def test_a_process_ends_with_its_cleaning_up_but_frees_no_objects() -> None:
    code = """import atexit, sys; from learnae.cli.app import main
class Kept:
    def __del__(self): print("freed")
kept = Kept(); atexit.register(print, "cleaned up"); sys.argv = ["learnae", "--version"]; main()"""
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.splitlines()[1:] == ["cleaned up"]
