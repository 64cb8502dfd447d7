"""The sidecar of a pod: it holds the network namespace and applies faults to its links.

    python -m learnae.link_agent --listen 0.0.0.0:7000 --token-file FILE

The standard library alone, because there is one for every peer.
"""
