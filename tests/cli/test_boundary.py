"""Whatever a command raises becomes one line and an exit code."""

import errno
import shutil
from collections.abc import Callable

import pytest
import typer

from learnae.cli.boundary import exit_code_of
from learnae.errors import InputError


def raising(error: BaseException) -> Callable[[], int]:
    def work() -> int:
        raise error

    return work


@pytest.mark.parametrize(
    ("error", "code", "sentence"),
    [
        (InputError("a: b"), 2, "a: b"),
        (InputError("a\nb\x1b[2J"), 2, "a b?[2J"),
        (OSError(errno.ENOSPC, "No space left on device", "rows.csv"), 2, "rows.csv: No space left on device: free"),
        (FileExistsError(errno.EEXIST, "File exists", "run"), 2, "run: File exists: move it away"),
        (OSError(errno.EIO, "Input/output error"), 2, "Input/output error"),
        (shutil.Error([("a", "full/a", "[Errno 28] No space left on device")]), 2, "full/a cannot be written: "),
        (MemoryError(), 2, "too little memory"),
        (KeyboardInterrupt(), 130, "interrupted"),
        (RecursionError("too deep"), 1, "unexpected error in test_boundary.py, line 16: RecursionError: too deep"),
        (OSError("no number"), 1, "unexpected error"),
        (typer.BadParameter("no."), 2, "invalid value: no"),
        (ExceptionGroup("several", [KeyError("a")]), 1, "unexpected error"),
    ],
)
def test_an_exception_is_one_line(
    error: BaseException, code: int, sentence: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert exit_code_of(raising(error)) == code
    [line] = capsys.readouterr().err.splitlines()
    assert line.startswith(f"learnae: {sentence}")


@pytest.mark.parametrize("error", [typer.Exit(3), typer.Abort(), BrokenPipeError()])
def test_what_typer_reports_is_left_to_it(error: Exception) -> None:
    with pytest.raises(type(error)):
        exit_code_of(raising(error))


def test_the_traceback_of_an_unexpected_error_is_printed_on_request(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("LEARNAE_TRACEBACK", "1")
    assert exit_code_of(raising(KeyError("a"))) == 1
    assert "Traceback" in capsys.readouterr().err
