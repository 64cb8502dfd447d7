"""What is generated in the documentation is up to date, and a page that is not is named."""

import re
from pathlib import Path
from typing import Any

import pytest
from tools.cli_reference import cli_reference
from tools.generate import PARTS, Part, main
from tools.house import house_map, imports, layers, purpose
from tools.state_diagrams import state_diagram
from typer.main import get_command

from learnae.cli.app import build_app
from learnae.protocol.transitions import IDENTITY

BEGIN, END = "<!-- lines:begin -->", "<!-- lines:end -->"
PART = Part("PAGE.md", "lines", lambda: "new")
STALE = f"# Page\n{BEGIN}\nold\n{END}\nafter\n"


@pytest.fixture
def root(tmp_path: Path) -> Path:
    (tmp_path / "PAGE.md").write_text(STALE)
    return tmp_path


@pytest.mark.parametrize("part", PARTS, ids=lambda part: f"{part.page}-{part.name}")
def test_the_documentation_is_up_to_date(part: Part, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["--check"], parts=[part]) == 0, capsys.readouterr().out


def test_a_stale_page_fails_the_check_and_is_left_alone(root: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["--check"], [PART], root) == 1
    assert (root / "PAGE.md").read_text() == STALE
    assert capsys.readouterr().out == "PAGE.md: lines is out of date: run python -m tools.generate\n"


def test_only_the_text_between_the_markers_is_replaced(root: Path) -> None:
    assert main([], [PART], root) == 0
    assert (root / "PAGE.md").read_text() == STALE.replace("old", "new")
    assert main(["--check"], [PART], root) == 0


@pytest.mark.parametrize("page", ["no markers", BEGIN, f"{END}{BEGIN}", BEGIN + END + END])
def test_a_page_without_a_place_for_a_part_is_named(page: str, root: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (root / "PAGE.md").write_text(page)
    assert main([], [PART], root) == 1
    assert "once each" in capsys.readouterr().out
    assert (root / "PAGE.md").read_text() == page


def test_a_state_diagram_has_an_arrow_for_each_line_of_the_table() -> None:
    lines = state_diagram("identity", IDENTITY).splitlines()
    assert "    [*] --> NONE" in lines
    assert "    DEPLOYING --> REGISTERED: claim signed" in lines
    assert sum("-->" in line for line in lines) == len(IDENTITY) + 1


def test_the_house_names_every_room_with_its_purpose_in_the_order_of_the_layers() -> None:
    rooms = [room for layer in layers() for room in layer]
    drawn = house_map()
    assert [drawn.index(f"  {room}") for room in rooms] == sorted(drawn.index(f"  {room}") for room in rooms)
    assert all(purpose(room) in drawn for room in rooms)


def test_the_arrows_of_the_picture_point_downwards() -> None:
    rooms = [room for layer in layers() for room in layer]
    arrows = imports()
    assert ("runtime", "protocol") in arrows or ("backends", "runtime") in arrows
    assert all(rooms.index(start) < rooms.index(end) for start, end in arrows)


def test_the_reference_of_commands_names_options_that_they_take() -> None:
    for path, section in re.findall(r"^## learnae (.*?)\n(.*?)(?=^## |\Z)", cli_reference(), re.M | re.S):
        command: Any = get_command(build_app())
        for name in path.split():
            command = command.commands[name]
        taken = {option for parameter in command.params for option in (*parameter.opts, *parameter.secondary_opts)}
        assert set(re.findall(r"^\| `(--[a-z-]+)`", section, re.M)) <= taken, path
