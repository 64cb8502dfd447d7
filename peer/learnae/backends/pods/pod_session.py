"""A session whose peers have pods of their own, ready to start on any engine."""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import ClassVar, Generic, TypeVar

from learnae.backends import live_run
from learnae.backends.base import Run, Say
from learnae.backends.pods.ending import NO_FEED, Ending, FollowedFeed, Gone
from learnae.backends.pods.faults import L, PodFaults
from learnae.backends.pods.link_client import LinkAgents
from learnae.backends.pods.plan import LinkedPods
from learnae.protocol.types import Cid, PeerId
from learnae.records.history import SessionBegan, session_began
from learnae.records.outcome import BackendName
from learnae.runtime.clocks import SessionClock
from learnae.runtime.roster_file import Roster
from learnae.runtime.session_end import SessionEnd
from learnae.session import fault_plan
from learnae.session.roster import Member, first_at_work
from learnae.session.sensor_rules import sensors
from learnae.session.settings import Session
from learnae.web.event_log import EventLog

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
    def ids(self) -> dict[str, PeerId]:
        """By name."""
        return {member.name: member.peer for member in self.members}

    @property
    def clock(self) -> SessionClock:
        return SessionClock(Roster.read(self.folder / live_run.ROSTER).zero)

    @property
    def early(self) -> list[str]:
        """The peers and sensors that do not join later."""
        return [member.name for member in self.members if not member.group.joins_at]

    @property
    def began(self) -> SessionBegan:
        return session_began(self.backend, self.session, self.members, self.manifest)

    def faults(self, pods: LinkedPods, lifecycle: L, end: SessionEnd, run: Run, say: Say) -> PodFaults[L] | None:
        """The faults of the plan, for which ``end`` waits; None if there are none."""
        if not self.session.faults:
            return None
        session, agents, file = self.session, LinkAgents(pods, self.folder), run.directory.path / live_run.FAULTS
        windows = fault_plan.plan(session.faults, pods.names, session.seed, sensors(session))

        def wait_for_them(start: float) -> None:
            end.faults = fault_plan.fault_times(windows, start, session.network.announce_every)

        expected = first_at_work(self.members)
        return PodFaults(windows, expected, self.clock, agents, lifecycle, run.events, file, say, wait_for_them)

    def ending(
        self, apis: Mapping[str, str], end: SessionEnd, events: EventLog, gone: Gone, feed: FollowedFeed = NO_FEED
    ) -> Ending:
        return Ending(apis, self.folder, self.ids, end, self.clock, lambda: events.records, gone, feed)
