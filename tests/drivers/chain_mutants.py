"""Ways to break what a peer makes of its chain, and the ledger itself; ``mutants`` lists them."""

from collections.abc import Iterable
from dataclasses import replace
from typing import Any

import pytest

from learnae.adapters.ledger import Ledger, LedgerChain
from learnae.core.claims import Claims
from learnae.core.debts import Debts
from learnae.core.events import Event
from learnae.core.facts import DebtChanged, DebtState
from learnae.core.outbox import Outbox
from learnae.core.peer import Peer
from learnae.core.replay import replay
from learnae.core.types import PeerConfig, Wei
from learnae.core.wallet import Wallet
from learnae.drivers import sim

Patch = pytest.MonkeyPatch


def never_confirms(patch: Patch) -> None:
    read = Outbox.read
    patch.setattr(Outbox, "read", lambda self, receipts, head, confirmations: read(self, receipts, head, 10**6))


def ignores_a_rollback(patch: Patch) -> None:
    """What was mined is taken for final, whatever the chain says later."""
    patch.setattr(Wallet, "rolled_back", lambda self, head: None)


def takes_a_nonce_twice(patch: Patch) -> None:
    """The next nonce is the number of mined transactions, as a node would say, not of signed ones.

    And the chain signs whatever it is asked to: ours refuses first forms of nonces that it has mined.
    """
    ask, sign = Wallet._ask_payment, LedgerChain._sign

    def forgetful(self: Wallet, debt: DebtChanged, nonce: int, attempt: int) -> None:
        mined = sum(each.receipt is not None for each in self.outbox.transactions)
        ask(self, debt, nonce if attempt else mined, attempt)

    patch.setattr(Wallet, "_ask_payment", forgetful)
    patch.setattr(LedgerChain, "_sign", lambda self, nonce, attempt, *rest: sign(self, nonce, attempt + 1, *rest))


def takes_another_chain_for_its_own(patch: Patch) -> None:
    """What the one before had is taken for forgotten, and sent again as after any rollback."""
    notice = Wallet._notice
    patch.setattr(Wallet, "_notice", lambda self, genesis: notice(self, self._genesis or genesis))

    async def submit(self: LedgerChain, signed: Any) -> None:
        self.ledger.submit(signed.raw)

    patch.setattr(LedgerChain, "broadcast", submit)


def pays_again_on_another_chain(patch: Patch, states: tuple[DebtState, ...]) -> None:
    """Debts in these states are owed as before, though the chain that was replaced has them, or may have."""
    leave = Wallet._leave

    def forgetful(self: Wallet) -> None:
        for debt in self.debts.of(states):
            self._desk.record(self.debts.reopen(debt.debt))
        leave(self)

    patch.setattr(Wallet, "_leave", forgetful)


def believes_claims_of_another_chain(patch: Patch) -> None:
    """The directory of the chain that was replaced is kept, and debts stay payable by it."""
    patch.setattr(Claims, "start_anew", lambda self: None)
    patch.setattr(Debts, "reopen", lambda self, debt: self.payable(debt, self.book[debt].payee))


def signs_again_after_a_crash(patch: Patch) -> None:
    """As if a signature were journalled after it is sent."""

    def forgetful(config: PeerConfig, entries: Iterable[tuple[Event, str]]) -> Peer:
        peer = replay(config, entries)
        for debt in peer.wallet.debts.of((DebtState.SIGNED, DebtState.SENT)):
            peer.wallet.debts.book[debt.debt] = replace(debt, state=DebtState.PAYABLE)
        return peer

    patch.setattr(sim, "replay", forgetful)


def the_ledger_mints_wei(patch: Patch) -> None:
    apply = Ledger._apply

    def mint(self: Ledger, transaction: Any, *where: Any) -> Any:
        applied = apply(self, transaction, *where)
        if transaction.to:
            self.balances[transaction.to] = Wei(self.balances[transaction.to] + 1)
        return applied

    patch.setattr(Ledger, "_apply", mint)


def the_ledger_mines_twice(patch: Patch) -> None:
    mine = Ledger._mine

    def twice(self: Ledger) -> None:
        mine(self)
        block = self.blocks[-1]
        if deployments := [each for each in block.transactions if each.contract]:
            again = self._apply(deployments[0], block.number, len(block.transactions), block.timestamp)
            self.blocks[-1] = replace(block, transactions=(*block.transactions, again))

    patch.setattr(Ledger, "_mine", twice)
