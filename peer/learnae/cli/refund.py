"""`learnae refund`."""

from dataclasses import replace

from learnae.cli.arguments import Run
from learnae.cli.output import say
from learnae.errors import InputError
from learnae.session.environment import KEY, RPC, external_chain_settings
from learnae.session.session_file import load


def refund(run: Run) -> int:
    """Recover the ETH that a session left in its wallets on an external chain, after a crash.

    Node and key are those that the environment names; the money returns to that key.
    """
    import asyncio

    from learnae.backends.external_chain.chain import ExternalChain
    from learnae.backends.external_chain.wallet_funding import take_back
    from learnae.backends.live_run import SESSION

    access = external_chain_settings()
    if access is None:
        raise InputError(f"set {RPC} and {KEY} as they were for that session")
    chain = ExternalChain.of(access, replace(load(run / SESSION), faults=()))
    return 0 if asyncio.run(take_back(chain, run, say)) else 1
