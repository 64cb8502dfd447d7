"""HTTP servers: the API of one peer, the pages and API of a swarm, and uploads from remote peers."""
