"""`learnae audit`."""

from collections import Counter
from collections.abc import Iterator
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Annotated, Any

import typer

from learnae.adapters.run_directory import CHAIN, HISTORY, RunDirectory
from learnae.adapters.run_directory.seal import deviations
from learnae.analysis.checks import exit_code
from learnae.analysis.checks.result import chains_of_debts
from learnae.analysis.fee_pool import splits_fees
from learnae.analysis.money import left_in_pool, paid_out, payments_of
from learnae.analysis.tables import TABLES, payments
from learnae.cli.arguments import Json, Run, RunPlugins, Threads
from learnae.cli.check import Root, Signer, allow_plugins
from learnae.cli.findings import Findings
from learnae.cli.output import print_verdict, say
from learnae.cli.replay_output import print_replay
from learnae.protocol.decisions import DebtState
from learnae.protocol.types import ETHER, Address
from learnae.records.chain_export import Balances, ChainRecord, Genesis, gas_by_wallet
from learnae.records.history import History
from learnae.records.seal import SEAL
from learnae.session.environment import external_chain_settings

REPORTED_SCORES = "Every payment was recomputed from the scores that its payer reported; --replay verifies these, too."


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
    json: Json = False,
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
    chain, findings = _fetch_chain(run, rpc) if rpc else None, Findings(json)
    if seal or by_hand:
        directory, history, verdict = _collect(run, chain, findings)
    else:
        directory, history, verdict = _compare(run, chain, root, signer, replay, findings)
    for line in [] if json else [*_payments(history), *map(str, _accounts(history))]:
        say(line)
    code, replayed = 0, None
    if replay:
        code, replayed = print_replay(run, history, share, peer or (), other_processor, threads, findings)
    else:
        findings.notice(REPORTED_SCORES)
    if json:
        tables = {"payments": TABLES["payments"].rows(history), "accounts": _accounts(history)}
        rows = {name: [asdict(row) for row in table] for name, table in tables.items()}
        findings.print_json(run, verdict, **rows, replay=replayed)
    else:
        print_verdict(directory, verdict)
    return 1 if findings.problems else code or exit_code(verdict)


def _fetch_chain(run: Path, rpc: str) -> list[ChainRecord]:
    import asyncio

    from learnae.adapters import keystore
    from learnae.backends import live_run

    return asyncio.run(live_run.fetch_chain(run, keystore.resolve_url(rpc)))


def _collect(
    run: Path, chain: list[ChainRecord] | None, findings: Findings
) -> tuple[RunDirectory, History, dict[str, Any]]:
    """Write chain, history and verdict, and seal the run if its session has ended."""
    from learnae.backends import live_run
    from learnae.runs.journal_signatures import wrong_signatures

    if (run / SEAL).exists():
        for deviation in deviations(run):
            findings.notice(f"Not as it was sealed: {deviation}")
    if chain is not None:
        live_run.write_chain(run, chain)
    for notice in live_run.write_history(run):
        findings.notice(notice)
    directory = RunDirectory(run)
    history = directory.read()
    verdict = directory.judge(history, None, seal=history.ended_by is not None)
    journals = live_run.replayed_journals(run, live_run.members(run)[1])
    findings.add(wrong_signatures(history, journals, findings.notice))
    return directory, history, verdict


def _compare(
    run: Path,
    chain: list[ChainRecord] | None,
    root: str | None,
    signer: str | None,
    in_one_process: bool,
    findings: Findings,
) -> tuple[RunDirectory, History, dict[str, Any]]:
    """Compare everything in a run with its seal and its journals.

    ``in_one_process``: whether the run may be one that has no roster of live peers.
    """
    from learnae.backends.live_run import ROSTER
    from learnae.runs.consistency import inconsistencies, wrong_accuracies

    directory = RunDirectory(run)
    findings.compare_with_seal(run, root, signer)
    history = directory.read()
    findings.add(inconsistencies(directory, history, findings.notice))
    live = not in_one_process or (run / ROSTER).exists()
    wrong, notices = wrong_accuracies(run, history) if live else ([], [])
    for notice in notices:
        findings.notice(notice)
    findings.add(wrong)
    if chain is not None:
        history = replace(history, chain=tuple(chain))
    return directory, history, directory.judge_again(history)


def _payments(history: History) -> Iterator[str]:
    """A line per debt: what it is for, and its state; a report to the fee pool covers debts and pays none."""
    states = {DebtState.FINAL.value: "reported"} if splits_fees(history) else {}
    for debt in payments(history):
        where = f", transaction {debt.tx} in block {debt.block}" if debt.tx else ""
        source = f"{'rows ' * (debt.shares > 0)}{debt.cid}{f', a parent of {debt.part_of}' if debt.part_of else ''}"
        yield (
            f"{debt.payer}: {_ether(debt.wei)} to {debt.payee or debt.creator} for {debt.before:.4f} to "
            f"{debt.after:.4f} by {source}: {states.get(debt.state, debt.state)}{where}"
        )


def _ether(wei: int) -> str:
    """In ETH, exact."""
    return f"{wei // ETHER}.{wei % ETHER:018}".rstrip("0").rstrip(".") + " ETH"


@dataclass(frozen=True)
class Account:
    """A peer's balances and gas by the chain, in wei, and its payments by the debts, or by the fee pool.

    ``pooled_wei``: what nobody has withdrawn of its fee and stake.  ``payout``: the wallet that received, if it is not
    the peer's own, and ``payout_wei`` what it holds, if the chain was exported.
    """

    peer: str
    before_wei: int
    sent_wei: int
    received_wei: int
    gas_wei: int
    pooled_wei: int
    after_wei: int
    payout: Address | None
    payout_wei: int | None

    def __str__(self) -> str:
        pooled = f"left {_ether(self.pooled_wei)} in the fee pool, " if self.pooled_wei else ""
        holds = "" if self.payout_wei is None else f", which has {_ether(self.payout_wei)}"
        elsewhere = f" in {self.payout}{holds}" if self.payout else ""
        return (
            f"{self.peer} had {_ether(self.before_wei)}, sent {_ether(self.sent_wei)}, "
            f"received {_ether(self.received_wei)}{elsewhere}, {pooled}spent {_ether(self.gas_wei)} on gas, "
            f"has {_ether(self.after_wei)}"
        )


def _accounts(history: History) -> list[Account]:
    had = {wallet: wei for genesis in history.exports(Genesis) for wallet, wei in genesis.alloc.items()}
    if history.starting_balances:
        had = history.starting_balances.balances
    has = {wallet: wei for balances in history.exports(Balances) for wallet, wei in balances.balances.items()}
    here = [None, *(genesis.hash for genesis in history.exports(Genesis))]
    settled = {debt for debt, chains in chains_of_debts(history).items() if chains[-1] in here}
    sent, received, gas = Counter[str](), Counter[str](), gas_by_wallet(history.chain, priced=True)
    for _, payer, payee, wei in payments_of(history, settled):
        sent[payer] += wei
        received[payee] += wei
    left, payouts = left_in_pool(history), paid_out(history)
    return [
        Account(
            name,
            had.get(entry.wallet, 0),
            sent[name],
            received[name],
            gas[entry.wallet],
            left[name],
            has.get(entry.wallet, 0),
            *payouts.get(name, (None, None)),
        )
        for name, entry in history.roster.items()
    ]
