"""The notebooks in examples/ run, and print results of the forms that they were committed with."""

import json
from pathlib import Path
from typing import Any

import nbformat
import pytest
from nbclient import NotebookClient

NOTEBOOKS = sorted((Path(__file__).parents[1] / "examples").glob("*.ipynb"))
PEER = Path(__file__).parents[1] / "peer"


def results(notebook: Any) -> list[tuple[str, ...]]:
    """The forms of each printed result: text, table, picture.  Accuracies depend on the processor."""
    outputs = [output for cell in notebook.cells for output in cell.get("outputs", ())]
    return [tuple(sorted(output.get("data", {}))) for output in outputs]


def test_there_are_notebooks_without_traces_of_a_machine() -> None:
    assert [path.stem for path in NOTEBOOKS] == ["own-data", "paper"]
    for path in NOTEBOOKS:
        text = path.read_text(encoding="utf-8")
        assert "/tmp/" not in text and "/home/" not in text and "/root/" not in text
        assert "stderr" not in {
            output.get("name") for cell in json.loads(text)["cells"] for output in cell.get("outputs", ())
        }


@pytest.mark.slow
@pytest.mark.filterwarnings("default")  # Jupyter's own
@pytest.mark.parametrize("path", NOTEBOOKS, ids=lambda path: path.stem)
def test_a_notebook_runs_from_top_to_bottom(path: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PYTHONPATH", str(PEER))  # of the kernel, which is another process
    committed = nbformat.read(path, as_version=4)
    again = nbformat.read(path, as_version=4)
    NotebookClient(again, timeout=240, resources={"metadata": {"path": str(tmp_path)}}).execute()
    assert results(again) == results(committed)
    assert len(results(committed)) > 3
