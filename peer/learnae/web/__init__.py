"""HTTP API of a peer, live page and report."""
