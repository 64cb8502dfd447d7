"""A session on Docker Compose: one pod per peer (link agent, Kubo node, peer) and one Anvil chain.

`plan` computes addresses, ports and Compose files, without side effects.  `render` writes them, with the keys and the
rows of each peer.  `engine` and `containers` use Docker.  `session` runs a swarm, `collect` fills its run directory.
"""
