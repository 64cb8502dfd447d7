"""What ended a session and where it ran: two closed sets, shared by histories, verdicts and exit codes."""

from enum import StrEnum


class BackendName(StrEnum):
    SIM = "sim"
    EMBEDDED = "embedded"
    COMPOSE = "compose"
    KUBERNETES = "kubernetes"
    LIVE = "live"  # read from journals alone, which do not record where their peers ran


class EndedBy(StrEnum):
    """What ended a session.  A single peer can also be stopped or closed before its session ends."""

    QUIET = "quiet"  # all peers had finished and every debt was settled
    MAX_DURATION = "max_duration"
    INTERRUPTED = "interrupted"
    STOPPED = "stopped"  # this peer was asked to leave; it can come back from its journal
    CLOSED = "closed"  # this peer was told that the session is over
