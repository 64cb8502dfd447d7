"""A run directory: the complete, reproducible record of one session on disk, and its seal."""

from learnae.adapters.run_directory.directory import (
    CHAIN,
    ENVIRONMENT,
    HISTORY,
    VERDICT,
    Journal,
    RunDirectory,
    environment_facts,
    require_directory,
)
from learnae.adapters.run_directory.seal import is_running, wait_until_over

__all__ = [
    "CHAIN",
    "ENVIRONMENT",
    "HISTORY",
    "VERDICT",
    "Journal",
    "RunDirectory",
    "environment_facts",
    "is_running",
    "require_directory",
    "wait_until_over",
]
