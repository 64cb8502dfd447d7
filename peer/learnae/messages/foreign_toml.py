"""Parses TOML that another person or program wrote.  Pure.

Python's parser calls itself once per level of nesting, and its time grows with the square of the parts of a dotted key.
It also reads integers beyond the 64 bits of TOML, in hexadecimal so large ones that Python refuses to print them.
"""

import re
import tomllib
from typing import Any

MAX_PARTS = 64  # of a dotted key
LONG_KEY = re.compile(rf"""(?<![\w"'-])(?:[\w"'-]+[ \t]*\.[ \t]*){{{MAX_PARTS}}}""")


def from_toml(text: str) -> dict[str, Any]:
    """Parse a TOML text.  Raises ValueError: not TOML, too deeply nested, or an integer of more than 64 bits."""
    if LONG_KEY.search(text):
        raise ValueError(f"a key with more than {MAX_PARTS} parts")
    try:
        table = tomllib.loads(text)
    except RecursionError:
        raise ValueError("too deeply nested") from None
    parts: list[Any] = [table]
    while parts:
        part = parts.pop()
        if isinstance(part, int) and not -(1 << 63) <= part < 1 << 63:
            raise ValueError("an integer of more than 64 bits")
        if isinstance(part, dict | list):
            parts += part.values() if isinstance(part, dict) else part
    return table
