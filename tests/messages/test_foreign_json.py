"""The parser of foreign JSON: it accepts what Python's parser accepts, and refuses what could end the process."""

import json
import re
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from learnae.messages import foreign_json
from learnae.messages.foreign_json import MAX_DEPTH, check_nesting, from_json

PEER = Path(foreign_json.__file__).parents[1]


def nested(depth: int) -> str:
    return "[" * depth + "]" * depth


def test_the_limit_of_the_nesting_is_exact() -> None:
    assert from_json(nested(MAX_DEPTH)) and from_json(f"[{nested(MAX_DEPTH - 1)}, {nested(MAX_DEPTH - 1)}]")
    for text in (nested(MAX_DEPTH + 1), f'[{nested(MAX_DEPTH)}, "]"]', '{"a":' * 40_000 + "1" + "}" * 40_000):
        for foreign in (text, text.encode()):
            with pytest.raises(ValueError, match="levels deep"):
                from_json(foreign)


@pytest.mark.parametrize(
    "prefix", ['"\\""', '"\\\\"', '"[]]]]]"', '"\u225b\u005d"', '{"a": "}"}', f"[{'1, [], ' * 9_000}1]"]
)
def test_strings_and_wide_arrays_neither_hide_nor_add_nesting(prefix: str) -> None:
    wide = f"[{prefix}, {', '.join(['[[]]'] * MAX_DEPTH)}]"
    assert from_json(wide) == from_json(wide.encode()) == json.loads(wide)
    for hidden in (f"[{prefix}, {nested(100_000)}]", f'{{"a": {prefix}, "b": {"[" * 100_000}'):
        with pytest.raises(ValueError, match="levels deep"):
            from_json(hidden)


@pytest.mark.parametrize("half", [r"\ud800", r"\uDFFF", r"\ude00\ud83d"])
def test_half_of_a_surrogate_pair_is_refused_wherever_it_stands(half: str) -> None:
    assert from_json(r'"\\ud800 \ud83d\ude00"') == r"\ud800 " + "\U0001f600"
    for text in (f'"{half}"', f'[{{"{half}": 1}}]', rf'{{"\ud83d\ude00": ["a{half}"]}}'):
        with pytest.raises(ValueError, match="surrogate"):
            from_json(text)


values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | st.text(),
    lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner),
    max_leaves=30,
)


@given(values, st.booleans())
def test_any_json_is_read_as_python_reads_it(value: Any, ascii: bool) -> None:
    text = json.dumps([value] * 70, ensure_ascii=ascii)
    assert from_json(text) == json.loads(text)


@pytest.mark.parametrize(
    "text", [b'"\xff"', nested(9).encode("utf-16"), "", "NaN", "[1,]", '"' * 99, "[" + '"\\"' * 99]
)
def test_what_is_not_json_is_a_value_error(text: str | bytes) -> None:
    with pytest.raises(ValueError):
        from_json(text)


def test_a_text_above_its_size_is_not_parsed() -> None:
    assert from_json("[]", 2) == []
    with pytest.raises(ValueError, match="more than 2 characters"):
        from_json("[ ]", 2)


def test_a_megabyte_of_unfinished_strings_takes_a_moment() -> None:
    """A pattern that tries again at every quote would take hours."""
    check_nesting('"' + '[\\"' * 350_000)
    check_nesting('"' + "[\\" * 500_000)


def test_no_module_parses_json_by_itself() -> None:
    """``json.loads`` of a text that came from outside can end the process: ``from_json`` checks it first."""
    own = {"memory_chain/chain.py", "evm/dpoid.py", "evm/fee_pool.py", "kubo/process.py", "runs/sweep.py"}  # of its own
    modules = {
        f"{path.parent.name}/{path.name}"
        for path in PEER.rglob("*.py")
        if re.search(r"json\.loads?\(", path.read_text())
    }
    assert modules <= own
