"""What every backend does: check, prepare, run, collect, clean up.

A backend runs sessions somewhere: in the simulator, in this process, in containers.  `cli/run_session.py` uses all of
them in the same way and knows nothing else about them:

    backend = kind(session, options, say)
    backend.check()                            InputError: this session cannot run here
    try:
        app = backend.page(run)                served from here on
        await backend.prepare(run)             all that the session needs before its second 0
        await backend.run(run)                 the session itself; cancelled, it stops early
    finally:
        backend.clean_up()                     remove whatever was started
    backend.collect(run)                       complete the records in the run directory

To add a backend, add a folder with such a class and name the class in `registry.py`; `tests/helpers/backend_suite.py`
says what it must do.
"""

from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol

from learnae.adapters.run_directory import RunDirectory
from learnae.errors import InputError
from learnae.ports import Observer
from learnae.records.history import Evaluated, Fact, History, Record, SessionEnded
from learnae.session.environment import RPC, external_chain_settings
from learnae.session.settings import Session
from learnae.web.event_log import EventLog

if TYPE_CHECKING:
    from starlette.types import ASGIApp

Say = Callable[[str], None]  # prints one line


@dataclass(frozen=True)
class ClusterOptions:
    """Where on Kubernetes.  ``context``: of the kubeconfig, ``namespace``: the current ones by default.

    ``images``: PREFIX or PREFIX:TAG of the pods' images.  ``storage_class``: of their volumes; the cluster's default.
    ``release``: of the Helm chart, whose objects the session uses instead of its own.
    """

    context: str | None = None
    namespace: str | None = None
    images: str | None = None
    storage_class: str | None = None
    release: str | None = None


@dataclass(frozen=True)
class RunOptions:
    """How to run a session.  ``out``: the run directory.  ``port``: of the page; a free one is taken if it is in use.

    ``remote_peers``: how many of the session's peers run on other machines, which reach this one at ``publish``.
    ``baselines``: train them, too, if the session runs in virtual time.
    """

    out: Path | None = None
    port: int = 0
    keep: bool = False
    threads: int | None = None
    remote_peers: int = 0
    publish: str | None = None
    baselines: bool = False
    cluster: ClusterOptions = ClusterOptions()


@dataclass
class Run:
    """One run of a session.  ``observers`` may be called from any thread, ``events`` only from the event loop."""

    directory: RunDirectory
    observers: tuple[Observer, ...] = ()
    events: EventLog = field(default_factory=EventLog)
    url: str = ""
    verdict: dict[str, Any] | None = None
    report: Path | None = None

    def observe(self, now: float, peer: str, item: Fact) -> None:
        self.events.observe(now, peer, item)
        for observe in self.observers:
            observe(now, peer, item)

    def add(self, record: Record) -> None:
        self.observe(record.t, record.peer, record.fact)

    def show_the_rest(self, history: History) -> None:
        """Add the records that only the history has, and end the page's streams."""
        late = (Evaluated, SessionEnded)
        shown = {(each.peer, each.fact) for each in self.events.records if isinstance(each.fact, late)}
        for record in history.of(*late):
            if (record.peer, record.fact) not in shown:  # times are rounded in the history
                self.events.add(record)
        self.events.close()


@dataclass(frozen=True)
class Finding:
    """One line of `learnae doctor`."""

    ok: bool
    what: str
    fix: str = ""


class Backend(Protocol):
    """One session on one backend.  ``live``: peers run in real time and can be watched on a page.

    ``description``: what runs where, such as "20 live peers in containers".  ``expected_seconds``: on 2 cores.
    """

    live: bool
    session: Session

    @property
    def name(self) -> str: ...

    def __init__(self, session: Session, options: RunOptions, say: Say) -> None: ...

    @property
    def description(self) -> str: ...

    @property
    def expected_seconds(self) -> float: ...

    def check(self) -> None:
        """Refuse what this machine or this backend cannot do.  Starts and writes nothing.  Raises InputError."""
        ...

    def page(self, run: Run) -> "ASGIApp | None":
        """The app with the live page.  It is served before ``prepare``, so it must not import torch."""
        ...

    async def prepare(self, run: Run) -> None:
        """Do everything that must happen before the session's second 0.  Raises InputError."""
        ...

    async def run(self, run: Run) -> None:
        """Run the session to its end and report its records to ``run``.

        When cancelled, it stops the peers first, so that what they recorded is complete, and then raises
        CancelledError.  However it ends, ``collect`` finds what the session recorded.  Raises InputError.
        """
        ...

    def collect(self, run: Run) -> None:
        """Complete the run directory.  Called after ``run``, possibly after ``clean_up``, in any thread."""
        ...

    def clean_up(self) -> None:
        """Stop and remove everything that ``prepare`` and ``run`` started.  May be called at any time, and twice."""
        ...

    @staticmethod
    def findings(peers: int | None) -> Iterator[Finding]:
        """What `learnae doctor` reports about this backend, for this number of peers."""
        ...


def refuse_external_chain(backend: str) -> None:
    """Raises InputError if the environment names another chain, which this backend cannot use."""
    if external_chain_settings():
        raise InputError(
            f"{RPC} names an external chain, which the {backend} backend cannot use: unset it, or use --backend compose"
        )


def refuse_remote_peers(backend: str, options: RunOptions) -> None:
    """Raises InputError."""
    if options.remote_peers or options.publish:
        raise InputError(
            f"--remote-peers: the {backend} backend cannot take peers from other machines: use --backend compose or "
            "kubernetes"
        )


def refuse_sensors(backend: str, session: Session) -> None:
    """Raises InputError if a group consists of sensors, which this backend cannot start yet."""
    if any(group.sensor for group in session.groups):
        raise InputError(f"groups: the {backend} backend has no sensors yet: use --backend compose, embedded or sim")
