"""Both machines are drawn where they are explained, and the drawings are true."""

import re
from pathlib import Path

import pytest

from learnae.protocol import peer
from learnae.protocol.diagram import BEGIN, END, PAGE, drawn, main, updated
from learnae.protocol.registration import IDENTITY
from learnae.protocol.training import WORK

MACHINES = {
    "work": {(before.name, cause, after.name) for (before, cause), after in WORK.items()},
    "identity": {(before.name, cause, after.name) for (before, cause), after in IDENTITY.items()},
}
STALE = f"# Machines\n{BEGIN}\nold\n{END}\nafter\n"


@pytest.fixture
def page(tmp_path: Path) -> Path:
    path = tmp_path / "PAGE.md"
    path.write_text(STALE)
    return path


def arrows(text: str) -> set[tuple[str, str, str]]:
    """``A | B --one | other--> C --next--> D``, several a line, notes in parentheses."""
    found = set()
    for chain in re.split(r" {4,}|\n", re.sub(r"\([^)]*\)", "", text)):
        parts = [[each.strip() for each in part.split("|")] for part in re.split(r"--(?=\w)|(?<=\w)-->| -->", chain)]
        for befores, causes, afters in zip(parts[::2], parts[1::2], parts[2::2], strict=False):
            found |= {(before, cause, after) for before in befores for cause in causes for after in afters}
    return found


@pytest.mark.parametrize("name", MACHINES)
def test_the_machine_at_the_head_of_the_peer_is_the_one_that_runs(name: str) -> None:
    described = re.search(rf"^    {name} +((?:.+\n)+?)(?=    \w|\n)", peer.__doc__ or "", re.MULTILINE)
    assert described
    assert arrows(described[1]) == MACHINES[name]


def test_a_drawing_has_an_arrow_for_each_line_of_the_table() -> None:
    lines = drawn("identity", IDENTITY).splitlines()
    assert "    [*] --> NONE" in lines
    assert "    DEPLOYING --> REGISTERED: claim signed" in lines
    assert sum("-->" in line for line in lines) == len(IDENTITY) + 1


def test_the_architecture_shows_the_machines_as_they_are() -> None:
    assert updated(PAGE.read_text()) == PAGE.read_text()
    assert main(["--check"]) == 0


def test_a_stale_page_fails_the_check_and_is_left_alone(page: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["--check", str(page)]) == 1
    assert page.read_text() == STALE
    assert capsys.readouterr().out.count("\n") == 1


def test_drawing_replaces_only_what_is_between_the_markers(page: Path) -> None:
    assert main([str(page)]) == 0
    text = page.read_text()
    assert text.startswith(f"# Machines\n{BEGIN}\n```mermaid") and text.endswith(f"```\n{END}\nafter\n")
    assert "old" not in text
    assert main(["--check", str(page)]) == 0


@pytest.mark.parametrize("text", ["no markers", BEGIN, f"{END}{BEGIN}", BEGIN + END + END])
def test_a_page_without_a_place_for_them_is_named(text: str, page: Path, capsys: pytest.CaptureFixture[str]) -> None:
    page.write_text(text)
    assert main([str(page)]) == 1
    assert "once each" in capsys.readouterr().out
    assert page.read_text() == text
