"""What ``learnae audit`` and ``learnae refund`` do."""

import asyncio
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

from learnae.adapters import keystore
from learnae.adapters.run_directory import CHAIN, RunDirectory
from learnae.analysis.checks import exit_code
from learnae.analysis.checks.result import chains_of_debts
from learnae.backends import live_run as sessions
from learnae.backends.external_chain.chain import ExternalChain
from learnae.backends.external_chain.wallet_funding import take_back
from learnae.cli.commands import conclude, say
from learnae.errors import InputError
from learnae.protocol.decisions import DebtState
from learnae.records.chain_export import Balances, Genesis
from learnae.records.history import History
from learnae.session.settings import KEY, RPC, foreign, load


def audit(path: Path, rpc: str | None) -> int:
    if rpc is None and not (path / CHAIN).exists() and (there := foreign()):
        rpc = there.rpc
    if rpc:
        asyncio.run(sessions.fetch_chain(path, keystore.url(rpc)))
    notice = sessions.retell(path)
    run = RunDirectory(path)
    history = run.read()
    found = run.judge(history, None)
    for line in [*_payments(history), *_accounts(history)]:
        say(line)
    if notice:
        say(notice)
    say("Accuracies are the peers' own word, which nobody can verify; from them on every wei was worked out again.")
    conclude(run, found)
    return exit_code(found)


def refund(path: Path) -> int:
    """With the node and the key that the environment names; the money goes to the key that lent it."""
    found = foreign()
    if found is None:
        raise InputError(f"set {RPC} and {KEY} as they were for that session")
    chain = ExternalChain.of(found, replace(load(path / sessions.SESSION), faults=()))
    return 0 if asyncio.run(take_back(chain, path, say)) else 1


def _payments(history: History) -> Iterator[str]:
    """A line for each debt: what for, and what became of it."""
    for (payer, _), changes in history.debts.items():
        debt = changes[-1][1]
        gain = f"{debt.before.accuracy:.4f} to {debt.after.accuracy:.4f}"
        where = f", transaction {debt.tx} in block {debt.block}" if debt.tx else ""
        payee = debt.payee or "nobody yet"
        yield f"{payer}: {debt.wei} wei to {payee} for {gain} by {debt.cid}: {debt.state}{where}"


def _accounts(history: History) -> Iterator[str]:
    """A line for each peer: what its wallet had and has by the chain, and what moved on it by the debts."""
    had = {wallet: wei for genesis in history.exports(Genesis) for wallet, wei in genesis.alloc.items()}
    if history.opening:
        had = history.opening.balances
    has = {wallet: wei for balances in history.exports(Balances) for wallet, wei in balances.balances.items()}
    here = [None, *(genesis.hash for genesis in history.exports(Genesis))]
    settled = [debt for debt, chains in chains_of_debts(history).items() if chains[-1] in here]
    last = [(payer, history.debts[payer, debt][-1][1]) for payer, debt in settled]
    for name, entry in history.roster.items():
        sent = sum(debt.wei for payer, debt in last if payer == name and debt.state is DebtState.FINAL)
        received = sum(debt.wei for _, debt in last if debt.payee == entry.wallet and debt.state is DebtState.FINAL)
        before, after = had.get(entry.wallet, 0), has.get(entry.wallet, 0)
        rest = before - sent + received - after
        yield f"{name} had {before} wei, sent {sent}, received {received}, spent {rest} on gas, has {after}"
