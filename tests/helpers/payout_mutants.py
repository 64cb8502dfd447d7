"""Ways to pay, or to be paid, at another wallet than the one that a peer has named for its income."""

from typing import Any

import pytest
from tests.helpers.defence_mutants import PATIENT
from tests.helpers.protocol_mutants import BASE, Mutant
from tests.helpers.swarms import groups

from learnae.protocol.directory import Directory
from learnae.protocol.reciprocity import Reciprocity
from learnae.protocol.registration import Registration
from learnae.protocol.types import Poid

Patch = pytest.MonkeyPatch

COLD = "0x" + "c0" * 20
PAID_OUT: dict[str, Any] = BASE | groups({"count": 1, "payout": COLD}, {})

RECIPROCAL = PATIENT | groups(*({"count": 1, "payout": f"0x{number:02x}{'c0' * 19}"} for number in range(1, 6)))


def pays_who_deployed(patch: Patch) -> None:
    """The payer sends the money to the wallet with the key on the peer's machine, not to the one in its contract."""
    payee, hot = Directory.payee, dict[str, Any]()
    begin = Registration.__init__

    def noted(self: Registration, config: Any, *more: Any) -> None:
        begin(self, config, *more)
        hot[config.payout] = config.wallet

    patch.setattr(Registration, "__init__", noted)
    patch.setattr(Directory, "payee", lambda self, creator: hot.get(payee(self, creator) or "", None))


def registers_its_own_wallet(patch: Patch) -> None:
    begin = Registration.__init__

    def hot(self: Registration, config: Any, *more: Any) -> None:
        begin(self, config, *more)
        self.poid = Poid(config.claimed_peer, config.wallet)

    patch.setattr(Registration, "__init__", hot)


def expects_payments_from_the_other_wallet(patch: Patch) -> None:
    """It looks for payments by the wallet to which the income goes, though that one pays nobody."""
    patch.setattr(Directory, "payer", Directory.payee)


def reads_what_its_own_wallet_receives(patch: Patch) -> None:
    """Its income goes elsewhere, so it finds no payment."""
    patch.setattr(Reciprocity, "_payees", lambda self: (self._config.wallet,))


MUTANTS = [
    Mutant(
        "pays who deployed the contract",
        pays_who_deployed,
        {"payee_has_earliest_claim", "only_creators_are_paid"},
        PAID_OUT,
    ),
    Mutant("registers its own wallet", registers_its_own_wallet, {"only_creators_are_paid"}, PAID_OUT),
    Mutant(
        "expects payments from the other wallet",
        expects_payments_from_the_other_wallet,
        {"denials_are_deserved"},
        RECIPROCAL,
    ),
    Mutant(
        "reads what its own wallet receives", reads_what_its_own_wallet_receives, {"denials_are_deserved"}, RECIPROCAL
    ),
]
