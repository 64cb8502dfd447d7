"""Keys of a live session in one process.

Ethereum keys are derived from the seed, so use them for nothing else.  IPFS keys are new in each session.
"""

import hashlib
from collections.abc import Mapping

from learnae.adapters.ipfs_keys import IpfsIdentity, create_identity
from learnae.adapters.keystore import Wallet
from learnae.session.roster import Keys, names
from learnae.session.settings import Session


def wallets(session: Session) -> dict[str, Wallet]:
    """By name of the peer."""
    seeds = {name: hashlib.sha256(f"wallet {session.seed} {name}".encode()).digest() for name in names(session.peers)}
    return {name: Wallet.from_key(seed) for name, seed in seeds.items()}


def identities(session: Session) -> dict[str, IpfsIdentity]:
    """New ones, by name of the peer.  They are kept nowhere: who could repeat them could sign a peer's journal."""
    return {name: create_identity() for name in names(session.peers)}


def public_ids(identities: Mapping[str, IpfsIdentity], wallets: Mapping[str, Wallet]) -> Keys:
    return lambda name: (identities[name].peer_id, wallets[name].address)
