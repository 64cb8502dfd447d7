"""The one place where an exception of a command becomes a sentence and an exit code; no command ends in a traceback.

What the user can fix is an ``InputError`` where it is noticed.  This module adds what can happen anywhere: a full disk,
too little memory, and errors that nobody foresaw, which are ours.
"""

import errno
import shutil
import sys
import traceback
from collections.abc import Callable
from pathlib import Path
from typing import Any

import typer

from learnae.errors import InputError
from learnae.session.environment import TRACEBACK, traceback_wanted

# Typer bundles click, whose classes it does not name: for wrong options and arguments, and for all that it reports.
WRONG_USE, REPORTED = typer.BadParameter.__mro__[1:3]
NO_ARGUMENTS = "NoArgsIsHelpError"  # its message is the help, which typer prints
NOT_OURS: tuple[type[BaseException], ...] = (BrokenPipeError, typer.Exit, typer.Abort, REPORTED)
FIXES = {
    **dict.fromkeys((errno.EEXIST, errno.EISDIR, errno.ENOTDIR), "move it away, or choose another name"),
    **dict.fromkeys((errno.EACCES, errno.EPERM, errno.EROFS), "change its permissions, or choose another folder"),
    **dict.fromkeys((errno.ENOSPC, errno.EDQUOT), "free some space, or use another disk"),
    errno.ENAMETOOLONG: "choose a shorter name",
    errno.EMFILE: "raise the limit of open files with ulimit -n",
}
MAX_SENTENCE, MAX_FOREIGN = 2_000, 300  # characters of a sentence, and of a foreign exception in it


def exit_code_of(work: Callable[[], int]) -> int:
    """The exit code of a command, whatever it raises.  Typer handles a reader of our output that has gone."""
    try:
        return work()
    except InputError as error:
        return _end(str(error), 2)
    except NOT_OURS as error:
        if not isinstance(error, WRONG_USE) or type(error).__name__ == NO_ARGUMENTS:
            raise
        return _end(_sentence(error), 2)
    except OSError as error:  # a full disk, a folder without permission
        sentence = _of_system(error)
        return _end(sentence, 2) if sentence else _unexpected(error)
    except MemoryError:
        return _end("too little memory for these files and settings: make them smaller, or use a larger machine", 2)
    except KeyboardInterrupt:
        return _end("interrupted", 130)
    except Exception as error:
        return _unexpected(error)


def _sentence(error: Any) -> str:
    """What is wrong with the options or arguments of a command, and where its help is."""
    message = error.format_message().removesuffix(".").replace("Value error, ", "")
    message = message[:1].lower() + message[1:]
    return f"{message} (see {error.ctx.command_path} -h)" if error.ctx else message


def _of_system(error: OSError) -> str:
    """What the system says of a file, and what to do; empty: it is no error of a file."""
    if isinstance(error, shutil.Error) and isinstance(error.args[0], list):
        _, name, reason = error.args[0][0]  # of the first file of a folder that could not be copied
        return f"{name} cannot be written: {reason}"
    if error.strerror is None:
        return ""
    fix = FIXES.get(error.errno or 0)
    return f"{f'{error.filename}: ' if error.filename else ''}{error.strerror}{f': {fix}' if fix else ''}"


def _unexpected(error: Exception) -> int:
    if traceback_wanted():
        traceback.print_exception(error)
    frames = traceback.extract_tb(error.__traceback__)
    place = f" in {Path(frames[-1].filename).name}, line {frames[-1].lineno}" if frames else ""
    text = " ".join(f"{type(error).__name__}: {error}".split())[:MAX_FOREIGN]
    return _end(f"unexpected error{place}: {text}; please report it with the output of {TRACEBACK}=1 learnae ...", 1)


def _end(sentence: str, code: int) -> int:
    """Print it as one line, with no character that moves the cursor of a terminal."""
    line = " ".join(sentence.split())
    line = line if len(line) <= MAX_SENTENCE else line[:MAX_SENTENCE] + "..."
    print("learnae:", "".join(c if c.isprintable() else "?" for c in line), file=sys.stderr)
    return code
