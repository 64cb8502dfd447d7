"""The Helm chart.  `python -m tests.backends.kubernetes.test_chart` writes the golden file anew.

`tests/stack/test_kubernetes_chart.py` compares what Helm makes of it with the manifests.
"""

import json
from pathlib import Path

import jsonschema_rs
import pytest
import yaml
from tests.helpers.command_line import here, refused

from learnae.backends.kubernetes.chart import LONGEST_NAME, chart
from learnae.checkout import REPOSITORY

GOLDEN = REPOSITORY / "tests" / "golden" / "kubernetes-chart.yml"
FILES = chart("1.2.3")


def test_the_template_is_what_was_reviewed() -> None:
    assert FILES["templates/swarm.yaml"] == GOLDEN.read_text()


def test_the_command_writes_the_chart_once(tmp_path: Path) -> None:
    assert here(tmp_path, "kubernetes", "chart", "mine").returncode == 0
    written = {str(path.relative_to(tmp_path / "mine")) for path in (tmp_path / "mine").rglob("*") if path.is_file()}
    assert written == FILES.keys()
    refused(here(tmp_path, "kubernetes", "chart", "mine"), "mine cannot be written", "a folder that does not exist")


def test_the_values_fit_their_schema_and_name_every_container() -> None:
    values, schema = yaml.safe_load(FILES["values.yaml"]), json.loads(FILES["values.schema.json"])
    jsonschema_rs.validate(schema, values)
    names = {"files", "wait-pod", "wait-peer", "link", "ipfs", "peer", "rpc", "chain"}
    assert values["resources"].keys() == names
    assert all(FILES["templates/swarm.yaml"].count(f'.Values.resources "{name}"') for name in names)


@pytest.mark.parametrize("wrong", [{"peer": 3}, {"peers": 201}, {"images": {"tag": 1.0}}, {"resources": {"x": {}}}])
def test_values_that_the_chart_does_not_know_are_refused(wrong: dict[str, object]) -> None:
    assert not jsonschema_rs.is_valid(json.loads(FILES["values.schema.json"]), wrong)


def test_the_longest_release_leaves_room_for_the_labels_that_kubernetes_derives_from_a_set() -> None:
    assert LONGEST_NAME + len("-peers") + len("-1234567890") <= 63


if __name__ == "__main__":
    GOLDEN.write_text(FILES["templates/swarm.yaml"])
