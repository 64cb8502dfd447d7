"""A live session's folder, from which every wei is worked out again after all nodes are gone.

session.toml  roster.json  journals/<name>.sqlite    what the peers left
chain.jsonl                                          what the Ethereum node said, exported while it was there
history.jsonl                                        made here, from the journals alone
"""

from pathlib import Path

from learnae.adapters.evm import export, http_node
from learnae.adapters.journal import recorded
from learnae.adapters.rundir import CHAIN, HISTORY
from learnae.config import Session, load, wei
from learnae.drivers.node import Roster
from learnae.drivers.retold import merged
from learnae.errors import InputError, PortError
from learnae.history import chain_line
from learnae.roster import Member

SESSION, ROSTER, JOURNALS = "session.toml", "roster.json", "journals"


def members(run: Path) -> tuple[Session, tuple[Member, ...]]:
    """Raises InputError."""
    session = load(run / SESSION)
    return session, Roster.read(run / ROSTER).members(session)


async def fetch_chain(run: Path, rpc: str) -> None:
    """Export the chain into the folder.  The roster's wallets began with what the session says.  Raises InputError."""
    session, everybody = members(run)
    alloc = {each.wallet: wei(session.chain.balance) for each in everybody}
    node = http_node(rpc, session.chain.id)
    try:
        chain = await export(node, alloc, alloc)
    except PortError as error:
        raise InputError(
            f"the Ethereum node could not be read ({error}): is it there, and has it all blocks?"
        ) from None
    finally:
        await node.close()
    (run / CHAIN).write_text("".join(chain_line(record) + "\n" for record in chain))


def retell(run: Path) -> None:
    """Write the history that the journals tell.  InputError: damaged; ReplayMismatch: told by another core."""
    session, everybody = members(run)
    files = {each.name: run / JOURNALS / f"{each.name}.sqlite" for each in everybody}
    told = {name: recorded(path) for name, path in files.items() if path.is_file()}
    (run / HISTORY).write_text("".join(record.line() + "\n" for record in merged(session, everybody, told)))
