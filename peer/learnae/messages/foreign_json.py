"""Parses JSON that another program, node or person wrote.  Pure.

Python's parser calls itself once per level of nesting.  Libraries raise its recursion limit so far that a deeply nested
text ends the process instead of raising an error.  Therefore size and nesting are checked before the text is parsed.
"""

import json
from itertools import accumulate
from typing import Any

MAX_DEPTH = 64  # nested arrays and objects
MAX_SIZE = 64 << 20  # characters
CHUNK = 1 << 12  # brackets between two checks
BRACKETS = b"[]{}"
NO_MARKS = bytes(set(range(256)) - set(BRACKETS + b'"'))
STEPS = {ord(bracket): step for bracket, step in zip("[{]}", (1, 1, -1, -1), strict=True)}


def _no_constant(name: str) -> None:
    raise ValueError(f"{name} is not a number")


_decode = json.JSONDecoder(parse_constant=_no_constant).decode


def from_json(text: str | bytes, max_size: int = MAX_SIZE) -> Any:
    """Parse a JSON text; bytes are UTF-8.

    Raises ValueError: not JSON, too large, too deeply nested, NaN, or half of a surrogate pair, which no file can hold.
    """
    if len(text) > max_size:
        raise ValueError(f"more than {max_size} characters of JSON")
    if isinstance(text, bytes):
        text = text.decode("utf-8-sig")
    check_nesting(text)
    content = _decode(text)
    if "\\u" in text:
        try:
            json.dumps(content, ensure_ascii=False).encode()
        except UnicodeEncodeError:
            raise ValueError("half of a surrogate pair") from None
    return content


def check_nesting(text: str | bytes) -> None:
    """Raises ValueError if the nesting exceeds ``MAX_DEPTH``.  Bytes are in an encoding that contains ASCII."""
    encoded = text if isinstance(text, bytes) else text.encode("utf-8", "surrogatepass")
    if encoded.count(b"[") + encoded.count(b"{") <= MAX_DEPTH:
        return
    without_escapes = encoded.replace(b"\\\\", b"").replace(b'\\"', b"")
    # every second part is inside a string; two quotes in a row change nothing for the rest
    parts = without_escapes.translate(None, NO_MARKS).replace(b'""', b"").split(b'"')
    brackets = b"".join(parts[::2])
    depth = 0
    for start in range(0, len(brackets), CHUNK):
        *depths, depth = accumulate(map(STEPS.__getitem__, brackets[start : start + CHUNK]), initial=depth)
        if max(depth, *depths) > MAX_DEPTH:
            raise ValueError(f"JSON is nested more than {MAX_DEPTH} levels deep")
