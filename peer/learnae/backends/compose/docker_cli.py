"""Docker's own command: what Compose does has no other interface.  Every failure is an InputError.

Each command is in a session of its own: Ctrl-C reaches us alone, and who runs a command ends it with all it started.
"""

import asyncio
import os
import signal
import subprocess
from asyncio.subprocess import DEVNULL, Process
from contextlib import suppress
from subprocess import PIPE
from typing import IO

from learnae.checkout import REPOSITORY
from learnae.errors import InputError
from learnae.session.environment import docker_environment

PATIENCE = 15.0  # s that the engine gets for an answer
ENDS = 10.0  # s that a command gets to end


def docker(*arguments: str, timeout: float | None = None, shown: bool = False) -> str:
    """Its standard output; ``shown``: that goes where ours does.  InputError: the last line that it complained with."""
    told = None if shown else PIPE
    try:
        with subprocess.Popen(
            ["docker", *arguments],
            cwd=REPOSITORY,
            env=docker_environment(),
            text=True,
            stdin=DEVNULL,
            stdout=told,
            stderr=told,
            start_new_session=True,
        ) as process:
            try:
                said, complaint = process.communicate(timeout=timeout)
            except BaseException:
                end(process.pid, signal.SIGKILL)
                raise
    except subprocess.TimeoutExpired:
        raise InputError(f"docker {arguments[0]} did not end in {timeout:g} s") from None
    except OSError as error:
        raise InputError(f"docker cannot be run: {error.strerror}") from None
    _check(process.returncode, complaint or "", f"docker {arguments[0]}")
    return said or ""


async def ran(*command: str, shown: bool = False, lock: IO[str] | None = None) -> None:
    """A command to its end; if this is cancelled, it is ended.  Raises InputError as ``docker`` does.

    ``lock``: a file that is locked as long as it runs, even if this process is killed, and names it: see ``down``.
    """
    starting = asyncio.create_task(
        asyncio.create_subprocess_exec(
            *command,
            cwd=REPOSITORY,
            env=docker_environment(),
            pass_fds=(lock.fileno(),) if lock else (),
            stdin=DEVNULL,
            stdout=None if shown else DEVNULL,
            stderr=PIPE,
            start_new_session=True,
        )
    )
    try:
        process = await asyncio.shield(starting)  # what is just starting must be ended, too
        if lock:
            print(process.pid, file=lock, flush=True)
        _, complaint = await process.communicate()
    except OSError as error:
        raise InputError(f"{command[0]} cannot be run: {error.strerror}") from None
    finally:
        with suppress(OSError):
            await _ended(await starting)
    _check(process.returncode, complaint.decode(errors="replace"), " ".join(command[:2]))


async def _ended(process: Process) -> None:
    if process.returncode is None:
        end(process.pid, signal.SIGTERM)
        with suppress(TimeoutError):
            await asyncio.wait_for(process.wait(), ENDS)
        end(process.pid, signal.SIGKILL)


def end(leader: int, number: signal.Signals) -> None:
    """A command and whatever it has started."""
    with suppress(ProcessLookupError):
        os.killpg(leader, number)


def _check(code: int | None, complaint: str, what: str) -> None:
    if code:
        complaints = [line for line in complaint.splitlines() if line.strip()]
        raise InputError(complaints[-1] if complaints else f"{what} ended with {code}")
