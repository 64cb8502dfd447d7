"""Small tables run by one command without a setting of their own, nearly as good as one network on all rows."""

from pathlib import Path
from typing import Any

import numpy as np
import pandas
import pytest
import torch
from sklearn.compose import make_column_selector, make_column_transformer
from sklearn.datasets import load_digits, load_wine
from sklearn.impute import SimpleImputer
from sklearn.model_selection import train_test_split
from sklearn.neural_network import MLPClassifier, MLPRegressor
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import OneHotEncoder, StandardScaler
from tests.helpers.command_line import ALL_PASSED, here

from learnae import resources
from learnae.adapters.run_directory import RunDirectory
from learnae.learn.datasets.partition import load_partitioned
from learnae.session.session_file import load

pytestmark = pytest.mark.slow
LOADERS = {"digits": load_digits, "wine": load_wine}


def pooled(features: Any, labels: Any, encoder: Any) -> float:
    """Test accuracy of scikit-learn's MLP on all rows, with a fifth held out as in a session."""
    train, test, classes, wanted = train_test_split(features, labels, test_size=0.2, random_state=0)
    network = make_pipeline(
        encoder, MLPClassifier((64, 64), early_stopping=len(train) > 2000, max_iter=500, random_state=0)
    )
    return float(np.mean(network.fit(train, classes).predict(test) == wanted))


def reached(name: str, folder: Path) -> float:
    """Mean test accuracy of the peers of a shipped session."""
    done = here(folder, "simulate", name, "--out", "run")
    assert done.returncode == 0 and ALL_PASSED in done.stdout, done.stderr
    return float(RunDirectory(folder / "run").verdict()["summary"]["accuracy_test_mean"])


@pytest.mark.parametrize("name", LOADERS)
def test_peers_reach_nearly_the_accuracy_of_one_network_on_all_rows(tmp_path: Path, name: str) -> None:
    features, labels = LOADERS[name](return_X_y=True)
    assert reached(name, tmp_path) > pooled(features, labels, StandardScaler()) - 0.05


def test_a_csv_needs_one_command_and_no_session_file(tmp_path: Path) -> None:
    load_wine(as_frame=True).frame.to_csv(tmp_path / "shop.csv", index=False)
    settings = ("--set", "data.path=shop.csv", "--set", "data.label=target")
    done = here(tmp_path, "simulate", "table", *settings, "--out", "run")
    assert done.returncode == 0 and ALL_PASSED in done.stdout, done.stderr
    assert load(tmp_path / "run" / "session.toml").peers == 4
    set_elsewhere = here(tmp_path, "simulate", "paper", *settings)
    assert set_elsewhere.returncode == 2 and "(the session `table` sets none)" in set_elsewhere.stderr


def test_text_columns_and_missing_values_cost_peers_no_more_than_other_columns(tmp_path: Path) -> None:
    people = pandas.read_csv(resources.ADULT, na_values="?")
    labels, text = people.pop("income"), make_column_selector(dtype_exclude="number")
    numbers = make_pipeline(SimpleImputer(strategy="median", add_indicator=True), StandardScaler())
    encoder = make_column_transformer(
        (OneHotEncoder(handle_unknown="ignore"), text), (numbers, make_column_selector(dtype_include="number"))
    )
    assert reached("adult-like", tmp_path) > pooled(people, labels, encoder) - 0.03


@pytest.mark.filterwarnings("ignore:Stochastic Optimizer")  # it stops after 200 epochs
def test_peers_reach_nearly_the_r2_of_one_network_on_all_rows_of_a_regression(tmp_path: Path) -> None:
    (tmp_path / "session.toml").write_text('[data]\nsource = "sklearn:diabetes"\n')
    done = here(tmp_path, "simulate", "session.toml", "--out", "run")
    assert done.returncode == 0 and ALL_PASSED in done.stdout, done.stderr
    assert "test R², mean" in done.stdout and "accuracy" not in done.stdout
    table, split = load_partitioned(load(tmp_path / "run" / "session.toml"))
    held = torch.cat([torch.cat([rows.train, rows.validation]) for rows in split.peers])
    network = MLPRegressor(hidden_layer_sizes=(64, 64), random_state=0).fit(table.features[held], table.labels[held])
    summary = RunDirectory(tmp_path / "run").verdict()["summary"]
    assert summary["accuracy_test_mean"] > network.score(table.features[split.test], table.labels[split.test]) - 0.1
    rerun = here(tmp_path, "check", "run", "--rerun")
    assert rerun.returncode == 0, rerun.stdout + rerun.stderr
    assert "R² on test data" in here(tmp_path, "compare", "run").stdout
