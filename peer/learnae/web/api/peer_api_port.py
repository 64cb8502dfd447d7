"""What the API may ask of the peer behind it.  ``drivers/inside.py`` answers for a live peer."""

from collections.abc import Sequence
from typing import Protocol

from learnae.web.api.views import DirectoryEntryView, Health, ModelView, Predictions, ReceiptView, Status
from learnae.web.event_log import EventLog


class NotReady(Exception):
    """One sentence: what is not there yet.  Answered with 503."""


class BadRequest(Exception):
    """One sentence: why the request's content cannot be used.  Answered with 422."""


class PeerApiPort(Protocol):
    """Everything may be asked at any time, also before the peer behind it exists: then ``NotReady`` is raised where
    there is nothing to say."""

    @property
    def name(self) -> str: ...

    @property
    def board(self) -> EventLog:
        """What the peer decided so far and will decide."""
        ...

    def status(self) -> Status: ...

    def health(self) -> Health: ...

    async def model(self) -> ModelView:
        """Off the event loop.  Raises NotYet."""
        ...

    def block(self) -> tuple[str, bytes]:
        """CID and bytes of its model's block, in safetensors.  Raises NotYet."""
        ...

    async def predict(self, rows: Sequence[Sequence[float]], standardised: bool) -> Predictions:
        """Off the event loop.  Raises NotYet; Unfit (rows of another width)."""
        ...

    def directory(self) -> list[DirectoryEntryView]: ...

    def sent(self) -> list[ReceiptView]:
        """All its debts, paid or not."""
        ...

    def received(self) -> list[ReceiptView]:
        """What others paid this wallet for its models, as far as that is known here."""
        ...

    def metrics(self) -> bytes:
        """In Prometheus' text format."""
        ...

    async def kubo_metrics(self) -> bytes:
        """Its Kubo node's own, in the same format.  Raises NotYet."""
        ...

    # by whoever has the token

    def pause(self) -> None: ...

    def resume(self) -> None: ...

    def stop(self) -> None: ...
