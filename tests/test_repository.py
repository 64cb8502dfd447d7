"""Facts about the repository itself: what is tracked, how large it is, and that its commands exist."""

import ast
import re
import subprocess
import tomllib
from pathlib import Path
from typing import Any

import pytest

ROOT = Path(__file__).parents[1]
TRACKED = [
    ROOT / name
    for name in subprocess.run(["git", "ls-files", "-z"], cwd=ROOT, check=True, capture_output=True, text=True)
    .stdout.strip("\0")
    .split("\0")
    if (ROOT / name).is_file()
]
PURE = {
    "protocol",
    "messages",
    "session.settings",
    "session.reference",
    "session.setup",
    "session.sizes",
    "session.task",
    "session.roster",
    "session.faults",
    "session.fault_plan",
    "plugins",
    "records",
    "analysis.checks",
}
STANDARD = {"asyncio", "datetime", "logging", "os", "socket", "time"}

# Built from parts, so that this file does not find itself.
MACHINE_PATH = re.compile(r"(?<![\w.$}~*:-])/(?:" + "|".join(["work", "root", "home", "tmp", "Users", "opt"]) + r")/\w")
REGISTRY = re.compile(
    "|".join(
        [
            "pypi" + r"\.org",
            "pythonhosted" + r"\.org",
            "pytorch" + r"\.org/whl",
            "npmjs" + r"\.org",
            "proxy" + r"\.golang",
        ]
    )
)


# Habits of wording that stop a reader; plain English has a shorter way.
STUMBLING = re.compile(
    r"\b[Ww]hoever\b|# in here\b|\bdice\b|\bgoes on\b|\bin vain\b|\b(?:is|are) told\b|\bhear(?:s|d)? of\b"
)
PROSE = (
    "peer/",
    "tools/",
    "monitor/",
    "docs/",
    ".ci/",
    "README.md",
    "ARCHITECTURE.md",
    "CONTRIBUTING.md",
    "CHANGELOG.md",
)


def text(path: Path) -> str:
    content = path.read_bytes()
    return "" if b"\0" in content else content.decode()


def named(path: Path) -> str:
    return str(path.relative_to(ROOT))


@pytest.fixture(scope="module")
def project() -> dict[str, Any]:
    return tomllib.loads((ROOT / "pyproject.toml").read_text())


def targets() -> dict[str, str]:
    """Each target of the Makefile that a person would type, and its help text."""
    rules = re.findall(r"^([a-z][a-z-]*):(?!=)[^#\n]*(?:## (.*))?$", (ROOT / "Makefile").read_text(), re.MULTILINE)
    return dict(rules)


def test_the_table_of_extras_is_that_of_the_package() -> None:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    page = (ROOT / "docs" / "tutorials" / "first-session.md").read_text(encoding="utf-8")
    rows = page.partition("| extra |")[2].partition("\n\n")[0]
    assert sorted(re.findall(r"^\| `([\w-]+)` \|", rows, re.MULTILINE)) == sorted(project["optional-dependencies"])


def test_no_tracked_file_names_a_directory_of_one_machine() -> None:
    found = {named(p): m.group() for p in TRACKED if (m := MACHINE_PATH.search(text(p)))}
    assert not found


def test_no_tracked_file_names_a_package_registry() -> None:
    found = {named(p): m.group() for p in TRACKED if (m := REGISTRY.search(text(p)))}
    assert not found


def test_no_sentence_uses_wording_that_stops_a_reader() -> None:
    prose = [path for path in TRACKED if named(path).startswith(PROSE)]
    assert not {named(p): m.group() for p in prose if (m := STUMBLING.search(text(p)))}


def test_every_test_that_the_threat_model_names_exists() -> None:
    page = (ROOT / "docs" / "explanation" / "security.md").read_text(encoding="utf-8")
    named_tests = re.findall(r"tests/[\w/]+\.py", page)
    assert len(named_tests) > 10 and not [path for path in named_tests if not (ROOT / path).is_file()]


def test_no_tracked_file_is_larger_than_20_megabytes() -> None:
    assert not {named(p) for p in TRACKED if p.stat().st_size > 20_000_000}


def test_no_module_is_longer_than_300_lines_and_no_test_than_400() -> None:
    limits = {p: 300 if named(p).startswith("peer/") else 400 for p in TRACKED if p.suffix == ".py"}
    assert not {named(p) for p, limit in limits.items() if len(text(p).splitlines()) > limit}


def text_files_without_encoding(path: Path) -> list[int]:
    """The lines of calls that read or write text in the encoding of the locale."""
    lines = []
    for call in ast.walk(ast.parse(text(path))):
        if isinstance(call, ast.Call) and not any(keyword.arg in ("encoding", None) for keyword in call.keywords):
            name = ast.unparse(call.func).rpartition(".")[2]
            modes = [argument.value for argument in call.args if isinstance(argument, ast.Constant)]
            opens_text = ast.unparse(call.func) == "open" or any(re.fullmatch("[rwax][+t]*", str(m)) for m in modes)
            is_binary = any("b" in str(mode) for mode in modes)
            decodes = any(ast.unparse(keyword) == "text=True" for keyword in call.keywords)  # the output of a process
            if (
                decodes
                or name in ("read_text", "write_text")
                or (name in ("open", "fdopen") and opens_text and not is_binary)
            ):
                lines.append(call.lineno)
    return lines


def test_the_protocol_of_the_paper_reads_in_one_sitting() -> None:
    """Issue 14.  What belongs to an optional rule is in the module of the rule (``protocol/rules.py``)."""
    modules = ("types", "events", "actions", "peer", "training", "payments")
    lines = {name: text(ROOT / f"peer/learnae/protocol/{name}.py").count("\n") for name in modules}
    assert sum(lines.values()) <= 1100, lines


def test_text_files_are_read_and_written_as_utf_8_whatever_the_locale() -> None:
    sources = [path for path in TRACKED if path.suffix == ".py" and path.is_relative_to(ROOT / "peer")]
    assert not {named(path): lines for path in sources if (lines := text_files_without_encoding(path))}


def test_every_target_of_the_makefile_says_what_it_does() -> None:
    assert {"help", "swarm", "test", "check", "verify"} <= targets().keys()
    assert not [name for name, help_text in targets().items() if not help_text]


@pytest.mark.parametrize("page", ["README.md", "CONTRIBUTING.md", "ARCHITECTURE.md", ".ci/README.md"])
def test_every_make_command_a_page_names_exists(page: str) -> None:
    if (ROOT / page).exists():
        commands = re.findall(
            r"(?:`|^\s*(?:\$ )?)make ([a-z][a-z-]*(?: [a-z][a-z-]*)*)", (ROOT / page).read_text(), re.MULTILINE
        )
        assert {name for command in commands for name in command.split()} <= targets().keys()


def test_the_pure_part_is_listed_wherever_its_purity_is_checked(project: dict[str, Any]) -> None:
    """import-linter refuses modules that do not exist yet, so whoever adds one adds it to the contract."""
    tool = project["tool"]
    contract = next(c for c in tool["importlinter"]["contracts"] if c["name"].startswith("the pure part"))
    assert {f"learnae.{name}" for name in PURE} == set(contract["source_modules"])
    third_parties = {re.split(r"[<>=\[]", d)[0].replace("-", "_") for d in project["project"]["dependencies"]}
    assert set(contract["forbidden_modules"]) == STANDARD | third_parties
    covered = {
        p.removeprefix("peer/learnae/").removesuffix("/*").removesuffix(".py").replace("/", ".")
        for p in tool["coverage"]["report"]["include"]
    }
    assert covered == PURE


def test_the_environment_and_the_project_agree_on_the_python_versions(project: dict[str, Any]) -> None:
    assert project["project"]["requires-python"] == ">=3.11,<3.14"
    assert "(3, 11) <= sys.version_info[:2] <= (3, 13)" in (ROOT / "tools" / "install.sh").read_text()
