"""Runs the docker command, since Compose has no other interface.  Every failure is an InputError.

Each command runs in its own process session: Ctrl-C reaches only this process, which then ends the command together
with everything it started.
"""

import asyncio
import os
import signal
import subprocess
import sys
from asyncio.subprocess import DEVNULL, Process
from contextlib import suppress
from subprocess import PIPE
from typing import IO

from learnae.checkout import REPOSITORY
from learnae.errors import InputError, child_ended
from learnae.session.environment import docker_environment

TIMEOUT = 15.0  # s for an answer of the engine
GRACE = 10.0  # s that a command gets to end


def docker(*arguments: str, timeout: float | None = None, shown: bool = False) -> str:
    """Its standard output, which is printed instead if ``shown``.  InputError: the last line of its error output."""
    output = None if shown else PIPE
    try:
        with subprocess.Popen(
            ["docker", *arguments],
            cwd=REPOSITORY,
            env=docker_environment(),
            encoding="utf-8",
            errors="replace",
            stdin=DEVNULL,
            stdout=output,
            stderr=output,
            start_new_session=True,
        ) as process:
            try:
                printed, errors = process.communicate(timeout=timeout)
            except BaseException:
                end(process.pid, signal.SIGKILL)
                raise
    except subprocess.TimeoutExpired:
        raise InputError(f"docker {arguments[0]} did not end in {timeout:g} s") from None
    except OSError as error:
        raise InputError(f"docker cannot be run: {error.strerror}") from None
    _check(process.returncode, errors or "", f"docker {arguments[0]}")
    return printed or ""


async def run(*command: str, shown: bool = False, lock: IO[str] | None = None) -> None:
    """Run a command to its end, or end it when cancelled.  Raises InputError as ``docker`` does.

    ``lock``: a file that stays locked while the command runs, even if this process is killed, and holds its process
    id: see ``Containers.down``.
    """
    starting = asyncio.create_task(
        asyncio.create_subprocess_exec(
            *command,
            cwd=REPOSITORY,
            env=docker_environment(),
            pass_fds=(lock.fileno(),) if lock else (),
            stdin=DEVNULL,
            stdout=sys.__stderr__ if shown else DEVNULL,  # JSON may be on the standard output
            stderr=PIPE,
            start_new_session=True,
        )
    )
    try:
        process = await asyncio.shield(starting)  # a command that is just starting must be ended, too
        if lock:
            print(process.pid, file=lock, flush=True)
        _, errors = await process.communicate()
    except OSError as error:
        raise InputError(f"{command[0]} cannot be run: {error.strerror}") from None
    finally:
        with suppress(OSError):
            await _end_process(await starting)
    _check(process.returncode, errors.decode(errors="replace"), " ".join(command[:2]))


async def _end_process(process: Process) -> None:
    if process.returncode is None:
        end(process.pid, signal.SIGTERM)
        with suppress(TimeoutError):
            await asyncio.wait_for(process.wait(), GRACE)
        end(process.pid, signal.SIGKILL)


def end(leader: int, number: signal.Signals) -> None:
    """Signal a command and everything it started."""
    with suppress(ProcessLookupError):
        os.killpg(leader, number)


def _check(code: int | None, errors: str, command: str) -> None:
    if code is not None and code < 0:
        raise child_ended(command, code, "run the same command again")
    if code:
        lines = [line for line in errors.splitlines() if line.strip()]
        raise InputError(lines[-1] if lines else f"{command} ended with {code}")
