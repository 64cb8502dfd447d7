"""Random inputs: values of a JSON Schema and near it, and damaged copies of files that are in order."""

import json
import random
import re
from collections.abc import Callable, Mapping
from typing import Any

# Values that break a program which expects something else.
WILD: tuple[Any, ...] = (
    None, True, 0, -1, 1, 1.5, -0.0, 1e308, 1e-320, 2**31, 2**63, 2**64, 10**400, 10**5000, "", " ", "x" * 3000, "\0",
    "é", "\n", "../../x", "/dev/zero", "1e9", "nan", [], {}, [[]], [[[[[[]]]]]], [0] * 1000, {"": 0}, {"a": {"a": {}}},
    float("nan"), float("inf"),
)  # fmt: skip
# Pieces of text that mean something in TOML, JSON, CSV or an address.
TOKENS: tuple[bytes, ...] = (
    b"", b"\0", b"\xff", b"\xed\xa0\x80", b"\xef\xbb\xbf", b"\xff\xfe", b"\r", b"\n", b"\r\n\r\n", b'"', b"'",
    b'"""', b"[", b"]",
    b"[[", b"]]", b"{", b"}", b"=", b",", b";", b"|", b"\t", b"#", b".", b"-", b"nan", b"inf", b"-1", b"1e999", b"0x",
    b"9" * 5000, b"0x" + b"f" * 5000, b"[" * 200, b"{a=" * 200, b"[a." * 100 + b"a]", b'{"a":' * 100,
    b"true", b"null", b"1979-05-27",
    b"peers = 1000000000\n", b"[groups]\n", b"[[faults]]\n", b"[data]\n", b"\\ud800", b"\\u0000", b"\x1b[2J", b"p00",
    b"../../x", b"/dev/zero", b"kind", b"t", b"swarm", b"1.5", b"0", b"1", b"12", "ſ".encode(), "٣".encode(),
)  # fmt: skip


def damaged(dice: random.Random, data: bytes) -> bytes:
    """The data with one to four changes."""
    for _ in range(dice.choice((1, 1, 1, 2, 4))):
        data = dice.choice(CHANGES)(dice, data)
    return data


def _flip(dice: random.Random, data: bytes) -> bytes:
    changed = bytearray(data or b"x")
    for _ in range(dice.randint(1, 4)):
        changed[dice.randrange(len(changed))] = dice.randrange(256)
    return bytes(changed)


def _digit(dice: random.Random, data: bytes) -> bytes:
    """Another number in place of one."""
    numbers = list(re.finditer(rb"\d+", data[:100_000]))
    if not numbers:
        return data
    at = dice.choice(numbers)
    number = dice.choice(
        (b"0", b"-1", b"1", b"7", b"1e9", b"1000000000", b"1e308", b"nan", b"9" * 400, b"9" * 5000, b'"7"', b"[]")
    )
    return data[: at.start()] + number + data[at.end() :]


def _token(dice: random.Random, data: bytes) -> bytes:
    at = dice.randint(0, len(data))
    return data[:at] + dice.choice(TOKENS) + data[at + dice.choice((0, 0, 1, 5)) :]


def _cut(dice: random.Random, data: bytes) -> bytes:
    begin, end = sorted(dice.randint(0, len(data)) for _ in range(2))
    return data[:begin] + data[end:]


def _truncate(dice: random.Random, data: bytes) -> bytes:
    return data[: dice.randint(0, len(data))]


def _repeat(dice: random.Random, data: bytes) -> bytes:
    begin, end = sorted(dice.randint(0, len(data)) for _ in range(2))
    return data[:end] + data[begin:end][:10_000] * dice.choice((1, 1, 20)) + data[end:]


def _line(dice: random.Random, data: bytes) -> bytes:
    """A line left out, twice, or elsewhere."""
    lines = data.splitlines(keepends=True) or [b"\n"]
    at, to = dice.randrange(len(lines)), dice.randrange(len(lines))
    line = lines[at] if dice.random() < 0.5 else lines.pop(at)
    if dice.random() < 0.7:
        lines.insert(to, line)
    return b"".join(lines)


def _encoding(dice: random.Random, data: bytes) -> bytes:
    return data.decode("latin-1").encode(dice.choice(("utf-16", "utf-8-sig", "utf-32", "utf-8")))


def _typed(dice: random.Random, data: bytes) -> bytes:
    """One value of a JSON text, or of a line of it, of another type; or one more, or one less."""
    lines = data.splitlines(keepends=True)
    if not lines:
        return data
    at = dice.randrange(len(lines)) if lines[0].rstrip().endswith(b"}") and len(lines) > 1 else None
    try:
        body = json.loads(data if at is None else lines[at])
        _change_one(dice, body)
        text = json.dumps(body).encode()
    except (ValueError, RecursionError):
        return data
    if at is None:
        return text
    return b"".join([*lines[:at], text + b"\n", *lines[at + 1 :]])


def _change_one(dice: random.Random, body: Any) -> None:
    while isinstance(body, dict | list) and body:
        key: Any = dice.choice(list(body)) if isinstance(body, dict) else dice.randrange(len(body))
        inner = body[key]
        if isinstance(inner, dict | list) and inner and dice.random() < 0.7:
            body = inner
            continue
        if dice.random() < 0.2:
            del body[key]
        else:
            value = dice.choice(WILD)
            body[key] = value if not isinstance(value, int) or value < 10**4000 else 10**400
        return


def _unchanged(dice: random.Random, data: bytes) -> bytes:
    return data


CHANGES: tuple[Callable[[random.Random, bytes], bytes], ...] = (
    _flip, _digit, _digit, _token, _token, _cut, _truncate, _repeat, _line, _encoding, _typed, _typed,
    _unchanged,
)  # fmt: skip


def table_of(dice: random.Random, schema: Mapping[str, Any], wild: float = 0.05) -> dict[str, Any]:
    """A table that a JSON Schema describes, apart from a share of ``wild`` values and keys."""
    value = _value(dice, schema, schema, wild)
    return value if isinstance(value, dict) else {}


def _value(dice: random.Random, part: Mapping[str, Any], root: Mapping[str, Any], wild: float) -> Any:
    if dice.random() < wild:
        return dice.choice(WILD)
    if "$ref" in part:
        return _value(dice, root["$defs"][part["$ref"].rpartition("/")[2]], root, wild)
    if options := part.get("anyOf") or part.get("allOf"):
        return _value(dice, dice.choice(options), root, wild)
    if "const" in part or "enum" in part:
        return dice.choice(part.get("enum") or [part["const"]])
    match part.get("type"):
        case "object":
            names = [
                name for name in part.get("properties", {}) if dice.random() < 0.15 or name in part.get("required", ())
            ]
            table = {name: _value(dice, part["properties"][name], root, wild) for name in names}
            if dice.random() < wild:
                table[dice.choice(("", "peeers", "a.b", "é", "kind"))] = dice.choice(WILD)
            return table
        case "array":
            count = dice.choice((0, 1, 1, 2, 3))
            return [_value(dice, part.get("items", {}), root, wild) for _ in range(count)]
        case "integer":
            low, high = int(part.get("minimum", -5)), int(part.get("maximum", 10**6))
            return dice.choice(
                (low, min(high, low + 1), min(high, low + 3), high, dice.randint(low, min(high, low + 50)))
            )
        case "number":
            least, most = float(part.get("minimum", part.get("exclusiveMinimum", 0))), float(part.get("maximum", 1e6))
            return dice.choice((least, most, dice.uniform(least, min(most, least + 2)), dice.uniform(least, most)))
        case "boolean":
            return dice.random() < 0.5
        case "null":
            return None
    return dice.choice(("a", "p00", "p01", "0.5", "x.csv", "", "é", "one", "half"))


def toml(table: Mapping[str, Any]) -> bytes:
    """A TOML file, valid or not: whatever is in the table."""
    return "".join(f"{json.dumps(key)} = {_inline(value)}\n" for key, value in table.items()).encode()


def _inline(value: Any) -> str:
    match value:
        case dict():
            return "{" + ", ".join(f"{json.dumps(key)} = {_inline(inner)}" for key, inner in value.items()) + "}"
        case list():
            return f"[{', '.join(map(_inline, value))}]"
        case bool() | None:
            return json.dumps(value)
        case int():
            return str(value) if abs(value) < 10**4000 else "1" + "0" * 5000
    return json.dumps(value) if isinstance(value, str) else repr(value)
