"""What a peer knows of its balance, with few requests to the chain."""

import asyncio
from types import SimpleNamespace
from typing import Any

from learnae.errors import PortError, Reason
from learnae.protocol.blockchain import Head
from learnae.protocol.types import Wei
from learnae.runtime.received_payments import BALANCE_BLOCKS, ReceivedPayments, ReportedPayments


class Stage:
    """A chain that counts questions about balances, and an index of a number of transactions."""

    def __init__(self, broken: bool = False) -> None:
        self.asked, self.seen, self.broken, self.silent = 0, 0, broken, False
        member: Any = SimpleNamespace(wallet="wallet")
        self.received = ReceivedPayments(member, (), ReportedPayments())
        live: Any = SimpleNamespace(ports=SimpleNamespace(chain=self))
        index: Any = self
        self.received.follow(live, index)

    async def balance(self, wallet: str) -> Wei:
        self.asked += 1
        if self.silent:
            raise PortError(Reason.TIMEOUT, "no answer")
        return Wei(self.seen)

    async def update(self, head: Head) -> None:
        if self.broken:
            raise PortError(Reason.TIMEOUT, "no answer")

    def transactions(self, wallet: str) -> int:
        return self.seen

    def poll(self, height: int) -> None:
        asyncio.run(self.received.update(Head("genesis", height, f"block {height}", height)))


def test_a_balance_is_read_when_the_chain_shows_a_transaction_of_the_wallet() -> None:
    stage = Stage()
    for height in range(1, BALANCE_BLOCKS):
        stage.poll(height)
    assert stage.asked == 1
    stage.seen = 5
    stage.poll(BALANCE_BLOCKS - 1)
    assert (stage.asked, stage.received.balance) == (2, 5)


def test_what_contracts_transfer_shows_after_some_blocks_even_if_blocks_cannot_be_read() -> None:
    stage = Stage(broken=True)
    for height in range(1, 3 * BALANCE_BLOCKS):
        stage.poll(height)
    assert stage.asked == 3


def test_a_balance_that_could_not_be_read_during_a_rollback_is_read_once_the_chain_answers() -> None:
    stage = Stage()
    stage.seen = 5
    stage.poll(1)
    stage.seen, stage.silent = 0, True
    stage.poll(1)
    stage.seen, stage.silent = 5, False
    stage.poll(1)
    stage.poll(1)
    assert stage.asked == 3
