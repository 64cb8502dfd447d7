"""A live swarm in one process."""
