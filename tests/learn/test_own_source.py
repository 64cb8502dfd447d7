"""Data sets as plug-ins: rows of a function, identified by their values; what is wrong is one sentence."""

import pickle
from pathlib import Path

import numpy as np
import pytest

from learnae import plugins
from learnae.errors import InputError
from learnae.learn.datasets.sources import count_rows, load_dataset, source_sha256
from learnae.plugins import call_before_start
from learnae.runs import provenance
from learnae.runs.sessions import load_session
from learnae.session.plugin_files import sources
from learnae.session.session_file import to_toml
from learnae.session.settings import Session

SETTINGS = 'peers = 4\n[data]\nsource = "own.py:rows"\n'
CODE = """import numpy as np
def rows():
    labels = np.arange(600) % 3
    return np.stack([labels + np.sin(np.arange(600)), np.arange(600) % 7.0], axis=1), labels
"""


@pytest.fixture(autouse=True)
def as_in_a_new_process(monkeypatch: pytest.MonkeyPatch) -> None:
    forget(monkeypatch)


def forget(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(plugins, "_sources", {})
    provenance.data_sha256.cache_clear()


def written(folder: Path, code: str = CODE, settings: str = SETTINGS) -> Session:
    """The session that a user runs whose data set is this code."""
    (folder / "own.py").write_text(code, encoding="utf-8")
    (folder / "own.toml").write_text(settings, encoding="utf-8")
    return load_session(folder / "own.toml")


def test_a_function_returns_the_rows_and_the_sizes_of_the_session_follow_from_them(tmp_path: Path) -> None:
    session = written(tmp_path)
    rows = load_dataset(session.data)
    assert (rows.shape[:2], rows.labels[:4].tolist()) == ((2, 3), [0, 1, 2, 0])
    assert len(rows) == count_rows(session.data) == 600 and session.data.test_rows == 120
    assert rows.sha256 == source_sha256(session.data)
    assert 'source = "own.py:rows@' in to_toml(session)


def test_labels_may_be_numbers_and_rows_images(tmp_path: Path) -> None:
    code = "import numpy as np\ndef rows():\n    return np.zeros((500, 4, 5), np.uint8), np.arange(500) / 3\n"
    session = written(tmp_path, code, f'{SETTINGS}task = "regression"\n')
    rows = load_dataset(session.data)
    assert (rows.row_shape, rows.labels[3].item(), session.score.metric) == ((4, 5), 1.0, "r2")


def test_other_code_and_other_rows_of_the_same_code_are_another_result(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    code = CODE.replace("np.arange(600) % 3", f"np.load({str(tmp_path / 'labels.npy')!r})")
    keys = set()
    for labels, text in ((np.arange(600) % 3, code), (np.arange(600) % 2, code), (np.arange(600) % 2, f"{code}#")):
        np.save(tmp_path / "labels.npy", labels)
        forget(monkeypatch)
        keys.add(provenance.result_key(written(tmp_path, text)))
    assert len(keys) == 3


@pytest.mark.parametrize(
    ("code", "sentence"),
    [
        (
            "def rows():\n    open('gone.csv')",
            r"own.toml: plug-in own.py:rows, line 2: FileNotFoundError: \[Errno 2\] No such file .* 'gone.csv'$",
        ),
        ("def rows():\n    raise SystemExit", "plug-in own.py:rows, line 2: SystemExit$"),
        (
            "def rows(view):\n    pass",
            r"own.py:rows: TypeError: .* missing 1 required positional argument: .* \(it is called with no argument\)",
        ),
        ("import no_such_package", "plug-in own.py, line 1: ModuleNotFoundError: No module named 'no_such_package'"),
        ("def rows():\n    pass", r"own.py:rows returned NoneType: return two NumPy arrays, \(features, labels\)"),
        ("def rows():\n    return [1], {}", "own.py:rows returned tuple of list, dict: return two NumPy arrays"),
        (
            "import numpy as np\ndef rows():\n    return np.zeros((9, 2)), np.arange(8)",
            r"own.py:rows: features of shape \(9, 2\) and labels of shape \(8,\) do not match",
        ),
        (
            "import numpy as np\ndef rows():\n    return np.full((9, 2), np.nan), np.arange(9)",
            "features contain values that are not finite numbers: fill them in, or leave these rows out$",
        ),
        ("rows = 5", "own.py defines no function or class rows"),
    ],
)
def test_what_cannot_be_used_is_one_sentence(tmp_path: Path, code: str, sentence: str) -> None:
    with pytest.raises(InputError, match=sentence):
        written(tmp_path, code)


def test_rows_that_differ_from_call_to_call_are_refused(tmp_path: Path) -> None:
    session = written(tmp_path, CODE.replace("% 7.0", "* np.random.default_rng().random()"))
    with pytest.raises(InputError, match=r"own.py:rows returned other rows than the time before: return the same"):
        load_dataset(session.data)


def test_a_worker_process_must_get_the_rows_of_the_one_that_started_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    np.save(tmp_path / "labels.npy", np.arange(600) % 3)
    session = written(tmp_path, CODE.replace("np.arange(600) % 3", f"np.load({str(tmp_path / 'labels.npy')!r})"))
    sent = pickle.dumps(sources(session))
    np.save(tmp_path / "labels.npy", np.arange(600) % 2)
    forget(monkeypatch)
    plugins.add(pickle.loads(sent))
    with pytest.raises(InputError, match="returned other rows than the time before: .* also in other processes"):
        load_dataset(session.data)


def test_an_error_with_a_long_text_is_one_line() -> None:
    def fails() -> None:
        raise ValueError("one\n  two")

    with pytest.raises(InputError, match=r"^plug-in own.py:rows: ValueError: one two$"):
        call_before_start("own.py:rows@00", fails)
