"""`learnae flows`: which runs it plans, what it refuses, and what it writes."""

import csv
import json
from pathlib import Path

import pytest
from tests.helpers.command_line import here

from learnae.errors import InputError
from learnae.resources import session_files
from learnae.runs.group_flows import plan

SESSION = session_files()["providers-profiteers"]


def test_a_size_is_the_number_of_peers_of_each_group(tmp_path: Path) -> None:
    planned = plan(SESSION, "2+10,3+1", {}, (1, 2), tmp_path)
    sizes = {
        size: [([group.count for group in run.session.groups], run.session.peers, run.session.seed) for run in runs]
        for size, runs in planned.items()
    }
    assert sizes == {"2+10": [([2, 10], 12, 1), ([2, 10], 12, 2)], "3+1": [([3, 1], 4, 1), ([3, 1], 4, 2)]}


def test_without_sizes_the_session_is_run_as_it_is(tmp_path: Path) -> None:
    ((size, runs),) = plan(SESSION, None, {}, (7,), tmp_path).items()
    assert size == "" and [run.session.seed for run in runs] == [7] and runs[0].session.peers == 8


def test_settings_are_varied_within_each_size(tmp_path: Path) -> None:
    planned = plan(session_files()["open-profiteers"], "2+1,1+2", {"privacy": [True, False]}, (1, 2), tmp_path)
    cases = {case: [(run.session.peers, run.session.privacy) for run in runs] for case, runs in planned.items()}
    assert cases == {
        f"{size}, privacy={str(privacy).lower()}": [(3, privacy)] * 2
        for size in ("2+1", "1+2")
        for privacy in (True, False)
    }


@pytest.mark.parametrize("sizes", ["2", "2+2+2", "2+x", "2+-1", "", "2+2,", "2+123456789"])
def test_sizes_that_do_not_fit_the_groups_are_refused_in_one_sentence(sizes: str, tmp_path: Path) -> None:
    with pytest.raises(InputError, match="write the peers of each of the 2 groups, such as 4[+]4"):
        plan(SESSION, sizes, {}, (1,), tmp_path)


@pytest.mark.slow
def test_the_command_prints_the_flow_and_writes_page_figure_and_table(tmp_path: Path) -> None:
    session = tmp_path / "mine.toml"
    small = {"rows = 1000": "rows = 100", "_rows = 500": "_rows = 50", "_rows = 5000": "_rows = 200"}
    text = SESSION.read_text()
    for old, new in small.items():
        text = text.replace(old, new)
    session.write_text(text)
    done = here(tmp_path, "flows", session, "--sizes", "1+2", "--seeds", "2", "--out", "flows")
    assert done.returncode == 0, done.stdout + done.stderr
    assert "1 provider, 2 profiteers (1+2)" in done.stdout and "providers to" in done.stdout
    assert {"flows.html", "flows.csv", "flow-1+2.png"} <= {file.name for file in (tmp_path / "flows").iterdir()}
    rows = list(csv.DictReader((tmp_path / "flows" / "flows.csv").read_text().splitlines()))
    assert [row["seed"] for row in rows] == ["1", "2"]
    for row in rows:
        name = f"groups.0.count=1_groups.1.count=2_peers=3_seed={row['seed']}"
        states = json.loads((tmp_path / "flows" / name / "verdict.json").read_text())["summary"]["debts_by_state"]
        payments = [float(row[f"{payer} to profiteers, payments"]) for payer in ("providers", "profiteers")]
        assert sum(payments) == states["final"] and float(row["providers, row blocks published"]) == 4
