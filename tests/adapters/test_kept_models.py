"""The models that a run in one process keeps."""

from pathlib import Path

import pytest

from learnae.adapters import kept_models
from learnae.adapters.kept_models import MODELS, read_models, write_models
from learnae.errors import InputError
from learnae.messages.wire import cid_of

BLOCKS = {cid_of(block): block for block in (b"one", b"two", b"three")}


def test_models_that_were_written_are_read(tmp_path: Path) -> None:
    write_models(tmp_path, {})
    assert read_models(tmp_path) == {} and not (tmp_path / MODELS).exists()
    write_models(tmp_path, BLOCKS)
    assert read_models(tmp_path) == BLOCKS


def test_no_more_is_written_than_the_limit(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(kept_models, "MAX_BYTES", 6)
    write_models(tmp_path, BLOCKS)
    assert set(read_models(tmp_path).values()) == {b"one", b"two"}


def test_a_model_that_was_changed_is_refused(tmp_path: Path) -> None:
    write_models(tmp_path, BLOCKS)
    path = next((tmp_path / MODELS).iterdir())
    path.write_bytes(b"changed")
    with pytest.raises(InputError, match="is damaged"):
        read_models(tmp_path)
    path.unlink()
    assert len(read_models(tmp_path)) == 2
