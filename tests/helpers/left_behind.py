"""What a live session leaves behind, made from a simulated one: session, roster, journals with their blocks, chain.

run = swarms.run(small(), keys=identity_keys)     # peers that have IPFS keys, so that they can sign their journals
folder = leave(run, tmp_path / "run")
"""

import sqlite3
from collections.abc import Iterator
from contextlib import closing
from dataclasses import replace
from pathlib import Path

from tests.helpers.identities import identity
from tests.helpers.swarms import Run

from learnae.adapters import memory
from learnae.adapters.evm.dpoid import deployment_data
from learnae.adapters.ipfs_keys import IpfsIdentity
from learnae.adapters.sqlite_journal import SqliteJournal, blocks_in_use, read_journal
from learnae.backends.live_run import JOURNALS, ROSTER, SESSION
from learnae.messages.journal_lines import journal_text
from learnae.protocol.decisions import Trained
from learnae.protocol.types import Address, PeerId, Poid
from learnae.records.chain_export import Block, ChainRecord, chain_line
from learnae.runtime.clocks import Moment
from learnae.runtime.roster_file import Roster
from learnae.session.session_file import to_toml


def leave(run: Run, folder: Path) -> Path:
    (folder / JOURNALS).mkdir(parents=True)
    (folder / SESSION).write_text(to_toml(run.simulation.session), encoding="utf-8")
    hosts = run.simulation.simulator.hosts
    Roster.of([(host.config.peer, host.config.wallet) for host in hosts.values()], Moment(0.0)).write(folder / ROSTER)
    for name, host in hosts.items():
        assert host.peer
        path = folder / JOURNALS / f"{name}.sqlite"
        with closing(SqliteJournal(path, host.config)) as journal:
            trained = {fact.cid for record, fact in run.history.facts(Trained) if record.peer == name}
            for cid in sorted(blocks_in_use(host.peer, host.config.initial_weights) | trained):
                journal.blocks[cid] = host.ports.blocks[cid]
            for event, digest in host.journal.entries:
                journal.append(event, digest)
        sign(path, name, identity(name))
    lines = (chain_line(record) + "\n" for record in _deployed(run))
    (folder / "chain.jsonl").write_text("".join(lines), encoding="utf-8")
    return folder


def sign(path: Path, name: str, identity: IpfsIdentity) -> None:
    """Sign a journal as it is now with any key."""
    config, entries, *_ = read_journal(path)
    signature = memory.now(identity.sign(journal_text(name, config, entries)))
    with closing(sqlite3.connect(path)) as connection, connection:
        connection.execute("INSERT OR REPLACE INTO signatures VALUES (?, ?)", (len(entries), signature))


def _deployed(run: Run) -> Iterator[ChainRecord]:
    """The chain with deployments as they are on Ethereum."""
    for record in run.chain:
        if isinstance(record, Block):
            yield replace(
                record,
                transactions=tuple(
                    replace(tx, data="0x" + deployment_data(_poid(tx.data)).hex()) if tx.contract else tx
                    for tx in record.transactions
                ),
            )
        else:
            yield record


def _poid(data: str) -> Poid:
    peer, wallet = bytes.fromhex(data.removeprefix("0x")).decode().split()
    return Poid(PeerId(peer), Address(wallet))
