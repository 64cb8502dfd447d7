"""Ways to break the rule by which a peer whose work has a cost leaves and returns."""

from typing import Any

import pytest
from tests.helpers.protocol_mutants import BASE, Mutant
from tests.helpers.swarms import groups

from learnae.protocol.blockchain import PaymentReport
from learnae.protocol.books import Books
from learnae.protocol.training import Training

Patch = pytest.MonkeyPatch

COSTLY: dict[str, Any] = BASE | {"work": {"slices": 9, "patience": 9}, "market": {"window": 3}}
COSTLY |= groups({"count": 3}, {"unit_cost": "0.0005"})


def works_at_a_loss(patch: Patch) -> None:
    """It leaves in its books, and works on."""
    patch.setattr(Training, "absent", property(lambda self: self.hooks.left))
    patch.setattr(Training, "_books_closed", lambda self, cause: None)


def counts_models_twice(patch: Patch) -> None:
    read = Books.payments_read

    def twice(self: Books, request: Any, report: PaymentReport) -> None:
        self._models += sum(len(payment.cids) for payment in report.payments)
        read(self, request, report)

    patch.setattr(Books, "payments_read", twice)


MUTANTS = [
    Mutant("works at a loss", works_at_a_loss, {"absent_peers_do_not_work", "every_peer_finished"}, COSTLY),
    Mutant("counts models twice", counts_models_twice, {"books_follow_payments"}, COSTLY),
]
