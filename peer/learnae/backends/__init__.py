"""Where a session runs: simulator, one process, containers, or a cluster."""
