"""`learnae audit`."""

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Annotated, Any

import typer

from learnae.adapters.run_directory import CHAIN, HISTORY, RunDirectory
from learnae.adapters.run_directory.seal import deviations
from learnae.analysis.checks import exit_code
from learnae.analysis.checks.result import chains_of_debts
from learnae.cli.arguments import Run, RunPlugins, Threads
from learnae.cli.check import Root, Signer, allow_plugins, print_deviations, print_problems
from learnae.cli.output import print_verdict, say
from learnae.cli.replay_output import print_replay
from learnae.protocol.decisions import DebtState
from learnae.records.chain_export import Balances, ChainRecord, Genesis
from learnae.records.history import History
from learnae.records.seal import SEAL
from learnae.session.environment import external_chain_settings


def audit(
    run: Run,
    rpc: Annotated[
        str | None,
        typer.Option(
            metavar="URL", help="RPC of a node to export the chain from first; or a file of mode 0600 with the URL."
        ),
    ] = None,
    root: Root = None,
    signer: Signer = None,
    seal: Annotated[
        bool,
        typer.Option("--seal", help="Write the history anew from the journals that are there now, and seal the run."),
    ] = False,
    replay: Annotated[
        bool, typer.Option("--replay", help="Execute trainings, averagings and scores again, and name what differs.")
    ] = False,
    share: Annotated[float, typer.Option(min=0, max=1, help="--replay: random share of them.")] = 1.0,
    peer: Annotated[
        list[str] | None, typer.Option(metavar="NAME", help="--replay: only those of this peer; may be repeated.")
    ] = None,
    other_processor: Annotated[
        bool, typer.Option("--other-processor", help="--replay: accept results as another processor may compute them.")
    ] = False,
    run_plugins: RunPlugins = False,
    threads: Threads = None,
) -> int:
    """Recompute every payment from the peers' journals and the chain's export.

    For runs on containers and of `learnae peer`; with --replay also for runs in one process.  `learnae check` does
    every run.  Nothing is written to a sealed run.
    The first audit of journals that were collected by hand writes the history and seals the run.
    """
    allow_plugins(run, run_plugins)
    if rpc is None and not (run / CHAIN).exists() and (settings := external_chain_settings()):
        rpc = settings.rpc
    by_hand = not (run / SEAL).exists() and (rpc is not None or not (run / HISTORY).exists())
    chain = _fetch_chain(run, rpc) if rpc else None
    if seal or by_hand:
        sound, directory, history, verdict = _collect(run, chain)
    else:
        sound, directory, history, verdict = _compare(run, chain, root, signer, replay)
    for line in [*_payments(history), *_accounts(history)]:
        say(line)
    code = 0
    if replay:
        code = print_replay(run, history, share, peer or (), other_processor, threads)
    else:
        say("Every payment was recomputed from the accuracies that its payer reported; --replay verifies these, too.")
    print_verdict(directory, verdict)
    return (code or exit_code(verdict)) if sound else 1


def _fetch_chain(run: Path, rpc: str) -> list[ChainRecord]:
    import asyncio

    from learnae.adapters import keystore
    from learnae.backends import live_run

    return asyncio.run(live_run.fetch_chain(run, keystore.resolve_url(rpc)))


def _collect(run: Path, chain: list[ChainRecord] | None) -> tuple[bool, RunDirectory, History, dict[str, Any]]:
    """Write chain, history and verdict, and seal the run if its session has ended; first: whether peers signed it."""
    from learnae.backends import live_run
    from learnae.runs.journal_signatures import wrong_signatures

    if (run / SEAL).exists():
        print_problems(deviations(run))
    if chain is not None:
        live_run.write_chain(run, chain)
    for notice in live_run.write_history(run):
        say(notice)
    directory = RunDirectory(run)
    history = directory.read()
    verdict = directory.judge(history, None, seal=history.ended_by is not None)
    journals = live_run.replayed_journals(run, live_run.members(run)[1])
    return print_problems(wrong_signatures(history, journals, say)), directory, history, verdict


def _compare(
    run: Path, chain: list[ChainRecord] | None, root: str | None, signer: str | None, in_one_process: bool
) -> tuple[bool, RunDirectory, History, dict[str, Any]]:
    """Compare everything in a run with its seal and its journals; first: whether it agrees.

    ``in_one_process``: whether the run may be one that has no roster of live peers.
    """
    from learnae.backends.live_run import ROSTER
    from learnae.runs.consistency import inconsistencies, wrong_accuracies

    directory, sealed = RunDirectory(run), print_deviations(run, root, signer)
    history = directory.read()
    consistent = print_problems(inconsistencies(directory, history, say))
    live = not in_one_process or (run / ROSTER).exists()
    wrong, notices = wrong_accuracies(run, history) if live else ([], [])
    for notice in notices:
        say(notice)
    true = print_problems(wrong)
    if chain is not None:
        history = replace(history, chain=tuple(chain))
    return sealed and consistent and true, directory, history, directory.judge_again(history)


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
