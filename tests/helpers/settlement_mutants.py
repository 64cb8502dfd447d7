"""Ways to break batched payments, and prices by plug-ins."""

from collections.abc import Callable
from dataclasses import replace
from decimal import Decimal

import pytest
from tests.helpers import chain_mutants as chain
from tests.helpers.protocol_mutants import BASE, Mutant, pays_less_than_it_owes, pays_twice, rollback

from learnae.protocol import actions as do
from learnae.protocol.decisions import PluginFailed
from learnae.protocol.requests import Requests
from learnae.protocol.reward import Rewards, adapted
from learnae.protocol.settings import PaymentSettings, RewardSettings, Settle
from learnae.protocol.settlement import due_payments
from learnae.protocol.types import ModelRef, Score, Wei

Patch = pytest.MonkeyPatch

ADAPTS = BASE | {"reward": {"adapt": "0.5", "lowest": "0.9", "highest": "1.1"}}
BATCHED = BASE | {"payment": {"settle": "batched", "threshold": "0.003"}}


def names_one_model_of_a_batch(patch: Patch) -> None:
    """All debts are paid, but the receipt does not show it."""
    issue = Requests.issue

    def one(self: Requests, make: Callable[[int], do.Request]) -> None:
        def first(id: int) -> do.Request:
            request = make(id)
            return replace(request, cids=request.cids[:1]) if isinstance(request, do.SignPayment) else request

        issue(self, first)

    patch.setattr(Requests, "issue", one)


def batches_small_debts(patch: Patch) -> None:
    """Payments are batched, but nobody waits for the threshold."""
    due = due_payments
    patch.setattr(
        "learnae.protocol.payments.due_payments", lambda payable, settings, finished: due(payable, settings, True)
    )


def batches_though_each_is_paid(patch: Patch) -> None:
    due, batched = due_payments, PaymentSettings(Settle.BATCHED)
    patch.setattr(
        "learnae.protocol.payments.due_payments", lambda payable, settings, finished: due(payable, batched, finished)
    )


def prices_with_a_broken_plugin(patch: Patch) -> None:
    owe = Rewards.owe

    def failing(self: Rewards, model: ModelRef, before: Score, after: Score) -> None:
        self._requests.record(PluginFailed("mine.py:reward", 3, "KeyError"))
        owe(self, model, before, after)

    patch.setattr(Rewards, "owe", failing)


def keeps_its_factor(patch: Patch) -> None:
    patch.setattr("learnae.protocol.reward.adapted", lambda factor, adopted, settings: factor)


def adapts_without_bounds(patch: Patch) -> None:
    def unbounded(factor: Wei, adopted: bool, settings: RewardSettings) -> Wei:
        return adapted(factor, adopted, replace(settings, lowest=Decimal(0), highest=Decimal(1000)))

    patch.setattr("learnae.protocol.reward.adapted", unbounded)


MUTANTS = [
    Mutant("keeps its factor", keeps_its_factor, {"amounts_follow_reward_function"}, ADAPTS),
    Mutant("adapts without bounds", adapts_without_bounds, {"amounts_follow_reward_function"}, ADAPTS),
    Mutant("prices with a broken plug-in", prices_with_a_broken_plugin, {"plugins_did_not_raise"}),
    Mutant("pays twice in batches", pays_twice, {"debts_paid_once", "payee_has_earliest_claim"}, BATCHED),
    Mutant("pays less than it owes in batches", pays_less_than_it_owes, {"payments_match_debts"}, BATCHED),
    Mutant("names one model of a batch", names_one_model_of_a_batch, {"payments_match_debts"}, BATCHED),
    Mutant("batches small debts", batches_small_debts, {"batches_are_due"}, BATCHED),
    Mutant("batches though each is paid", batches_though_each_is_paid, {"debts_paid_once"}),
    Mutant(
        "ignores a rollback with batches",
        chain.ignores_a_rollback,
        {"debts_paid_once", "no_debt_left_open"},
        BATCHED,
        rollback,
    ),
]
