"""Parses TOML that another person or program wrote.  Pure.

Python's parser calls itself once per level of nesting, and its time grows with the square of the parts of a dotted key.
"""

import re
import tomllib
from typing import Any

MAX_PARTS = 64  # of a dotted key
LONG_KEY = re.compile(rf"""(?<![\w"'-])(?:[\w"'-]+[ \t]*\.[ \t]*){{{MAX_PARTS}}}""")


def from_toml(text: str) -> dict[str, Any]:
    """Parse a TOML text.  Raises ValueError: not TOML, or too deeply nested."""
    if LONG_KEY.search(text):
        raise ValueError(f"a key with more than {MAX_PARTS} parts")
    try:
        return tomllib.loads(text)
    except RecursionError:
        raise ValueError("too deeply nested") from None
