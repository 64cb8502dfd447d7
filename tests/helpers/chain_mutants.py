"""Ways to break how a peer uses its chain, and the ledger itself.  ``protocol_mutants`` lists them."""

from collections.abc import Iterable, Sequence
from dataclasses import replace
from typing import Any

import pytest

from learnae.adapters.memory_chain import MemoryChain, MemoryChainPort
from learnae.protocol.debts import Debts
from learnae.protocol.decisions import DebtChanged, DebtState
from learnae.protocol.directory import ClaimReader
from learnae.protocol.events import Event
from learnae.protocol.payments import Payments
from learnae.protocol.peer import Peer
from learnae.protocol.replay import replay
from learnae.protocol.settings import PeerConfig
from learnae.protocol.transactions import Transactions
from learnae.protocol.types import Wei
from learnae.runtime import simulator

Patch = pytest.MonkeyPatch


def never_confirms(patch: Patch) -> None:
    update = Transactions.update
    patch.setattr(Transactions, "update", lambda self, receipts, head: update(self, receipts, replace(head, height=0)))


def ignores_a_rollback(patch: Patch) -> None:
    """What was mined is taken for final, whatever the chain says later."""
    patch.setattr(Payments, "rolled_back", lambda self, head: None)


def takes_a_nonce_twice(patch: Patch) -> None:
    """The next nonce is the number of mined transactions, as a node would say, not of signed ones.

    And the chain signs whatever it is asked to: ours refuses first forms of nonces that it has mined.
    """
    pay, sign = Transactions.sign_payment, MemoryChainPort._sign

    def forgetful(self: Transactions, debts: Sequence[DebtChanged], nonce: int) -> None:
        mined = sum(transaction.receipt is not None for transaction in self.by_nonce)
        pay(self, debts, mined)

    patch.setattr(Transactions, "sign_payment", forgetful)
    patch.setattr(MemoryChainPort, "_sign", lambda self, nonce, attempt, *rest: sign(self, nonce, attempt + 1, *rest))


def takes_another_chain_for_its_own(patch: Patch) -> None:
    """What the one before had is taken for forgotten, and sent again as after any rollback."""
    entered = Payments._entered_chain
    patch.setattr(Payments, "_entered_chain", lambda self, genesis: entered(self, self._genesis or genesis))

    async def submit(self: MemoryChainPort, signed: Any) -> None:
        self.chain.submit(signed.raw)

    patch.setattr(MemoryChainPort, "broadcast", submit)


def pays_again_on_another_chain(patch: Patch, states: tuple[DebtState, ...]) -> None:
    """Debts in these states are owed as before, though the chain that was replaced has them, or may have."""
    leave = Payments._leave_chain

    def forgetful(self: Payments) -> None:
        for debt in self.debts.in_states(states):
            self.debts.reopen(debt)
        leave(self)

    patch.setattr(Payments, "_leave_chain", forgetful)


def believes_claims_of_another_chain(patch: Patch) -> None:
    """The directory of the chain that was replaced is kept, and debts stay payable by it."""
    patch.setattr(ClaimReader, "reset", lambda self: None)
    patch.setattr(Debts, "reopen", lambda self, debt: self.make_payable(debt, debt.payee))


def signs_again_after_a_crash(patch: Patch) -> None:
    """As if a signature were journalled after it is sent."""

    def forgetful(config: PeerConfig, entries: Iterable[tuple[Event, str]]) -> Peer:
        peer = replay(config, entries)
        for debt in peer._payments.debts.in_states((DebtState.SIGNED, DebtState.SENT)):
            peer._payments.debts._enter(replace(debt, state=DebtState.PAYABLE))
        peer._requests.drain()  # nobody sees it
        return peer

    patch.setattr(simulator, "replay", forgetful)


def the_ledger_mints_wei(patch: Patch) -> None:
    apply = MemoryChain._apply

    def mint(self: MemoryChain, transaction: Any, *where: Any) -> Any:
        applied = apply(self, transaction, *where)
        if transaction.to:
            self.balances[transaction.to] = Wei(self.balances[transaction.to] + 1)
        return applied

    patch.setattr(MemoryChain, "_apply", mint)


def the_ledger_mines_twice(patch: Patch) -> None:
    mine = MemoryChain._mine

    def twice(self: MemoryChain) -> None:
        mine(self)
        block = self.blocks[-1]
        if deployments := [each for each in block.transactions if each.contract]:
            again = self._apply(deployments[0], block.number, len(block.transactions), block.timestamp)
            self.blocks[-1] = replace(block, transactions=(*block.transactions, again))

    patch.setattr(MemoryChain, "_mine", twice)
