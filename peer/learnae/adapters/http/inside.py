"""What the API may ask of the peer behind it.  ``drivers/inside.py`` answers for a live peer."""

from collections.abc import Sequence
from typing import Protocol

from learnae.adapters.http.board import Board
from learnae.adapters.http.views import Entry, Health, Model, Predictions, Receipt, Status


class NotYet(Exception):
    """One sentence: what is not there yet.  Answered with 503."""


class Unfit(Exception):
    """One sentence: why the request's content cannot be used.  Answered with 422."""


class Inside(Protocol):
    """Everything may be asked at any time, also before the peer behind it exists: then ``NotYet`` is raised where
    there is nothing to say."""

    @property
    def name(self) -> str: ...

    @property
    def board(self) -> Board:
        """What the peer decided so far and will decide."""
        ...

    def status(self) -> Status: ...

    def health(self) -> Health: ...

    async def model(self) -> Model:
        """Off the event loop.  Raises NotYet."""
        ...

    def block(self) -> tuple[str, bytes]:
        """CID and bytes of its model's block, in safetensors.  Raises NotYet."""
        ...

    async def predict(self, rows: Sequence[Sequence[float]], standardised: bool) -> Predictions:
        """Off the event loop.  Raises NotYet; Unfit (rows of another width)."""
        ...

    def directory(self) -> list[Entry]: ...

    def sent(self) -> list[Receipt]:
        """All its debts, paid or not."""
        ...

    def received(self) -> list[Receipt]:
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
