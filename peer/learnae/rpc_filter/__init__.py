"""The sidecar that stands between a swarm and its chain, and passes only the requests that a peer needs.

    python -m learnae.rpc_filter --listen 0.0.0.0:8545 --node 127.0.0.1:8546

Anvil's other methods create money and sign for any account.  It needs only the standard library.
"""
