"""Whether the journals of a live run are those that its peers signed, and the peers those of the run's chain."""

from collections.abc import Callable, Iterator, Mapping

from learnae.ed25519 import verify_text
from learnae.messages.ids import public_key
from learnae.messages.journal_lines import journal_text
from learnae.protocol.decisions import IdentityChanged
from learnae.protocol.events import SessionClosed
from learnae.protocol.settings import PeerConfig
from learnae.records.chain_export import Block, ChainTransaction
from learnae.records.history import History
from learnae.runtime.history_from_journals import ReplayedJournal


def wrong_signatures(
    history: History, journals: Mapping[str, ReplayedJournal], notice: Callable[[str], None]
) -> Iterator[str]:
    """A sentence about each journal that is not the one that the owner of its identity signed.

    A peer that was killed or stopped has signed nothing: ``notice`` gets a sentence about all of them.
    """
    contracts = {tx.contract: tx for block in history.exports(Block) for tx in block.transactions if tx.contract}
    unsigned: list[str] = []
    for name, journal in journals.items():
        config, entries, _, signature = journal.contents
        if signature is not None:
            if not verify_text(config.peer, journal_text(name, config, entries), signature):
                yield f"the journal of {name} is not the one that {name} signed"
        elif entries and isinstance(entries[-1][0], SessionClosed):
            yield f"the journal of {name} is complete, but has no signature of {name}"
        else:
            unsigned.append(name)
        claimed = [record.fact.contract for record in journal.records if isinstance(record.fact, IdentityChanged)]
        if any(_is_of_another(contracts[contract], config) for contract in claimed if contract in contracts):
            yield f"{name} registered another identity on the chain than the one that its journal has"
    if unsigned:
        notice(f"Killed or stopped before the session ended, so their journals are not signed: {', '.join(unsigned)}.")


def _is_of_another(deployment: ChainTransaction, config: PeerConfig) -> bool:
    """Whether a contract does not name this peer's identity and wallet, the last two words of its creation."""
    try:
        words = public_key(config.claimed_peer) + int(config.payout, 16).to_bytes(32, "big")
    except (ValueError, OverflowError):  # a damaged journal
        return True
    return not deployment.data.lower().endswith(words.hex())
