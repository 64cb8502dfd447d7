"""The exceptions that the package raises on purpose.  The type tells whose fault it is, and so what happens next.

LearnaeError
|-- InputError            the user's fault: one sentence with cause and fix on stderr, exit code 2
|-- DriverError           our fault: an event that no driver may report; nothing was changed
|   `-- ReplayMismatch    the journal was written by another version or is damaged
`-- PortError             the world's fault: becomes ``RequestFailed`` with its ``reason``; never stops a peer
    `-- BadMessage        another peer's fault: counted and dropped
"""

from enum import StrEnum
from signal import Signals


class Reason(StrEnum):
    """Why a request failed, a message was dropped or a claim was refused.  Counted by these names everywhere."""

    TIMEOUT = "timeout"
    UNREACHABLE = "unreachable"
    NOT_FOUND = "not found"
    FUNDS = "insufficient funds"
    GAS_CAP = "gas cap reached"
    INVALID_RESPONSE = "invalid response"
    CHAIN = "another chain"
    # models, never loaded
    OVERSIZE = "oversize"
    MALFORMED = "malformed"
    SHAPE = "wrong shape"
    NOT_FINITE = "not finite"
    CREATOR = "wrong creator"
    PARENTS = "not the average of its parents"
    DIGEST = "wrong digest"
    COPY = "same tensors as another creator's model"
    SIMILAR = "nearly an earlier model of another creator"
    PLUGIN = "plug-in raised"
    SEAL = "wrong seal"  # its key does not open it, or it is not sealed as the session demands
    # row blocks, never trained on
    LABELS = "labels out of range"
    DUPLICATE = "rows that it had already"
    # messages, dropped before they are journalled
    VERSION = "unknown version"
    SESSION = "another session"
    SENDER = "sender is not the creator"
    SENSOR = "unknown sensor"
    FORK = "contradicts an earlier message"
    REPEAT = "repeat"
    STALE = "not newer"
    RATE_LIMIT = "rate limit"
    PEER_LIMIT = "peer limit"
    # claims
    CODE_MISMATCH = "code mismatch"
    RECEIPT = "receipt names another contract"
    SIGNATURE = "no proof of possession"
    WALLET = "contract says otherwise"


DOWN = (Reason.TIMEOUT, Reason.UNREACHABLE)  # the other side did not answer, so its state is unknown


class LearnaeError(Exception):
    """Base class of all exceptions that this package raises on purpose."""


class InputError(LearnaeError):
    """One sentence: what is wrong, and what to do about it."""


def input_error(group: BaseExceptionGroup[BaseException]) -> InputError | None:
    """The first error that the user can mend, such as a full disk or another chain, if there is one."""
    for exception in group.exceptions:
        error = input_error(exception) if isinstance(exception, BaseExceptionGroup) else exception
        if isinstance(error, InputError):
            return error
    return None


def child_ended(name: str, code: int | None, advice: str) -> InputError:
    """A process that this one had started has ended before its time.  ``code``: as in ``Popen.returncode``."""
    signalled = code is not None and code < 0
    how = f"was ended by {Signals(-(code or 0)).name}" if signalled else f"ended with exit code {code}"
    return InputError(f"{name} {how}: {advice}")


class DriverError(LearnaeError):
    """A bug in a driver; another peer can never cause it."""


class ReplayMismatch(DriverError):
    """The same events no longer give the same actions."""


class PortError(LearnaeError):
    """A port could not do what was asked."""

    def __init__(self, reason: Reason, detail: str = "") -> None:
        super().__init__(f"{reason}: {detail}" if detail else str(reason))
        self.reason = reason


class BadMessage(PortError):
    """Not a message of this protocol."""
