"""What ``learnae audit`` does."""

import asyncio
from pathlib import Path

from rich.table import Table

from learnae.adapters.rundir import RunDirectory
from learnae.checks import exit_code
from learnae.cli.commands import conclude, console, say
from learnae.core.facts import DebtState
from learnae.drivers import audit as sessions
from learnae.history import Balances, Genesis, History

TITLES = ("peer", "began with", "sent", "received", "gas and the rest", "has now")


def audit(path: Path, rpc: str | None) -> int:
    if rpc:
        asyncio.run(sessions.fetch_chain(path, rpc))
    sessions.retell(path)
    run = RunDirectory(path)
    history = run.read()
    found = run.judge(history, None)
    console.print(_money(history))
    say("Accuracies are the peers' own word, which nobody can verify; from them on every wei was worked out again.")
    conclude(run, found)
    return exit_code(found)


def _money(history: History) -> Table:
    """In wei.  Debts say what was sent and received, the chain says the rest."""
    table = Table(header_style="bold")
    for title in TITLES:
        table.add_column(title, justify="left" if title == TITLES[0] else "right")
    began = {wallet: wei for genesis in history.exports(Genesis) for wallet, wei in genesis.alloc.items()}
    ended = {wallet: wei for balances in history.exports(Balances) for wallet, wei in balances.balances.items()}
    last = [(payer, changes[-1][1]) for (payer, _), changes in history.debts.items()]
    final = [(payer, debt) for payer, debt in last if debt.state is DebtState.FINAL]
    for name, entry in history.roster.items():
        sent = sum(debt.wei for payer, debt in final if payer == name)
        received = sum(debt.wei for _, debt in final if debt.payee == entry.wallet)
        had, has = began.get(entry.wallet, 0), ended.get(entry.wallet, 0)
        table.add_row(name, *(f"{wei:,}" for wei in (had, sent, received, had + received - sent - has, has)))
    return table
