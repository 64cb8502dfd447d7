"""Wallets of a session in one process: real Ethereum keys derived from the seed, so use them for nothing else."""

import hashlib
from collections.abc import Mapping

from learnae.adapters import memory
from learnae.adapters.keystore import Wallet
from learnae.session.roster import Keys, names
from learnae.session.settings import Session


def wallets(session: Session) -> dict[str, Wallet]:
    """By name of the peer."""
    seeds = {name: hashlib.sha256(f"wallet {session.seed} {name}".encode()).digest() for name in names(session.peers)}
    return {name: Wallet.from_key(seed) for name, seed in seeds.items()}


def wallet_keys(session: Session, wallets: Mapping[str, Wallet]) -> Keys:
    """The same peer ids as in the simulator, with these wallets."""
    return lambda name: (memory.keys(f"{session.seed} {name}")[0], wallets[name].address)
