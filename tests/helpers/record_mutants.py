"""Ways to record what did not happen, and to pay and train beyond the limits.  ``protocol_mutants`` lists them."""

from dataclasses import replace
from typing import Any

import pytest

from learnae.adapters.memory import MemoryTrainer
from learnae.adapters.memory_chain import MemoryChainPort
from learnae.errors import PortError, Reason
from learnae.lazy_future import failed
from learnae.protocol.decisions import Averaged, Decision, Published
from learnae.protocol.requests import Requests
from learnae.protocol.types import Wei
from learnae.records.history import Fact, SessionBegan
from learnae.runtime.memory_session import MemorySession
from learnae.runtime.simulated_peer import SimulatedPeer
from learnae.runtime.simulator import Simulator
from learnae.runtime.test_accuracy import PendingModel, TestAccuracy

Patch = pytest.MonkeyPatch


def trains_until_it_diverges(patch: Patch) -> None:
    train = MemoryTrainer.train

    def diverging(self: MemoryTrainer, base: Any, slice: int, *rest: Any) -> Any:
        return failed(PortError(Reason.NOT_FINITE)) if slice == 2 else train(self, base, slice, *rest)

    patch.setattr(MemoryTrainer, "train", diverging)


def pays_any_price_for_gas(patch: Patch) -> None:
    """On a chain whose gas costs fifty times as much."""
    init = MemoryChainPort.__init__

    def careless(self: MemoryChainPort, *arguments: Any, **limits: Any) -> None:
        init(self, *arguments, **limits)
        self.max_fee, self.gas_cap = None, None
        self.chain.gas_price = Wei(200 * 10**9)

    patch.setattr(MemoryChainPort, "__init__", careless)


def names_other_roles(patch: Patch) -> None:
    began = MemorySession.began

    def wrong(self: MemorySession, backend: Any) -> SessionBegan:
        truth = began(self, backend)
        return replace(truth, roster=(replace(truth.roster[0], wants_payment=False), *truth.roster[1:]))

    patch.setattr(MemorySession, "began", wrong)


def conceals_attempts(patch: Patch) -> None:
    """Those that were not adopted."""
    record = Requests.record

    def selective(self: Requests, decision: Decision) -> None:
        if not isinstance(decision, Averaged) or decision.adopted:
            record(self, decision)

    patch.setattr(Requests, "record", selective)


def turns_the_clock_back(patch: Patch) -> None:
    """What is published is recorded earlier than it was."""
    observe = Simulator._observe

    def early(self: Simulator, host: SimulatedPeer, item: Fact) -> None:
        now = self.clock.now
        self.clock.now = max(0.0, now - 1.0) if isinstance(item, Published) else now
        observe(self, host, item)
        self.clock.now = now

    patch.setattr(Simulator, "_observe", early)


def tests_models_that_nobody_had(patch: Patch) -> None:
    take = TestAccuracy.take

    def others(self: TestAccuracy, count: int | None = None) -> list[PendingModel]:
        names = list(self._index)
        return [replace(model, peer=names[self._index[model.peer] - 1]) for model in take(self, count)]

    patch.setattr(TestAccuracy, "take", others)
