"""A session on Docker Compose: a pod for every peer (its link, its Kubo node, itself) around one Anvil.

`plan` is what a swarm looks like, as data and as Compose files, and pure; `render` writes it down, with the keys and
the rows of each peer; `engine` and `containers` ask Docker; `session` runs one from its beginning to its run directory.
"""
