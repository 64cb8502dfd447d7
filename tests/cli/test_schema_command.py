"""`learnae schema`: the schemas accept what runs write, and nothing else."""

import json
from pathlib import Path
from typing import Any

import pytest
from jsonschema_rs import is_valid
from tests.helpers.command_line import here
from tests.helpers.histories import GOOD

from learnae.analysis.checks import verdict
from learnae.messages.codec import classes_of
from learnae.records.chain_export import ChainRecord, chain_line
from learnae.records.history import Fact


def printed(folder: Path, of: str) -> Any:
    done = here(folder, "schema", of)
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout)


@pytest.fixture(scope="module")
def history(tmp_path_factory: pytest.TempPathFactory) -> Any:
    return printed(tmp_path_factory.mktemp("schema"), "history")


def test_every_record_of_a_history_is_accepted(history: Any) -> None:
    for record in GOOD.records:
        assert is_valid(history, json.loads(record.line())), record.line()


def test_there_is_a_schema_for_each_kind_of_record(history: Any, tmp_path: Path) -> None:
    assert {option["title"] for option in history["oneOf"]} == set(classes_of(Fact))
    chain = printed(tmp_path, "chain")
    assert {option["title"] for option in chain["oneOf"]} == set(classes_of(ChainRecord))
    assert all(is_valid(chain, json.loads(chain_line(record))) for record in GOOD.chain)


@pytest.mark.parametrize(
    "change",
    [
        {"kind": "Unheard"},
        {"wei": 5},
        {"before": [1]},
        {"state": "perhaps"},
        {"t": "now"},
        {"more": 1},
        {"creator": None},
    ],
    ids=str,
)
def test_a_damaged_record_is_refused(history: Any, change: dict[str, Any]) -> None:
    line = next(json.loads(record.line()) for record in GOOD.records if "DebtChanged" in record.line())
    assert is_valid(history, line)
    assert not is_valid(history, line | change)
    assert not is_valid(history, {name: value for name, value in line.items() if name != "wei"})


def test_a_verdict_is_accepted(tmp_path: Path) -> None:
    schema = printed(tmp_path, "verdict")
    written = {"root": None, **verdict(GOOD)}
    written["summary"]["wall_seconds"] = 3.5
    assert is_valid(schema, written)
    assert not is_valid(schema, written | {"verdict": "good"})


def test_the_default_is_the_schema_of_session_files(tmp_path: Path) -> None:
    assert here(tmp_path, "schema").stdout == here(tmp_path, "schema", "session").stdout
    assert here(tmp_path, "schema", "journal").returncode == 2
