"""A run directory: the complete, reproducible record of one session on disk, and its seal."""

from learnae.adapters.run_directory.directory import (
    CHAIN,
    ENVIRONMENT,
    HISTORY,
    VERDICT,
    RunDirectory,
    environment_facts,
)

__all__ = ["CHAIN", "ENVIRONMENT", "HISTORY", "VERDICT", "RunDirectory", "environment_facts"]
