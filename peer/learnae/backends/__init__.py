"""Where a session runs: simulator, one process, or containers."""
