"""The dashboards as files: a person can import them into any Grafana, and ours finds its own Prometheus."""

import json
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from monitor.dashboards import FOLDER

FILES = sorted(FOLDER.glob("*.json"))


def imported(value: Any, chosen: dict[str, str]) -> Any:
    """As Grafana imports: it replaces what names an input, and nothing else."""
    match value:
        case dict():
            return {key: imported(part, chosen) for key, part in value.items() if not key.startswith("__")}
        case list():
            return [imported(part, chosen) for part in value]
        case str():
            return re.sub(r"\$\{(\w+)\}", lambda found: chosen.get(found[1], found[0]), value)
    return value


def data_sources(value: Any) -> Iterator[Any]:
    """All references to a data source."""
    if isinstance(value, dict):
        if "datasource" in value:
            yield value["datasource"]
        for part in value.values():
            yield from data_sources(part)
    elif isinstance(value, list):
        for part in value:
            yield from data_sources(part)


@pytest.mark.parametrize("file", FILES, ids=lambda path: path.stem)
def test_an_import_asks_for_a_prometheus_and_every_panel_then_uses_it(file: Path) -> None:
    board = json.loads(file.read_text())
    (wanted,) = board["__inputs"]
    assert (wanted["type"], wanted["pluginId"]) == ("datasource", "prometheus")
    foreign = imported(board, {wanted["name"]: "a-foreign-uid"})
    (variable,) = [each for each in foreign["templating"]["list"] if each["type"] == "datasource"]
    assert variable["current"]["value"] == "a-foreign-uid" and variable["query"] == "prometheus"
    found = list(data_sources(foreign))
    assert len(found) > 10
    assert {(each["type"], each["uid"]) for each in found} == {("prometheus", f"${{{variable['name']}}}")}
    assert wanted["name"] not in json.dumps(foreign)


@pytest.mark.parametrize("file", FILES, ids=lambda path: path.stem)
def test_a_provisioned_dashboard_finds_our_prometheus_by_its_name(file: Path) -> None:
    """Grafana matches a variable's value, then its text, with the data sources that it has."""
    (variable,) = [each for each in json.loads(file.read_text())["templating"]["list"] if each["type"] == "datasource"]
    assert (
        f"name: {variable['current']['text']}\n" in (FOLDER.parent / "grafana/datasources/prometheus.yml").read_text()
    )


@pytest.mark.parametrize("file", FILES, ids=lambda path: path.stem)
def test_no_panel_calls_the_score_of_a_session_its_accuracy(file: Path) -> None:
    """Sessions are scored by any metric, and a dashboard does not know which."""
    texts = re.findall(r'"(?:title|legendFormat|noValue|options|Value #\w)": "([^"]*)"', file.read_text())
    assert texts and [text for text in texts if "accurac" in text.lower()] == []
