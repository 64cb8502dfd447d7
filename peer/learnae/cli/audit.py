"""`learnae audit`."""

from collections.abc import Iterator
from typing import Annotated

import typer

from learnae.adapters.run_directory import CHAIN, RunDirectory
from learnae.analysis.checks import exit_code
from learnae.analysis.checks.result import chains_of_debts
from learnae.cli.arguments import Run
from learnae.cli.output import print_verdict, say
from learnae.protocol.decisions import DebtState
from learnae.records.chain_export import Balances, Genesis
from learnae.records.history import History
from learnae.session.environment import external_chain_settings


def audit(
    run: Run,
    rpc: Annotated[
        str | None,
        typer.Option(
            metavar="URL", help="RPC of a node to export the chain from first; or a file of mode 0600 with the URL."
        ),
    ] = None,
) -> int:
    """Recompute every payment from the peers' journals and the chain's export.

    For runs on containers and of `learnae peer`; `learnae check` does every run.
    """
    import asyncio

    from learnae.adapters import keystore
    from learnae.backends import live_run

    if rpc is None and not (run / CHAIN).exists() and (chain := external_chain_settings()):
        rpc = chain.rpc
    if rpc:
        asyncio.run(live_run.fetch_chain(run, keystore.resolve_url(rpc)))
    notice = live_run.write_history(run)
    directory = RunDirectory(run)
    history = directory.read()
    verdict = directory.judge(history, None)
    for line in [*_payments(history), *_accounts(history)]:
        say(line)
    if notice:
        say(notice)
    say("Accuracies are reported by the peers and cannot be verified. Every payment was recomputed from them.")
    print_verdict(directory, verdict)
    return exit_code(verdict)


def _payments(history: History) -> Iterator[str]:
    """A line per debt: what it is for, and its state."""
    for (payer, _), changes in history.debts.items():
        debt = changes[-1][1]
        gain = f"{debt.before.accuracy:.4f} to {debt.after.accuracy:.4f}"
        where = f", transaction {debt.tx} in block {debt.block}" if debt.tx else ""
        payee = debt.payee or "unknown payee"
        yield f"{payer}: {debt.wei} wei to {payee} for {gain} by {debt.cid}: {debt.state}{where}"


def _accounts(history: History) -> Iterator[str]:
    """A line per peer: its balances by the chain, and its payments by the debts."""
    had = {wallet: wei for genesis in history.exports(Genesis) for wallet, wei in genesis.alloc.items()}
    if history.starting_balances:
        had = history.starting_balances.balances
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
