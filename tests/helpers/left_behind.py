"""What a live session leaves behind, made from a simulated one: session, roster, journals with their blocks, chain."""

from contextlib import closing
from pathlib import Path

from tests.helpers.swarms import Run

from learnae.adapters.sqlite_journal import SqliteJournal, blocks_in_use
from learnae.backends.live_run import JOURNALS, ROSTER, SESSION
from learnae.protocol.decisions import Trained
from learnae.records.chain_export import chain_line
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
        with closing(SqliteJournal(folder / JOURNALS / f"{name}.sqlite", host.config)) as journal:
            trained = {fact.cid for record, fact in run.history.facts(Trained) if record.peer == name}
            for cid in sorted(blocks_in_use(host.peer, host.config.initial_weights) | trained):
                journal.blocks[cid] = host.ports.blocks[cid]
            for event, digest in host.journal.entries:
                journal.append(event, digest)
    (folder / "chain.jsonl").write_text("".join(chain_line(record) + "\n" for record in run.chain), encoding="utf-8")
    return folder
