"""The commands as a user sees them: their output, exit code and files.

Most run in the process of the tests, because importing torch takes longer than the command does.
"""

import csv
import json
import shutil
import signal
import subprocess
import sys
from collections import Counter
from pathlib import Path

import pytest
from tests.helpers.command_line import Done, here, learnae, refused

from learnae.adapters.run_directory.seal import deviations, seal_run
from learnae.web.charts.assets import plotly

SMALL = """
name = "small"
peers = {peers}
evaluation_peers = 3

[data]
rows = {rows}
validation_rows = 100
test_rows = 1000

[work]
slices = 2
patience = {patience}

[model]
epochs = 1
"""


def session(folder: Path, peers: int = 3, rows: int = 200, patience: int = 3, more: str = "") -> Path:
    path = folder / "session.toml"
    path.write_text(SMALL.format(peers=peers, rows=rows, patience=patience) + more)
    return path


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Done]:
    folder = tmp_path_factory.mktemp("run")
    return folder / "out", learnae(folder, "simulate", session(folder), "--out", folder / "out")


def test_a_run_ends_with_a_table_a_verdict_and_its_directory(
    run: tuple[Path, Done],
) -> None:
    out, done = run
    assert done.returncode == 0, done.stderr
    assert done.stderr == ""
    assert done.stdout.startswith("LEARNAE: 3 peers in the simulator")
    assert "test accuracy, mean" in done.stdout and "paper (section 4)" not in done.stdout
    assert "checks passed; all peers finished and all debts are settled." in done.stdout
    assert str(out) in done.stdout


@pytest.mark.parametrize("command", ["simulate", "swarm"])
@pytest.mark.parametrize(
    ("settings", "sentence"),
    [
        (("--set", "work.patienc=2"), "command line: work.patienc: no such setting; did you mean work.patience?"),
        (("--set", "wrk.patience=2"), "command line: wrk: no such setting; did you mean work?"),
        (("--set", "patience=2"), "command line: patience: no such setting here; patience belongs in [work]"),
        (("--set", "work.patience=2,3"), 'command line: work.patience = "2,3" is not allowed: give '),
        (("--set", "peers=4", "--peers", "4"), "--peers and --set peers are both given"),
        (("--set", "reward.target='0.4'"), "session.toml and the command line: reward: target, lowest"),
    ],
)
def test_what_cannot_be_set_is_one_sentence(
    tmp_path: Path, command: str, settings: tuple[str, ...], sentence: str
) -> None:
    refused(here(tmp_path, command, session(tmp_path), *settings), sentence)


def test_a_run_directory_is_whole(run: tuple[Path, Done]) -> None:
    out, _ = run
    found = {path.relative_to(out).as_posix() for path in out.rglob("*") if path.is_file()}
    figures = {path for path in found if path.startswith("figures/")}
    assert len(figures) == 11  # five figures and the data of each, and the sheet that shows all
    assert found - figures == {
        "session.toml",
        "environment.json",
        "history.jsonl",
        "chain.jsonl",
        "verdict.json",
        "report.html",
        "seal.json",
        *(f"journals/p{number:02}.jsonl" for number in range(3)),
    }


def test_the_resolved_session_of_a_run_gives_the_same_history_byte_for_byte(
    run: tuple[Path, Done], tmp_path: Path
) -> None:
    out, _ = run
    again = here(tmp_path, "simulate", out / "session.toml", "--out", tmp_path / "again")
    assert again.returncode == 0, again.stderr
    for name in ("history.jsonl", "chain.jsonl", "session.toml"):
        assert (tmp_path / "again" / name).read_bytes() == (out / name).read_bytes()


def test_a_run_needs_no_utf_8_locale(tmp_path: Path) -> None:
    path = session(tmp_path)
    path.write_text('about = "größer – 数据"\n' + path.read_text(), encoding="utf-8")
    ascii_only = {"LC_ALL": "C", "PYTHONCOERCECLOCALE": "0", "PYTHONUTF8": "0"}
    done = learnae(tmp_path, "simulate", path, "--out", tmp_path / "out", **ascii_only)
    assert done.returncode == 0, done.stderr
    assert "größer – 数据" in (tmp_path / "out" / "report.html").read_text(encoding="utf-8")


def test_what_was_left_out_of_the_data_is_printed_and_kept_in_the_run(tmp_path: Path) -> None:
    rows = "".join(f"{row},{row * row % 7},{row % 2}\n" for row in range(3000))
    (tmp_path / "rows.csv").write_text(f",a,k\n{rows}")
    path = session(tmp_path)
    path.write_text(path.read_text().replace("[data]", '[data]\npath = "rows.csv"\nlabel = "k"'))
    done = here(tmp_path, "simulate", path, "--out", tmp_path / "out")
    assert done.returncode == 0, done.stderr
    notice = "Columns that number the rows are left out: (without a name)."
    assert f"Notice: {notice}" in done.stdout
    assert json.loads((tmp_path / "out" / "environment.json").read_text())["notice"].startswith(notice)
    assert f"Notice on the data: {notice}" in (tmp_path / "out" / "report.html").read_text()


def test_another_seed_gives_another_history_and_json_is_alone_on_the_standard_output(
    run: tuple[Path, Done], tmp_path: Path
) -> None:
    out = tmp_path / "other"
    (tmp_path / "own.py").write_text("print('imported')\n\ndef reward(view):\n    return 9\n")
    settings = ("--set", "seed=2", "--set", "reward.function=own.py:reward")
    other = here(tmp_path, "simulate", session(tmp_path), *settings, "--out", out, "--json")
    assert other.returncode == 0, other.stderr
    assert (out / "history.jsonl").read_bytes() != (run[0] / "history.jsonl").read_bytes()
    assert json.loads(other.stdout) == json.loads((out / "verdict.json").read_text()) | {"run": str(out)}
    assert other.stderr.startswith("LEARNAE: 3 peers in the simulator") and "\nimported\n" in other.stderr
    assert here(tmp_path, "sessions").stderr == "", "text is on the standard output again"


def test_check_changes_nothing(run: tuple[Path, Done], tmp_path: Path) -> None:
    out, done = run
    before = {path: path.read_bytes() for path in out.rglob("*") if path.is_file()}
    checked = here(tmp_path, "check", out)
    assert checked.returncode == 0, checked.stdout
    assert {path: path.read_bytes() for path in out.rglob("*") if path.is_file()} == before
    [root] = [line for line in done.stdout.splitlines() if line.startswith("Sealed with root ")]
    assert root in checked.stdout.splitlines()


def altered(run: Path, to: Path, **files: tuple[str, str]) -> Path:
    """A copy that is sealed again after one text in each file, named without its ending, was replaced."""
    copy = Path(shutil.copytree(run, to))
    for path in copy.iterdir():
        if path.stem in files:
            before, after = files[path.stem]
            path.write_text(path.read_text(encoding="utf-8").replace(before, after, 1), encoding="utf-8")
    seal_run(copy)
    return copy


def test_a_report_is_compared_without_another_version_of_plotly(run: tuple[Path, Done], tmp_path: Path) -> None:
    library = plotly()
    newer = altered(run[0], tmp_path / "newer", report=(library, library.replace("plotly.js v", "plotly.js v9")))
    checked = here(tmp_path, "check", newer)
    assert checked.returncode == 0 and "contains another version of Plotly than the one here" in checked.stdout
    for number, edit in enumerate((("<h1>", "<h1>100 % "), ("</html>", ""))):
        done = here(tmp_path, "check", altered(run[0], tmp_path / str(number), report=edit))
        assert (done.returncode, "report.html does not follow" in done.stdout) == (1, True)


def test_what_another_version_derived_is_named_and_no_failure_while_it_is_as_it_was_sealed(
    run: tuple[Path, Done], tmp_path: Path
) -> None:
    edits = {"verdict": ('"wall_seconds"', '"wall"'), "report": ("<h1>", "<h1>Our ")}
    here_written = here(tmp_path, "check", altered(run[0], tmp_path / "here", **edits))
    assert here_written.returncode == 1 and "verdict.json does not follow" in here_written.stdout
    elsewhere = altered(run[0], tmp_path / "other", **edits, environment=('"code_sha256": "', '"code_sha256": "0'))
    done = here(tmp_path, "check", elsewhere)
    assert done.returncode == 0, done.stdout
    for name in ("verdict.json", "report.html"):
        assert f"{name} is as it was sealed; another version of LEARNAE wrote it" in done.stdout
    (elsewhere / "report.html").write_text("edited")
    done = here(tmp_path, "check", elsewhere)
    assert done.returncode == 1 and "report.html does not follow" in done.stdout


def test_check_finds_a_payment_that_was_tampered_with(run: tuple[Path, Done], tmp_path: Path) -> None:
    out, _ = run
    lines = (out / "history.jsonl").read_text().splitlines()
    paid = next(number for number, line in enumerate(lines) if '"state":"owed"' in line)
    record = json.loads(lines[paid])
    lines[paid] = json.dumps(record | {"wei": str(int(record["wei"]) + 1)})
    (tmp_path / "history.jsonl").write_text("\n".join(lines))
    (tmp_path / "chain.jsonl").write_bytes((out / "chain.jsonl").read_bytes())
    checked = here(tmp_path, "check", tmp_path)
    assert checked.returncode == 1
    assert "Check failed: amounts_follow_reward_function" in checked.stdout


def test_a_check_as_json_has_the_keys_of_the_verdict_and_the_problems(run: tuple[Path, Done], tmp_path: Path) -> None:
    verdict = json.loads((run[0] / "verdict.json").read_text())
    done = here(tmp_path, "check", run[0], "--json", "--rerun")
    repeated = ["A rerun gives the same history, chain and journals, byte for byte."]
    assert done.returncode == 0, done.stderr
    assert json.loads(done.stdout) == verdict | {
        "run": str(run[0]),
        "problems": [],
        "notices": verdict["notices"] + repeated,
    }

    copy = tmp_path / "copy"
    shutil.copytree(run[0], copy)
    (copy / "report.html").write_text("")
    done = here(tmp_path, "check", copy, "--json")
    found = json.loads(done.stdout)
    assert (done.returncode, found["verdict"]) == (1, "valid")
    assert any("report.html was changed" in problem for problem in found["problems"])


def test_figures_are_drawn_again_on_demand(run: tuple[Path, Done], tmp_path: Path) -> None:
    look = ("--format", "pdf", "--format", "svg", "--size", "3.5x2.5", "--no-title")
    drawn = here(tmp_path, "figures", run[0], "--x", "seconds", *look)
    assert drawn.returncode == 0, drawn.stderr
    files = [Path(line) for line in drawn.stdout.split()]
    assert Counter(file.suffix for file in files) == {".pdf": 6, ".svg": 6, ".csv": 5}
    assert all(file.stat().st_size > 1000 for file in files)
    assert 'width="252pt" height="180pt"' in (run[0] / "figures" / "fig7-payments-seconds.svg").read_text()
    (data,) = [file for file in files if file.name == "fig7-payments-seconds.csv"]
    heads, *rows = csv.reader(data.read_text(encoding="utf-8").splitlines())
    assert heads[:2] == ["session time (s)", "mean of peers"] and len(rows) > 100
    assert deviations(run[0]) == []


def test_the_report_is_written_again_with_the_baselines_once_there_are_any(
    run: tuple[Path, Done], tmp_path: Path
) -> None:
    copy = tmp_path / "copy"
    shutil.copytree(run[0], copy)
    before = (copy / "report.html").read_text()
    scores = {"mean": 0.75, "min": 0.7, "max": 0.8}
    (copy / "baselines.json").write_text(json.dumps({"alone": scores, "pooled": scores}))
    done = here(tmp_path, "report", copy)
    assert done.returncode == 0, done.stderr
    after = (copy / "report.html").read_text()
    assert "learnae baselines RUN" in before and "learnae baselines RUN" not in after
    assert "75.00%" in after


@pytest.mark.parametrize("records", [0, 1])
def test_a_session_that_did_not_end_has_no_baselines(run: tuple[Path, Done], tmp_path: Path, records: int) -> None:
    copy = shutil.copytree(run[0], tmp_path / "copy")
    history = (copy / "history.jsonl").read_text().splitlines(keepends=True)
    (copy / "history.jsonl").write_text("".join(history[:records]))
    refused(here(tmp_path, "baselines", copy), "no accuracy on test data, because the session did not end: run it")


def test_ctrl_c_leaves_a_readable_run_marked_partial(tmp_path: Path) -> None:
    long = session(tmp_path, peers=20, rows=5000, patience=10_000)
    command = [sys.executable, "-m", "learnae", "simulate", str(long), "--out", "out"]
    with subprocess.Popen(command, cwd=tmp_path, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True) as process:
        assert process.stdout
        assert any("registered" in line for line in process.stdout)  # the first of the progress
        process.send_signal(signal.SIGINT)
        output, errors = process.communicate(timeout=60)
    assert process.returncode == 130, errors
    assert "checks passed; the session was interrupted." in output
    assert "partial" in output
    checked = here(tmp_path, "check", "out")
    assert checked.returncode == 1
    assert "partial" in checked.stdout


def test_a_session_that_is_no_text_is_not_toml(tmp_path: Path) -> None:
    (tmp_path / "session.toml").write_bytes(b'name = "\xff"')
    refused(here(tmp_path, "simulate", "session.toml"), "session.toml is not TOML", "utf-8")


@pytest.mark.parametrize(
    ("arguments", "sentence"),
    [
        (["simulate", "missing.toml"], "no session and no file missing.toml"),
        (["simulate", "."], "is a folder: give a session file"),
        (["check", "."], "no history.jsonl"),
        (["check", "missing"], "there is no directory missing"),
        (["audit", "missing"], "there is no directory missing"),
        (["figures", "."], "no history.jsonl"),
        (["report", "."], "no history.jsonl"),
        (["simulate"], "missing argument 'SESSION' (see"),
        (["simulat"], "no such command 'simulat'. Did you mean 'simulate'? (see"),
        (["--peers"], "no such option: --peers"),
        (["check", ".", "--jsn"], "no such option: --jsn"),
        (["figures", ".", "--format", "gif"], "'gif' is not one of 'png', 'svg', 'pdf' (see"),
        (["figures", ".", "--size", "3.5"], "--size 3.5 is no size: give width and height in inches"),
        (["figures", ".", "--size", "1x1"], "at least 2.5x2, at most 40x40"),
    ],
)
def test_bad_arguments_are_one_sentence_and_exit_code_2(tmp_path: Path, arguments: list[str], sentence: str) -> None:
    refused(here(tmp_path, *arguments), sentence)


def test_plug_ins_are_listed_with_their_texts_below_the_titles(tmp_path: Path) -> None:
    title, *rows = (line for line in here(tmp_path, "plugins").stdout.splitlines() if "name" in line or "flat" in line)
    assert rows and title.index("name") == rows[0].index("flat")


def test_a_process_ends_with_the_same_sentence_and_exit_code(tmp_path: Path) -> None:
    refused(learnae(tmp_path, "simulate", "missing.toml"), "no session and no file missing.toml")


@pytest.mark.parametrize(
    ("more", "sentence"),
    [
        ("[wrok]\nslices = 3", "wrok: no such setting"),
        ("[network]\nloss = 2.0", "network.loss"),
        ('[[groups]]\npolicy = "row-poisoner"', "privacy = false"),
        ('[[groups]]\npolicy = "thief"', "groups.0.policy"),
        ("[[groups]]\nhas_rows = false\ncomputes = false", "no peer trains"),
        ('[[groups]]\npolicy = "own"', 'policy = "own" needs behaviour, such as'),
        ("[[groups]]\ncount = 7", "count 7 peers"),
        ('[[groups]]\npolicy = "hijacker"', "victim"),
        ("= 3", "not TOML"),
    ],
)
def test_bad_sessions_are_one_sentence_and_exit_code_2(tmp_path: Path, more: str, sentence: str) -> None:
    path = session(tmp_path, more=more)
    done = here(tmp_path, "simulate", path, "--out", tmp_path / "out")
    assert done.returncode == 2
    assert sentence in done.stderr
    assert len(done.stderr.strip().splitlines()) == 1
    assert not (tmp_path / "out" / "history.jsonl").exists()


def test_a_run_is_never_written_over_another(run: tuple[Path, Done], tmp_path: Path) -> None:
    done = here(tmp_path, "simulate", session(tmp_path), "--out", run[0])
    assert done.returncode == 2
    assert "already contains a run" in done.stderr


def test_a_run_is_refused_in_a_folder_that_is_not_empty(tmp_path: Path) -> None:
    (tmp_path / ".git" / "hooks").mkdir(parents=True)
    refused(here(tmp_path, "simulate", session(tmp_path), "--out", "."), ". contains .git, and a run needs a folder")


def test_more_peers_than_rows_is_a_notice_and_no_error(tmp_path: Path) -> None:
    path = session(tmp_path, rows=100_000, more="batch = 20_000")
    done = here(tmp_path, "simulate", path, "--out", tmp_path / "out")
    assert done.returncode == 0, done.stderr
    assert "Notice: " in done.stdout


def test_the_doctor_tells_programs_the_same_as_json(tmp_path: Path) -> None:
    findings = json.loads(here(tmp_path, "doctor", "--json").stdout)
    assert {"ok", "what", "fix"} == findings[0].keys() and findings[0]["what"].startswith("Python 3.")


def test_the_doctor_names_what_is_there(tmp_path: Path) -> None:
    done = here(tmp_path, "doctor")
    assert done.returncode == 0, done.stdout
    for what in ("Python 3.", "torch", "default data", "memory", "disk"):
        assert what in done.stdout
