"""What ``learnae swarm`` does: a session on the backend that fits this machine."""

import asyncio
import os
import secrets
import signal
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, assert_never

from learnae.adapters.run_directory import RunDirectory
from learnae.backends.compose import engine
from learnae.backends.compose.plan import RemotePeerOptions
from learnae.cli import commands
from learnae.cli.app import Backend
from learnae.cli.commands import say
from learnae.cli.progress import Progress
from learnae.errors import InputError
from learnae.private_file import write_private
from learnae.records.outcome import EndedBy
from learnae.session.session_file import load
from learnae.session.settings import Session

if TYPE_CHECKING:
    from learnae.backends.embedded.server import EmbeddedServer
    from learnae.runtime.learning import Learning
    from learnae.runtime.torch_learning import TorchLearning

HOST = "127.0.0.1"
TOKEN = "token"  # its file in the run directory, while somebody serves


@dataclass(frozen=True)
class SwarmOptions:
    """``keep``: serve on when the session is over.  ``port``: another is taken if it is not free.

    ``guests`` and ``publish``: see ``RemotePeerOptions``.
    """

    keep: bool
    port: int
    out: Path | None
    threads: int | None
    guests: int = 0
    publish: str | None = None


def swarm(path: Path, overrides: dict[str, Any], backend: Backend | None, wanted: SwarmOptions) -> int:
    session, invited = load(path, overrides), RemotePeerOptions(wanted.guests, wanted.publish)
    chosen, why = _choose(backend)
    if chosen is not Backend.COMPOSE:
        commands.only_our_chain(chosen, why)
    if invited.guests:
        if chosen is not Backend.COMPOSE:
            raise InputError(f"--guests: only a swarm on containers takes them, and this is {chosen} ({why})")
        session = load(path, overrides | {"peers": session.peers + invited.guests})
    match chosen:
        case Backend.SIM:
            if wanted.keep:
                raise InputError("--keep: the simulator serves nothing: leave it out, or take --backend embedded")
            return commands.simulate(path, overrides, wanted.out, wanted.threads, with_baselines=True)
        case Backend.COMPOSE:
            if wanted.threads is not None:
                raise InputError("--threads: in containers each peer trains with one: leave it out")
            from learnae.cli import containers

            pods = session.peers - invited.guests
            also = f" and {invited.guests} invited" if invited.guests else ""
            say(f"LEARNAE: {pods} live peers in containers{also} ({why}). {containers.wait(session)}")
            return containers.swarm(session, wanted.out, wanted.port, wanted.keep, invited)
        case Backend.EMBEDDED:
            if session.faults:
                raise InputError(
                    f"{path} has faults, which need containers or the simulator, and this is embedded ({why}): "
                    "take --backend sim (make: BACKEND=sim), or leave them out"
                )
            say(f"LEARNAE: {session.peers} live peers on the embedded backend ({why}). {_wait(session)}")
            return _embedded(session, wanted)
        case _:
            assert_never(chosen)


def _choose(backend: Backend | None) -> tuple[Backend, str]:
    """Where a session runs, and why."""
    if backend is not None:
        return backend, "as asked"
    lacking = engine.lacking()
    return (Backend.EMBEDDED, lacking) if lacking else (Backend.COMPOSE, "a Docker engine answers")


def _wait(session: Session) -> str:
    pace = session.work.slices * session.work.passes * session.pace.slice + session.work.patience * session.pace.attempt
    return f"Expect about {10 + session.linger + 0.5 * session.peers + pace:.0f} s."


def _embedded(session: Session, wanted: SwarmOptions) -> int:
    run = RunDirectory.create(Path("runs"), session.name, wanted.out)
    try:
        with _token(run.path / TOKEN) as token:
            return asyncio.run(_hosted(session, wanted, run, token))
    except asyncio.CancelledError:
        raise KeyboardInterrupt from None
    finally:
        with suppress(OSError):
            run.path.rmdir()  # if nothing came of it


async def _hosted(session: Session, wanted: SwarmOptions, run: RunDirectory, token: str) -> int:
    from learnae.backends.embedded.server import EmbeddedServer
    from learnae.web.api.server import listen, serving, url  # takes half a second: after the first line is out

    began = time.monotonic()
    threads = wanted.threads or os.cpu_count() or 1
    progress = Progress(commands.console, session)
    hosted = EmbeddedServer(session, run, token, progress.observe)
    _end_on_signals(hosted)
    sock = listen(HOST, wanted.port)
    address = url(sock)
    async with serving(hosted.app, sock):
        say(f"Page: {address}/  API: {address}/peers/{hosted.names[0]}/v1/status  Metrics: {address}/metrics")
        say(f"Token for commands: {run.path / TOKEN}")
        with progress:
            ended_by = await hosted.run(_learning(session, run, threads), progress.tick)
        history = run.read()
        found = run.judge(history, time.monotonic() - began)
        hosted.judged(found)
        if ended_by is EndedBy.INTERRUPTED:  # whoever interrupts does not wait; learnae report draws it later
            return commands.tell(run, found)
        await asyncio.to_thread(commands.picture, run, history, found)
        hosted.report = run.path / commands.REPORT
        code = commands.tell(run, found)
        if wanted.keep:
            say(f"Over, and kept: {address}/ until Ctrl-C.")
            with suppress(asyncio.CancelledError):
                await asyncio.Event().wait()
        return code


async def _learning(session: Session, run: RunDirectory, threads: int) -> "Learning":
    """Torch takes seconds to import, so a thread does."""

    def learn() -> "TorchLearning":
        from learnae.runtime.torch_learning import TorchLearning

        return TorchLearning(session, threads)

    learning = await asyncio.to_thread(learn)
    if learning.notice:
        say(f"Notice: {learning.notice}")
    from learnae.backends.sim.run_simulation import begin

    begin(session, learning, run)
    return learning


def _end_on_signals(hosted: "EmbeddedServer") -> None:
    """The session, if there is one; otherwise whatever this task waits for."""
    task = asyncio.current_task()
    assert task

    def end() -> None:
        if not hosted.stop():
            task.cancel()

    for number in (signal.SIGINT, signal.SIGTERM):
        asyncio.get_running_loop().add_signal_handler(number, end)


@contextmanager
def _token(path: Path) -> Iterator[str]:
    """A new token, in a private file that exists as long as the token is valid."""
    token = secrets.token_urlsafe(32)
    write_private(path, token + "\n")
    try:
        yield token
    finally:
        path.unlink(missing_ok=True)
