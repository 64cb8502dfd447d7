"""Every query of every dashboard, every rule and every alarm has data in a Prometheus that watched a session."""

import re
import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest
from monitor import dashboards
from monitor.boards import BOARDS
from monitor.panels import CHOSEN, Board, Panel
from monitor.queries import FAULTS, HONEST
from tests.stack.monitored import MONITOR, SESSION, Watched, monitored

from learnae.adapters.metrics.metric_list import TABLE

pytestmark = pytest.mark.real

EMPTY = {  # by design, in this session
    *("Alerts", "Row blocks refused", "Messages refused", "Age of the newest reading", "Feed nodes up"),
}
RULES = re.findall(r"record: (\S+)", (MONITOR / "rules.yml").read_text())
PANELS = [pytest.param(board, panel, id=f"{board.uid}: {panel.title}") for board in BOARDS for panel in board.panels]


@pytest.fixture(scope="module")
def watched(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Watched]:
    if shutil.which("prometheus") is None:
        pytest.skip("no prometheus: install Debian's package of that name")
    with monitored(tmp_path_factory.mktemp("monitored"), SESSION) as watched:
        yield watched


def promtool(*arguments: str | Path) -> str:
    if shutil.which("promtool") is None:
        pytest.skip("no promtool: install Debian's prometheus")
    done = subprocess.run(["promtool", *map(str, arguments)], capture_output=True, text=True)
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


def test_prometheus_takes_the_configuration_with_its_rules() -> None:
    assert "2 rule files found" in promtool("check", "config", MONITOR / "prometheus.yml")


def test_alarms_and_rules_do_what_their_own_tests_say() -> None:
    assert "SUCCESS" in promtool("test", "rules", MONITOR / "alerts_test.yml")


def test_the_dashboards_are_what_the_program_makes() -> None:
    assert dashboards.main(["--check"]) == 0


def test_every_panel_is_about_the_chosen_peers_or_says_that_it_is_not() -> None:
    for board in BOARDS:
        for panel in board.panels:
            for query in panel.queries:
                chosen = all(f'{name}=~"${name}"' in query.expr for name in CHOSEN)
                assert chosen or query == FAULTS or HONEST in panel.description, (panel.title, query.expr)


def names(expr: str) -> set[str]:
    """Of the metrics in an expression."""
    return set(re.findall(r"\b(?:learnae|swarm|ipfs|process|go|scrape)[a-z0-9_:]*_?[a-z0-9_:]+(?=[{\[\s)]|$)", expr))


def test_dashboards_rules_and_alarms_use_metrics_that_exist_and_show_every_one_and_every_rule() -> None:
    rules = "\n".join((MONITOR / file).read_text() for file in ("rules.yml", "alerts.yml"))
    used = {name for board in BOARDS for panel in board.panels for query in panel.queries for name in names(query.expr)}
    ours = {re.sub(r"_(bucket|sum|count)$", "", name) for name in used | names(rules) if name.startswith("learnae_")}
    table = {row.name for row in TABLE}
    assert ours <= table
    assert {name for name in used if name.startswith("swarm:")} == set(RULES)
    assert table - ours == {"learnae_registered", "learnae_paused"}  # the live page shows them


@pytest.mark.parametrize(("board", "panel"), PANELS)
def test_a_panel_has_data_or_is_empty_by_design_and_says_why(board: Board, panel: Panel, watched: Watched) -> None:
    for query in panel.queries:
        found = watched.prometheus.query_panel(panel, query, watched.began, watched.seen)
        assert bool(found) is (panel.title not in EMPTY), query.expr
        assert found or panel.empty_text
        for label in re.findall(r"{{(\w+)}}", query.legend):
            assert all(label in labels for labels, _ in found), query.expr


@pytest.mark.parametrize("name", RULES)
def test_a_recording_rule_has_data(name: str, watched: Watched) -> None:
    assert watched.prometheus.query_range(name, watched.began, watched.seen)


def test_alarms_are_evaluated_and_none_is_false(watched: Watched) -> None:
    groups = watched.prometheus.get("rules")["groups"]
    assert {rule["health"] for group in groups for rule in group["rules"]} == {"ok"}
    assert not watched.prometheus.query_range('ALERTS{alertstate="firing"}', watched.began, watched.ended)


def test_a_fault_window_is_shaded_while_it_is_open_and_no_longer(watched: Watched) -> None:
    [(labels, points)] = watched.prometheus.query_range(FAULTS.expr, watched.began, watched.seen)
    assert labels["fault"] == "split" and "p00" in labels["hits"]
    assert watched.began < points[0][0]
    assert not watched.prometheus.query(FAULTS.expr)


def test_the_variables_have_values(watched: Watched) -> None:
    values = {name: set(watched.prometheus.get(f"label/{name}/values")) for name in CHOSEN}
    assert values["peer"] == {f"p{number:02}" for number in range(6)}
    assert {"trainer", "profiteer", "refuses-to-pay"} <= values["role"]
    assert values["policy"] == {"honest"}
