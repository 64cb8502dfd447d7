"""Runs one session on any backend, from the first line to the exit code.

run directory -> page -> prepare -> run -> collect -> judge -> report -> clean up -> conclusion -> figures

Ctrl-C at any time stops everything that was started.  An interrupted session is first cleaned up and then judged by
what it recorded until then.
"""

import asyncio
import signal
import time
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import asynccontextmanager, contextmanager, suppress
from pathlib import Path
from types import FrameType
from typing import Any

from learnae.adapters.run_directory import HISTORY, RunDirectory
from learnae.backends.base import Backend, Run, RunOptions
from learnae.cli.baselines import add_baselines
from learnae.cli.output import INTERRUPTED, console, print_verdict, say
from learnae.cli.progress import Progress, shown
from learnae.errors import InputError
from learnae.ports import Observer
from learnae.records.history import SWARM, History, Record, SessionEnded
from learnae.records.outcome import EndedBy
from learnae.runs.drawing import draw_run, write_report
from learnae.session.plugin_files import require_plugins
from learnae.session.sensor_rules import peers_without_sensors
from learnae.session.settings import ModelSettings

HOST = "127.0.0.1"
USUAL_MODEL = ModelSettings().kind
Conclude = Callable[[RunDirectory, dict[str, Any]], int]  # prints the outcome of a run with its verdict; the exit code
Handler = Callable[[int, FrameType | None], object]


def run_session(
    backend: Backend, reason: str, options: RunOptions, conclude_with: Conclude, *observers: Observer
) -> int:
    """``backend`` has been checked; ``reason``: why it was chosen.  Raises InputError."""
    say(f"LEARNAE: {backend.description} ({reason}).")
    require_plugins(backend.session)
    directory = RunDirectory.create(Path("runs"), backend.session.name, options.out)
    return SessionRun(backend, options, conclude_with, Run(directory, observers)).run()


class SessionRun:
    def __init__(self, backend: Backend, options: RunOptions, conclude_with: Conclude, run: Run) -> None:
        self._backend, self._options, self._conclude_with, self._run = backend, options, conclude_with, run
        self._began = time.monotonic()
        self._code: int | None = None  # once the outcome is printed
        self._undrawn: History | None = None  # whose report was written, but whose figures were not drawn yet

    def run(self) -> int:
        interrupted, failure = False, None
        try:
            asyncio.run(self._live())
        except (KeyboardInterrupt, asyncio.CancelledError):
            interrupted = True
        except InputError as error:
            failure = error
        finally:
            self._clean_up()
        if self._code is not None:
            return self._code
        directory, verdict = self._run.directory, self._run.verdict
        if verdict is None:
            verdict = self._judge_afterwards(interrupted, failure)
        elif interrupted:
            raise KeyboardInterrupt  # while the report was written
        if failure:
            if verdict:
                print_verdict(directory, verdict)
                self._draw()
            raise failure
        if verdict is None:
            say("Interrupted before there was anything to judge.")
            return INTERRUPTED
        code = self._conclude_with(directory, verdict)
        self._draw()
        return INTERRUPTED if interrupted else code

    async def _live(self) -> None:
        """Until the session is over and, with --keep, until Ctrl-C."""
        loop, work = asyncio.get_running_loop(), asyncio.create_task(self._serve())
        with handled(lambda number, frame: loop.call_soon_threadsafe(work.cancel), signal.SIGINT, signal.SIGTERM):
            await work

    async def _serve(self) -> None:
        async with self._page() as served:
            await self._play()
            if not served:
                return
            history = await asyncio.to_thread(self._judge)
            verdict = self._run.verdict
            assert history and verdict
            self._run.show_the_rest(history)
            self._run.report = await asyncio.to_thread(write_report, self._run.directory, history, verdict)
            self._undrawn = history
            if self._options.keep:
                self._code = self._conclude_with(self._run.directory, verdict)
                say(f"Session finished. The page stays at {self._run.url}/. Press Ctrl-C to stop.")
                await asyncio.to_thread(self._draw)
                await asyncio.Event().wait()

    async def _play(self) -> None:
        session = self._backend.session
        progress = Progress(peers_without_sensors(session), session.score.name)
        self._run.observers += (progress.observe,)
        async with shown(progress, console):
            await self._backend.prepare(self._run)
            if expected := expectation(self._backend):
                say(expected)
            await self._backend.run(self._run)

    @asynccontextmanager
    async def _page(self) -> AsyncIterator[bool]:
        """Whether there is one."""
        app = self._backend.page(self._run)
        if app is None:
            yield False
            return
        from learnae.web.api.server import listen, serving, url  # imports uvicorn

        sock = listen(HOST, self._options.port)
        self._run.url = url(sock)
        async with serving(app, sock):
            say(f"Live page: {self._run.url}/")
            yield True

    def _judge(self, interrupted: bool = False) -> History | None:
        """The complete history, after its verdict was written; None if nothing was recorded."""
        directory = self._run.directory
        self._backend.collect(self._run)
        if not (directory.path / HISTORY).exists():
            return None
        history = directory.read()
        if interrupted and history.ended_by is None:
            end = Record(history.seconds, SWARM, SessionEnded(EndedBy.INTERRUPTED))
            with (directory.path / HISTORY).open("a", encoding="utf-8") as file:
                file.write(end.line() + "\n")
            history = directory.read()
        self._run.verdict = directory.judge(history, time.monotonic() - self._began)
        return history

    def _judge_afterwards(self, interrupted: bool, failure: InputError | None) -> dict[str, Any] | None:
        """A run that has no page, was interrupted or failed is judged by what was recorded until then."""
        history = self._judge(interrupted)
        verdict, directory = self._run.verdict, self._run.directory
        if history and verdict:
            if self._options.baselines and not interrupted and not failure:
                add_baselines(directory, self._backend.session, verdict, self._options.threads)
            write_report(directory, history, verdict)
            self._undrawn = history
        return verdict

    def _draw(self) -> None:
        """Draw the figures, which takes longer than the checks and the report: so the outcome is printed before."""
        if self._undrawn:
            draw_run(self._run.directory, self._undrawn)

    def _clean_up(self) -> None:
        with handled(ask_for_patience, signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
            self._backend.clean_up()
            self._run.directory.release()
            with suppress(OSError):
                self._run.directory.path.rmdir()  # if it is empty


def ask_for_patience(number: int, frame: FrameType | None) -> None:
    """A signal handler while something is removed, which must not be interrupted."""
    if number != signal.SIGHUP:  # after which nobody can read it
        say("Cleaning up; this takes some seconds more.")


@contextmanager
def handled(handle: Handler, *numbers: signal.Signals) -> Iterator[None]:
    """These signals call ``handle`` while the body runs."""
    before = {number: signal.signal(number, handle) for number in numbers}
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


def expectation(backend: Backend) -> str:
    """How long the session may take; empty: other models than the usual one may take any time."""
    if backend.session.model.kind != USUAL_MODEL:
        return ""
    return f"Expect about {_duration(backend.expected_seconds)} of real time."


def _duration(seconds: float) -> str:
    return f"{seconds:.0f} s" if seconds < 90 else f"{seconds / 60:.0f} min"
