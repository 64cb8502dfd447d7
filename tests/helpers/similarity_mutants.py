"""Ways to refuse models as similar that are not, and not to say why (``protocol_mutants`` has the others)."""

from collections.abc import Callable
from typing import Any

import pytest
from tests.helpers.protocol_mutants import BASE, Mutant

from learnae.adapters.memory import MemoryTrainer
from learnae.errors import PortError, Reason
from learnae.lazy_future import failed
from learnae.messages.wire import cid_of
from learnae.ports import TooSimilar
from learnae.protocol.defence_types import Likeness
from learnae.protocol.publication import Publication
from learnae.protocol.types import Cid, ModelRef, Score

Patch = pytest.MonkeyPatch

COMPARED: dict[str, Any] = BASE | {"defence": {"similar": "0.9"}}
CAUGHT = {"refused_models_are_similar"}
ENOUGH = Score(900, 1000)


def refuses_each_first_model(patch: Patch, why: Callable[[tuple[Cid, ...]], PortError]) -> None:
    """``why``: from the models with which it is compared."""
    average = MemoryTrainer.average

    def picky(self: MemoryTrainer, base: Cid, remote: ModelRef, step: int, earlier: tuple[Cid, ...] = ()) -> Any:
        return failed(why(earlier)) if remote.step == 1 and earlier else average(self, base, remote, step, earlier)

    patch.setattr(MemoryTrainer, "average", picky)


def refuses_what_differs(patch: Patch) -> None:
    refuses_each_first_model(patch, lambda earlier: TooSimilar(Likeness(earlier[-1], Score(899, 1000))))


def agrees_on_more_rows_than_there_are(patch: Patch) -> None:
    refuses_each_first_model(patch, lambda earlier: TooSimilar(Likeness(earlier[-1], Score(1001, 1000))))


def refuses_because_of_a_model_that_it_never_had(patch: Patch) -> None:
    refuses_each_first_model(patch, lambda earlier: TooSimilar(Likeness(cid_of(b"never"), ENOUGH)))


def does_not_name_the_other_model(patch: Patch) -> None:
    refuses_each_first_model(patch, lambda earlier: PortError(Reason.SIMILAR))


def compares_models_of_one_creator(patch: Patch) -> None:
    def of_the_same(self: Publication, remote: ModelRef) -> tuple[Cid, ...]:
        return tuple(cid for cid, creator in self._credited.items() if creator == remote.creator)

    average = MemoryTrainer.average

    def picky(self: MemoryTrainer, base: Cid, remote: ModelRef, step: int, earlier: tuple[Cid, ...] = ()) -> Any:
        if earlier:
            return failed(TooSimilar(Likeness(earlier[0], ENOUGH)))
        return average(self, base, remote, step, earlier)

    patch.setattr(Publication, "earlier", of_the_same)
    patch.setattr(MemoryTrainer, "average", picky)


def refuses_what_is_allowed(patch: Patch) -> None:
    """It compares though its session does not demand it."""
    patch.setattr(Publication, "earlier", lambda self, remote: tuple(self._credited))
    refuses_each_first_model(patch, lambda earlier: TooSimilar(Likeness(earlier[0], ENOUGH)))


MUTANTS = [
    Mutant("refuses what differs", refuses_what_differs, CAUGHT, COMPARED),
    Mutant("agrees on more rows than there are", agrees_on_more_rows_than_there_are, CAUGHT, COMPARED),
    Mutant("refuses because of a model it never had", refuses_because_of_a_model_that_it_never_had, CAUGHT, COMPARED),
    Mutant("does not name the other model", does_not_name_the_other_model, CAUGHT, COMPARED),
    Mutant("compares models of one creator", compares_models_of_one_creator, CAUGHT, COMPARED),
    Mutant("refuses what is allowed", refuses_what_is_allowed, CAUGHT),
]
