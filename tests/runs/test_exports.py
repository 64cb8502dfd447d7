"""Exports: other tools read back what the run recorded."""

import csv
import json
from dataclasses import replace
from pathlib import Path

import pytest
from tests.helpers.histories import GOOD, amended, fact_is

from learnae.adapters.run_directory import RunDirectory
from learnae.analysis.tables import TABLES, accuracy, payments, settings
from learnae.errors import InputError
from learnae.protocol.decisions import DebtChanged, DebtState
from learnae.protocol.types import Wei
from learnae.runs import exports
from learnae.runs.exports import Export

ANN_SIGNED = fact_is("ann", DebtChanged, debt=0, state=DebtState.FINAL)


@pytest.fixture
def export(tmp_path: Path) -> Export:
    run, folder = tmp_path / "run", tmp_path / "out"
    run.mkdir()
    folder.mkdir()
    (run / "history.jsonl").write_text("".join(record.line() + "\n" for record in GOOD.records))
    (run / "journals").mkdir()
    (run / "journals" / "ann.jsonl").write_text("{}\n")
    return Export(RunDirectory(run), GOOD, folder)


def test_csv_has_every_table_with_exact_money(export: Export) -> None:
    exports.to_csv(export)
    assert {path.stem for path in export.folder.iterdir()} == set(TABLES)
    with (export.folder / "payments.csv").open(newline="") as file:
        rows = list(csv.DictReader(file))
    assert [int(row["wei"]) for row in rows] == [row.wei for row in payments(GOOD)]
    assert [row["payee"] for row in rows] == [row.payee or "" for row in payments(GOOD)]


def test_parquet_has_every_table_with_exact_money(export: Export) -> None:
    import pyarrow.parquet

    exports.to_parquet(export)
    for name, table in TABLES.items():
        read = pyarrow.parquet.read_table(export.folder / f"{name}.parquet")
        assert read.column_names == list(table.columns)
        assert read.num_rows == len(table.rows(GOOD))
    money = pyarrow.parquet.read_table(export.folder / "payments.parquet")["wei"].to_pylist()
    assert [int(value) for value in money] == [row.wei for row in payments(GOOD)]


@pytest.mark.parametrize("digits", [38, 39, 76])
def test_parquet_holds_large_amounts_exactly(export: Export, digits: int) -> None:
    import pyarrow.parquet

    wei = Wei(10**digits - 1)
    exports.to_parquet(replace(export, history=amended(ANN_SIGNED, wei=wei)))
    read = pyarrow.parquet.read_table(export.folder / "payments.parquet")["wei"]
    assert wei in [int(value) for value in read.to_pylist()]
    assert str(read.type) == ("decimal128(38, 0)" if digits == 38 else "decimal256(76, 0)")


def test_an_amount_of_more_digits_than_arrow_has_is_refused_before_anything_is_written(export: Export) -> None:
    """The largest that the EVM has; a reward of the user's own may ask for it."""
    large = replace(export, history=amended(ANN_SIGNED, wei=Wei(2**256 - 1)))
    with pytest.raises(InputError, match=r"table \w+ holds an amount of 78 digits of wei, and Arrow has at most 76"):
        exports.to_parquet(large)
    assert list(export.folder.iterdir()) == []
    exports.to_csv(large)
    assert str(2**256 - 1) in (export.folder / "payments.csv").read_text()


@pytest.mark.slow
def test_tensorboard_reads_the_accuracies_of_each_peer(export: Export) -> None:
    from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

    exports.to_tensorboard(export)
    events = EventAccumulator(str(export.folder / "ann"))
    events.Reload()
    steps = [event.step for event in events.Tensors("accuracy/validation")]
    assert steps == [row.unit for row in accuracy(GOOD) if row.peer == "ann"]


@pytest.mark.slow
@pytest.mark.filterwarnings("default")  # MLflow's own
def test_mlflow_reads_settings_summary_and_accuracies(export: Export) -> None:
    import mlflow

    exports.to_mlflow(export)
    client = mlflow.MlflowClient(tracking_uri=f"sqlite:///{export.folder / 'mlflow.db'}")
    experiment = client.get_experiment_by_name("learnae")
    assert experiment
    (run,) = client.search_runs([experiment.experiment_id])
    assert run.info.run_name == "run" and run.info.status == "FINISHED"
    assert len(run.data.params) == len(settings(GOOD))
    assert run.data.metrics["peers_expected"] == 5
    measured = client.get_metric_history(run.info.run_id, "validation/ann")
    expected = {(row.unit, row.validation) for row in accuracy(GOOD) if row.peer == "ann"}
    assert {(metric.step, metric.value) for metric in measured} == expected


@pytest.mark.slow
@pytest.mark.filterwarnings("default")  # wandb's own
def test_wandb_writes_an_offline_run(export: Export) -> None:
    exports.to_wandb(export)
    (written,) = export.folder.glob("wandb/offline-run-*/*.wandb")
    assert b"validation/ann" in written.read_bytes()


def test_an_ro_crate_holds_and_lists_all_files_of_the_run(export: Export) -> None:
    exports.to_ro_crate(export)
    described = json.loads((export.folder / "ro-crate-metadata.json").read_text())
    parts = {entity["@id"] for entity in described["@graph"] if entity["@type"] == "File"}
    assert parts == {"history.jsonl", "journals/ann.jsonl"}
    for name in parts:
        assert (export.folder / name).read_bytes() == (export.directory.path / name).read_bytes()


def test_a_missing_library_is_one_sentence() -> None:
    with pytest.raises(InputError, match="run `pip install no-such-package`"):
        exports._import("no_such_module", "no-such-package")
