"""The blocks that a peer holds, in the file of its journal."""

from collections.abc import Collection, Iterator, MutableMapping
from typing import TYPE_CHECKING

from learnae.adapters.sqlite_journal.file_format import DAMAGED, MAX_JOURNAL
from learnae.errors import InputError
from learnae.messages.codec import to_json
from learnae.messages.wire import cid_of
from learnae.protocol import actions as do
from learnae.protocol import peer as core
from learnae.protocol.policies import ForgeModel
from learnae.protocol.row_types import PackRows
from learnae.protocol.types import Cid

if TYPE_CHECKING:
    from learnae.adapters.sqlite_journal.journal import SqliteJournal

RECENT = 16  # blocks just created or fetched stay for a while
RECENT_BYTES = MAX_JOURNAL // 4  # of them
KEPT_BYTES = MAX_JOURNAL // 4  # of models that a peer has trained


class SqliteBlocks(MutableMapping[Cid, bytes]):
    """``runtime.dispatch.Ports.blocks``, committed by the next durable ``append`` of the journal."""

    def __init__(self, journal: "SqliteJournal") -> None:
        self._journal = journal

    def __getitem__(self, cid: Cid) -> bytes:
        with self._journal.exclusive() as connection:
            row = connection.execute("SELECT block FROM blocks WHERE cid = ?", (cid,)).fetchone()
            if row is None:
                raise KeyError(cid)
            block: bytes = row[0]
            if cid_of(block) != cid:
                raise InputError(f"{self._journal.path} {DAMAGED}")
            return block

    def __setitem__(self, cid: Cid, block: bytes) -> None:
        with self._journal.transaction() as connection:
            connection.execute("INSERT OR REPLACE INTO blocks (cid, block) VALUES (?, ?)", (cid, block))

    def __delitem__(self, cid: Cid) -> None:
        if not self._delete("cid = ?", cid):
            raise KeyError(cid)

    def __contains__(self, cid: object) -> bool:
        with self._journal.exclusive() as connection:
            return connection.execute("SELECT 1 FROM blocks WHERE cid = ?", (cid,)).fetchone() is not None

    def __iter__(self) -> Iterator[Cid]:
        with self._journal.exclusive() as connection:
            cids = connection.execute("SELECT cid FROM blocks ORDER BY number").fetchall()
        return (Cid(cid) for (cid,) in cids)

    def __len__(self) -> int:
        with self._journal.exclusive() as connection:
            count: int = connection.execute("SELECT count(*) FROM blocks").fetchone()[0]
        return count

    def prune(self, keep: Collection[Cid], expected: int = 0) -> int:
        """Delete all blocks but these (see ``blocks_in_use``) and the newest; return how many.

        The ``expected`` newest stay whatever their size: the events about them may still be on their way.
        """
        kept = "(SELECT value FROM json_each(?))"
        newest_first = "OVER (ORDER BY number DESC)"
        sizes = (
            f"SELECT number, row_number() {newest_first} AS age, sum(length(block)) {newest_first} AS total FROM blocks"
        )
        recent = f"age <= {int(expected)} OR age <= {RECENT} AND total <= {RECENT_BYTES}"
        newest = f"(SELECT number FROM ({sizes}) WHERE {recent})"
        return self._delete(f"cid NOT IN {kept} AND number NOT IN {newest}", to_json(sorted(keep)))

    def _delete(self, condition: str, value: str) -> int:
        with self._journal.transaction() as connection:
            return connection.execute(f"DELETE FROM blocks WHERE {condition}", (value,)).rowcount


def blocks_expected(peer: core.Peer) -> int:
    """How many blocks the unanswered requests of this peer create or fetch."""
    making = do.FetchModel | do.TrainSlice | PackRows | do.AverageModels | ForgeModel
    return sum(isinstance(action, making) for action in peer.outstanding())


def blocks_in_use(peer: core.Peer, initial_weights: Cid) -> set[Cid]:
    """The blocks that this peer works with, or would request after a replay of its journal."""
    status = peer.status()
    published = status.published.weights if status.published else None
    cids = {initial_weights} | {weights.cid for weights in (status.weights, published) if weights}
    cids |= set(status.row_blocks)
    cids |= {model.weights.cid for model in status.fetched}
    for action in peer.outstanding():
        match action:
            case do.FetchModel(cid=cid) | do.StoreModel(cid=cid) | do.ScoreModel(cid=cid) | do.TrainSlice(base_cid=cid):
                cids.add(cid)
            case do.AverageModels(base_cid=cid, remote=remote):
                cids |= {cid, remote.weights.cid}
            case ForgeModel(source=source, other=other):
                cids |= {cid for cid in (source and source.weights.cid, other) if cid}
            case _:
                pass
    return cids
