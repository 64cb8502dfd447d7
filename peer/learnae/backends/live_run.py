"""A live session's folder, from which every wei is worked out again after all nodes are gone.

session.toml  roster.json  journals/<name>.sqlite    what the peers left
faults.jsonl                                         what was done to them, if anything
funding.json                                         on a chain that is not ours: what they began with
chain.jsonl                                          what the Ethereum node said, exported while it was there
history.jsonl                                        made here, from the journals; accuracies on test rows from the
                                                     last models in them and the session's rows, where they are at hand
"""

import os
from collections.abc import Mapping, Sequence
from pathlib import Path

from learnae.adapters.evm import export, export_since, http_node
from learnae.adapters.run_directory import CHAIN, HISTORY
from learnae.adapters.sqlite_journal import read_block, read_journal
from learnae.backends.external_chain.wallet_funding import FUNDING, Funding
from learnae.errors import InputError, PortError
from learnae.protocol.decisions import Adopted, Published
from learnae.protocol.types import Cid, wei
from learnae.records.chain_export import chain_line
from learnae.records.history import (
    Evaluated,
    History,
    Record,
    SessionEnded,
)
from learnae.runtime.history_from_journals import merged
from learnae.runtime.roster_file import Roster
from learnae.session.roster import Member, names
from learnae.session.session_file import load
from learnae.session.settings import Session

SESSION, ROSTER, JOURNALS, FAULTS = "session.toml", "roster.json", "journals", "faults.jsonl"


def members(run: Path) -> tuple[Session, tuple[Member, ...]]:
    """Raises InputError."""
    session = load(run / SESSION)
    return session, Roster.read(run / ROSTER).members(session)


async def fetch_chain(run: Path, rpc: str) -> None:
    """Export the chain into the folder.  On one of ours the wallets began with what the session says; on another the
    export begins when they had their stakes, and ends before those were taken back.  Raises InputError."""
    session, everybody = members(run)
    funding = Funding.read(run) if (run / FUNDING).exists() else None
    if funding and funding.opening is None:
        raise InputError("the wallets never all had their stakes: there is no session on that chain")
    alloc = {each.wallet: wei(session.chain.balance) for each in everybody}
    node = http_node(rpc, session.chain.id)
    try:
        if funding and funding.opening:
            chain = await export_since(node, funding.opening, funding.until)
        else:
            chain = await export(node, alloc, alloc)
    except PortError as error:
        raise InputError(
            f"the Ethereum node could not be read ({error}): is it there, and has it all blocks?"
        ) from None
    finally:
        await node.close()
    (run / CHAIN).write_text("".join(chain_line(record) + "\n" for record in chain))


def journals(run: Path, everybody: Sequence[Member]) -> dict[str, Path]:
    """Those that are there, by peer."""
    files = {each.name: run / JOURNALS / f"{each.name}.sqlite" for each in everybody}
    return {name: path for name, path in files.items() if path.is_file()}


def retell(run: Path) -> str | None:
    """Write the history that the journals tell; a notice if it lacks accuracies on test rows.

    InputError: damaged, or told by another core.
    """
    session, everybody = members(run)
    files = journals(run, everybody)
    faults = run / FAULTS
    seen = History.parse(faults.read_text().splitlines()).records if faults.is_file() else ()
    records = merged(session, everybody, {name: read_journal(path) for name, path in files.items()}, seen)
    try:
        evaluated, notice = _evaluated(session, files, records), None
    except (InputError, PortError) as error:
        evaluated, notice = [], f"Accuracies on test rows are missing: {error}"
    end = len(records) - isinstance(records[-1].fact, SessionEnded)
    lines = [record.line() + "\n" for record in (*records[:end], *evaluated, *records[end:])]
    (run / HISTORY).write_text("".join(lines))
    return notice


def _evaluated(session: Session, files: Mapping[str, Path], records: Sequence[Record]) -> list[Record]:
    """Each peer's last model on rows that no peer has.  InputError: no such rows here; PortError: no sound block."""
    last = _last_models(records)
    found = {cid: read_block(files[name], cid) for name, (cid, _) in last.items()}
    blocks = {cid: block for cid, block in found.items() if block is not None}
    models = [(name, *model) for name, model in last.items() if model[0] in blocks]
    if not models:
        return []
    from learnae.runtime.torch_learning import TorchLearning  # imports torch

    learning, order = TorchLearning(session, os.cpu_count() or 1), names(session.peers)
    scores = learning.evaluate([(order.index(name), cid) for name, cid, _ in models], blocks)
    return [
        Record(records[-1].t, name, Evaluated(cid, step, test, own))
        for (name, cid, step), (test, own) in zip(models, scores, strict=True)
    ]


def _last_models(records: Sequence[Record]) -> dict[str, tuple[Cid, int]]:
    """CID and step of what each peer ended with."""
    last: dict[str, tuple[Cid, int]] = {}
    for record in records:
        match record.fact:
            case Adopted(cid=cid):
                last[record.peer] = (cid, 0)
            case Published(step=step, cid=cid):
                last[record.peer] = (cid, step)
    return last
