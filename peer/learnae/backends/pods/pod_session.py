"""A session whose peers have pods of their own, ready to start on any engine."""

from dataclasses import dataclass
from pathlib import Path
from typing import ClassVar, Generic, TypeVar

from learnae.backends import live_run
from learnae.protocol.types import Cid
from learnae.records.history import SessionBegan, session_began
from learnae.records.outcome import BackendName
from learnae.runtime.clocks import SessionClock
from learnae.runtime.roster_file import Roster
from learnae.session.roster import Member
from learnae.session.settings import Session

MARGIN = 120.0  # s beyond the session's max_duration until its peers are stopped

P = TypeVar("P")


@dataclass(frozen=True)
class PodSession(Generic[P]):
    """``plan``: of the engine.  ``folder``: of the session's files.  ``manifest``: its id."""

    backend: ClassVar[BackendName]
    session: Session
    plan: P
    members: tuple[Member, ...]
    folder: Path
    manifest: Cid

    @property
    def clock(self) -> SessionClock:
        return SessionClock(Roster.read(self.folder / live_run.ROSTER).zero)

    @property
    def began(self) -> SessionBegan:
        return session_began(self.backend, self.session, self.members, self.manifest)
