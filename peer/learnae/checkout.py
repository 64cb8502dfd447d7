"""The source checkout that this package runs from, unless it is an installed wheel.

Only a checkout has Docker's files (`docker-compose.yml`, `peer/Dockerfile`) and the tools that `make tools` brings.
"""

from pathlib import Path

REPOSITORY = Path(__file__).parents[2]


def in_checkout() -> bool:
    """Whether this package runs from a checkout."""
    return (REPOSITORY / "docker-compose.yml").is_file()
