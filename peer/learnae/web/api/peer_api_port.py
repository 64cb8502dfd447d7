"""What the API needs from a peer.  ``runtime.peer_service`` implements it for a live peer."""

from collections.abc import Sequence
from typing import Protocol

from learnae.web.api.prediction_views import Predictions
from learnae.web.api.views import DirectoryEntryView, Health, ModelView, ReceiptView, RestView, Status
from learnae.web.event_log import EventLog


class NotReady(Exception):
    """What is missing, in one sentence.  Answered with 503."""


class BadRequest(Exception):
    """Why the content of the request cannot be used, in one sentence.  Answered with 422."""


class PeerApiPort(Protocol):
    """All methods may be called at any time, also before the peer exists; some then raise ``NotReady``."""

    @property
    def name(self) -> str: ...

    @property
    def log(self) -> EventLog:
        """The peer's decisions so far, and later ones."""
        ...

    def status(self) -> Status: ...

    def rest(self) -> RestView: ...

    def health(self) -> Health: ...

    async def model(self) -> ModelView:
        """Does not block the event loop.  Raises NotReady."""
        ...

    def block(self) -> tuple[str, bytes, bool]:
        """CID and bytes of the current model's block, in safetensors, and whether not everybody may have it: models
        of the session are sealed.  Raises NotReady."""
        ...

    async def predict(self, rows: Sequence[Sequence[float]], standardised: bool) -> Predictions:
        """Does not block the event loop.  Raises NotReady; BadRequest if the rows have the wrong width."""
        ...

    def directory(self) -> list[DirectoryEntryView]: ...

    def payments_sent(self) -> list[ReceiptView]:
        """All debts of the peer, paid or not."""
        ...

    def payments_received(self) -> list[ReceiptView]:
        """Known payments to this peer's wallet for its models."""
        ...

    def metrics(self) -> bytes:
        """In Prometheus' text format."""
        ...

    async def kubo_metrics(self) -> bytes:
        """Metrics of the peer's Kubo node, in the same format.  Raises NotReady."""
        ...

    # commands

    def pause(self) -> None: ...

    def resume(self) -> None: ...

    def stop(self) -> None: ...

    def close(self) -> None:
        """Raises NotReady."""
        ...
