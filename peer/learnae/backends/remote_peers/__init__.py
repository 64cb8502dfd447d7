"""A peer on another machine that joins a swarm of pods, and what the host of the swarm does for it."""
