"""A peer on another machine that joins a swarm on containers."""
