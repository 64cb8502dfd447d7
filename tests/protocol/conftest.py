"""``pytest tests/protocol --rewrite`` writes the transcripts anew: review the diff, it is a change of behaviour."""

import pytest


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption("--rewrite", action="store_true", help="write tests/protocol/transcripts anew")
