"""The run directory of a live session, from which every payment can be recomputed after all nodes are gone.

The history is written here, from the journals.  Test accuracies come from the last models in them and the session's
data, where it is available.  ``docs/reference/run-directory.md`` describes all files.
"""

import os
import secrets
import shutil
from collections.abc import Mapping, Sequence
from pathlib import Path

from learnae.adapters.run_directory import CHAIN, HISTORY
from learnae.adapters.sqlite_journal import read_block, read_journal
from learnae.errors import InputError, PortError
from learnae.input_file import read_input
from learnae.private_file import write_private
from learnae.protocol.decisions import Adopted, Averaged, Published
from learnae.protocol.policies import Role
from learnae.protocol.types import Cid, wei
from learnae.records.chain_export import ChainRecord, chain_line
from learnae.records.history import (
    Evaluated,
    History,
    Record,
    SessionEnded,
)
from learnae.runtime.history_from_journals import ReplayedJournal, merged
from learnae.runtime.roster_file import PublicIds, Roster
from learnae.session.plugin_files import FOLDER as PLUGINS
from learnae.session.roster import Member, names
from learnae.session.session_file import load
from learnae.session.settings import Session
from learnae.untrusted_file import refuse_links

Ids = PublicIds | Member
SESSION, ROSTER, JOURNALS, FAULTS = "session.toml", "roster.json", "journals", "faults.jsonl"
READINGS = "readings.jsonl"
JUDGING_SALT = "judging-salt"


def members(run: Path) -> tuple[Session, tuple[Member, ...]]:
    """Raises InputError."""
    refuse_links(run)
    if not (run / ROSTER).exists():
        raise InputError(
            f"{run} contains no {ROSTER}: give a run on containers or of `learnae peer`, or use `learnae check`"
        )
    session = load(run / SESSION)
    return session, Roster.read(run / ROSTER).members(session)


def copy_definition(folder: Path, run: Path) -> None:
    """Copy to the run directory what the peers agree on, the roster last, and what the host alone knows of it."""
    if (folder / PLUGINS).is_dir():
        shutil.copytree(folder / PLUGINS, run / PLUGINS, dirs_exist_ok=True)
    for name in (SESSION, JUDGING_SALT, ROSTER):
        if (folder / name).exists():
            shutil.copy(folder / name, run / name)  # with its mode: a secret stays private


def draw_judging_salt(session: Session, folder: Path) -> str:
    """Draw and keep the secret by which the host deals judging blocks, if the session has any.

    Peers never get it: with the data set, it would show them the rows by which the others judge.
    """
    if all(group.role is not Role.PROFITEER for group in session.groups):
        return ""
    salt = secrets.token_hex(16)
    write_private(folder / JUDGING_SALT, salt + "\n")
    return salt


def judging_salt(run: Path) -> str:
    """The salt of ``draw_judging_salt``; empty if there is none: the seed decided."""
    file = run / JUDGING_SALT
    return read_input(file).decode(errors="replace").strip() if file.is_file() else ""


async def fetch_chain(run: Path, rpc: str) -> list[ChainRecord]:
    """Export the chain of a run.  Raises InputError.

    On the session's own chain, the wallets began with the session's balance.  On an external one, the export begins
    when all were funded, and ends before the rest was taken back.
    """
    from learnae.adapters.evm import export, export_since, http_node  # takes a second
    from learnae.backends.external_chain.wallet_funding import FUNDING, Funding

    session, peers = members(run)
    funding = Funding.read(run) if (run / FUNDING).exists() else None
    if funding and funding.opening is None:
        raise InputError("the wallets were never all funded: there is no session on that chain")
    alloc = {member.wallet: wei(session.chain.balance) for member in peers}
    node = http_node(rpc, session.chain.id)
    try:
        if funding and funding.opening:
            return await export_since(node, funding.opening, funding.until)
        return await export(node, alloc, alloc)
    except PortError as error:
        raise InputError(
            f"the Ethereum node could not be read ({error}): check that it is up and has all blocks"
        ) from None
    finally:
        await node.close()


def write_chain(run: Path, chain: Sequence[ChainRecord]) -> None:
    (run / CHAIN).write_text("".join(chain_line(record) + "\n" for record in chain), encoding="utf-8")


def journal_files(run: Path, peers: Sequence[Member]) -> dict[str, Path]:
    """The journals that exist, by peer."""
    files = {member.name: run / JOURNALS / f"{member.name}.sqlite" for member in peers}
    return {name: path for name, path in files.items() if path.is_file()}


def replayed_journal(path: Path, ids: Ids, session: Cid | None) -> ReplayedJournal:
    """Raises InputError unless it can be replayed and is the journal of that peer, in that session if one is given."""
    journal = ReplayedJournal.of(ids.name, read_journal(path))
    config = journal.contents.config
    if (config.peer, config.wallet) != (ids.peer, ids.wallet) or session not in (None, config.session):
        raise InputError(f"{path} is the journal of another peer or session")
    return journal


def replayed_journals(run: Path, peers: Sequence[Ids], session: Cid | None = None) -> dict[str, ReplayedJournal]:
    """By peer.  Raises InputError for the first that is wrong."""
    journals = dict[str, ReplayedJournal]()
    for member in peers:
        path = run / JOURNALS / f"{member.name}.sqlite"
        if path.is_file():
            journals[member.name] = replayed_journal(path, member, session)
            session = journals[member.name].contents.config.session
    return journals


def sound_journals(
    run: Path, peers: Sequence[Ids], session: Cid | None
) -> tuple[dict[str, ReplayedJournal], list[str]]:
    """The journals of the peers, after those that would prevent a history of the others were renamed.

    The second is a sentence about each of these.
    """
    journals, notices = dict[str, ReplayedJournal](), list[str]()
    for member in peers:
        try:
            journals |= replayed_journals(run, [member], session)
        except InputError as error:
            path = run / JOURNALS / f"{member.name}.sqlite"
            for file in (path, path.with_name(path.name + "-wal"), path.with_name(path.name + "-shm")):
                if file.exists():
                    file.rename(file.with_name(file.name + ".wrong"))
            notices.append(f"The journal of {member.name} is left out and kept as {path.name}.wrong: {error}")
    return journals, notices


def collect_history(run: Path, session: Cid | None) -> list[str]:
    """Write the history of the peers whose journals are sound; sentences about what it lacks.  Raises InputError."""
    settings, peers = members(run)
    journals, notices = sound_journals(run, peers, session)
    return notices + _write_history(run, settings, peers, journals)


def write_history(run: Path) -> list[str]:
    """Write the history from the journals; sentences about the test accuracies that it lacks.

    InputError: a journal is damaged, of another peer or session, or was written by another version of the protocol.
    """
    session, peers = members(run)
    return _write_history(run, session, peers, replayed_journals(run, peers))


def _write_history(
    run: Path, session: Session, peers: Sequence[Member], journals: Mapping[str, ReplayedJournal]
) -> list[str]:
    records = merged(session, peers, journals, [*observed(run, FAULTS), *observed(run, READINGS)])
    evaluated, notices = test_accuracies(run, session, records)
    end = len(records) - isinstance(records[-1].fact, SessionEnded)
    lines = [record.line() + "\n" for record in (*records[:end], *evaluated, *records[end:])]
    (run / HISTORY).write_text("".join(lines), encoding="utf-8")
    return notices


def observed(run: Path, name: str) -> tuple[Record, ...]:
    """What the host has recorded in that file of the run, which no journal has."""
    file = run / name
    return History.parse(file.read_text(encoding="utf-8").splitlines()).records if file.is_file() else ()


def test_accuracies(run: Path, session: Session, records: Sequence[Record]) -> tuple[list[Record], list[str]]:
    """The test accuracy of each peer's last model, and a sentence about those that are missing."""
    try:
        evaluated, notice = _test_accuracies(session, judging_salt(run), journal_files(run, members(run)[1]), records)
    except InputError as error:  # the data is not here
        return [], [f"Test accuracies are missing: {error}"]
    return evaluated, [notice] if notice else []


def _test_accuracies(
    session: Session, salt: str, files: Mapping[str, Path], records: Sequence[Record]
) -> tuple[list[Record], str | None]:
    """The test accuracy of each peer's last model, and whose model is damaged.  InputError: no data here."""
    last = _last_models(records)
    stored = {cid: read_block(files[name], cid) for name, (cid, _) in last.items()}
    blocks = {cid: block for cid, block in stored.items() if block is not None}
    models = [(name, *model) for name, model in last.items() if model[0] in blocks]
    if not models:
        return [], None
    from learnae.runtime.torch_learning import TorchLearning  # imports torch

    learning, order = TorchLearning(session, os.cpu_count() or 1, salt=salt), names(session.peers)

    def scored(models: Sequence[tuple[str, Cid, int]]) -> list[Record]:
        scores = learning.evaluate([(order.index(name), cid) for name, cid, _ in models], blocks)
        return [
            Record(records[-1].t, name, Evaluated(cid, step, *found))
            for (name, cid, step), found in zip(models, scores, strict=True)
        ]

    try:
        return scored(models), None
    except PortError:
        evaluated, damaged = [], []
    for model in models:
        try:
            evaluated += scored([model])
        except PortError as error:
            damaged.append(f"{model[0]} ({error})")
    return evaluated, f"Test accuracies are missing of {', '.join(damaged)}"


def _last_models(records: Sequence[Record]) -> dict[str, tuple[Cid, int]]:
    """CID and step of each peer's last model."""
    last: dict[str, tuple[Cid, int]] = {}
    for record in records:
        match record.fact:
            case Adopted(cid=cid):
                last[record.peer] = (cid, 0)
            case Published(step=step, cid=cid) | Averaged(adopted=True, step=step, cid=cid):  # providers publish none
                last[record.peer] = (cid, step)
    return last
