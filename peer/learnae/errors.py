"""The exceptions that the package raises on purpose.  The type says whose fault it is, and so what happens next.

LearnaeError
|-- InputError            the user's: one sentence with cause and fix on stderr, exit code 2
|-- DriverError           ours: an event the driver cannot legally report; nothing was changed
|   `-- ReplayMismatch    the journal was written by another core, or damaged
`-- PortError             the world's: becomes ``RequestFailed`` with its ``reason``; never stops a peer
    `-- BadMessage        a neighbour's: counted and dropped
"""

from enum import StrEnum


class Reason(StrEnum):
    """Why a request failed, a message was dropped or a claim was refused.  Counted by these names everywhere."""

    TIMEOUT = "timeout"
    UNREACHABLE = "unreachable"
    NOT_FOUND = "not found"
    FUNDS = "insufficient funds"
    INVALID_RESPONSE = "invalid response"
    CHAIN = "another chain"
    # models, never loaded
    OVERSIZE = "oversize"
    MALFORMED = "malformed"
    SHAPE = "wrong shape"
    NOT_FINITE = "not finite"
    CREATOR = "wrong creator"
    DIGEST = "wrong digest"
    COPY = "copy of another creator's model"
    # messages, dropped before they are journalled
    VERSION = "unknown version"
    SESSION = "another session"
    SENDER = "sender is not the creator"
    REPEAT = "repeat"
    STALE = "not newer"
    RATE_LIMIT = "rate limit"
    PEER_LIMIT = "peer limit"
    # claims
    CODE_MISMATCH = "code mismatch"
    RECEIPT = "receipt names another contract"
    SIGNATURE = "no proof of possession"
    WALLET = "contract says otherwise"


DOWN = (Reason.TIMEOUT, Reason.UNREACHABLE)  # whom was asked did not answer: nothing is known


class LearnaeError(Exception):
    """Root of everything this package raises on purpose."""


class InputError(LearnaeError):
    """One sentence: what is wrong, and what to do about it."""


class DriverError(LearnaeError):
    """A bug in a driver, never a neighbour's doing."""


class ReplayMismatch(DriverError):
    """The same events no longer give the same actions."""


class PortError(LearnaeError):
    """A port could not do what was asked."""

    def __init__(self, reason: Reason, detail: str = "") -> None:
        super().__init__(f"{reason}: {detail}" if detail else str(reason))
        self.reason = reason


class BadMessage(PortError):
    """Not a message of this protocol."""
