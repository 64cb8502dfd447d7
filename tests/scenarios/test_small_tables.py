"""Small tables run by one command with no setting but the source, nearly as accurate as one network on all rows."""

from pathlib import Path

import numpy as np
import pytest
from sklearn.datasets import load_digits, load_wine
from sklearn.model_selection import train_test_split
from sklearn.neural_network import MLPClassifier
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler
from tests.helpers.command_line import ALL_PASSED, here

from learnae.adapters.run_directory import RunDirectory

pytestmark = pytest.mark.slow
LOADERS = {"digits": load_digits, "wine": load_wine}


def pooled(name: str) -> float:
    """Test accuracy of scikit-learn's MLP on all rows, with a fifth held out as in a session."""
    features, labels = LOADERS[name](return_X_y=True)
    train, test, classes, wanted = train_test_split(features, labels, test_size=0.2, random_state=0)
    network = make_pipeline(StandardScaler(), MLPClassifier((64, 64), max_iter=500, random_state=0))
    return float(np.mean(network.fit(train, classes).predict(test) == wanted))


@pytest.mark.parametrize("name", LOADERS)
def test_peers_reach_nearly_the_accuracy_of_one_network_on_all_rows(tmp_path: Path, name: str) -> None:
    (tmp_path / "session.toml").write_text(f'[data]\nsource = "sklearn:{name}"\n')
    done = here(tmp_path, "simulate", "session.toml", "--out", "run")
    assert done.returncode == 0 and ALL_PASSED in done.stdout, done.stderr
    summary = RunDirectory(tmp_path / "run").verdict()["summary"]
    assert summary["accuracy_test_mean"] > pooled(name) - 0.05
