"""Ways to break reciprocity, and what averages announce."""

from typing import Any

import pytest
from tests.helpers.protocol_mutants import BASE, Mutant
from tests.helpers.swarms import groups

from learnae.protocol.defence_types import Recipients
from learnae.protocol.peer_book import PeerBook
from learnae.protocol.publication import Publication
from learnae.protocol.reciprocity import Reciprocity
from learnae.protocol.types import Cid, ModelRef, Parents

Patch = pytest.MonkeyPatch

REFUSED: dict[str, Any] = BASE | groups({"count": 2, "policy": "refuses-to-pay"}, {})
REFUSED |= {"work": {"slices": 9, "patience": 9}, "defence": {"kind": "reciprocity", "grace": 2.0, "scope": "all"}}

PATIENT: dict[str, Any] = BASE | {"work": {"slices": 9, "patience": 9}, "pace": {"slice": 3.0}}
PATIENT |= {"defence": {"kind": "reciprocity", "scope": "all", "grace": 14.0}}


def names_no_parents(patch: Patch) -> None:
    patch.setattr(Publication, "_parents", lambda self, remote: None)


def names_itself_as_both_parents(patch: Patch) -> None:
    patch.setattr(Publication, "_parents", lambda self, remote: Parents((self.weights.cid,) * 2, (remote.creator,) * 2))


def averages_with_whom_it_denied(patch: Patch) -> None:
    patch.setattr(PeerBook, "denied", property(lambda self: Ignored(), lambda self, value: None), raising=False)


class Ignored(set[Any]):
    """A set that holds what is entered and says that it does not."""

    def __contains__(self, item: object) -> bool:
        return False


def accuses_of_what_was_not_adopted(patch: Patch) -> None:
    """It takes every average for one of its own newest model."""
    received = Reciprocity.model_received

    def paranoid(self: Reciprocity, model: ModelRef) -> None:
        received(self, model)
        if model.parents:
            self._adopted.setdefault((model.creator, Cid(model.parents.cids[0])), self._requests.now)

    patch.setattr(Reciprocity, "model_received", paranoid)


def sees_no_payment(patch: Patch) -> None:
    patch.setattr(Reciprocity, "_is_paid", lambda self, adopter, cid: False)


def seals_for_whom_it_denied(patch: Patch) -> None:
    def everybody(self: PeerBook) -> Recipients:
        return tuple(sorted((peer, known.sealing_key) for peer, known in self.peers.items() if known.sealing_key))

    patch.setattr(PeerBook, "readers", property(everybody))


SEALED = REFUSED | {"defence": REFUSED["defence"] | {"access": "sealed"}}

MUTANTS = [
    Mutant("seals for whom it denied", seals_for_whom_it_denied, {"sealed_models_are_read_by_their_readers"}, SEALED),
    Mutant("names no parents", names_no_parents, {"announced_parents_are_true"}, REFUSED),
    Mutant("names itself as both parents", names_itself_as_both_parents, {"announced_parents_are_true"}),
    Mutant("averages with whom it denied income", averages_with_whom_it_denied, {"denied_peers_earn_nothing"}, REFUSED),
    Mutant("accuses of what was not adopted", accuses_of_what_was_not_adopted, {"denials_are_deserved"}, REFUSED),
    Mutant("sees no payment", sees_no_payment, {"denials_are_deserved"}, PATIENT),
]
