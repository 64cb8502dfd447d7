"""TOML that others wrote: absurd texts are errors, soon."""

import pytest

from learnae.messages.foreign_toml import MAX_PARTS, from_toml


def test_toml_is_parsed() -> None:
    assert from_toml('a.b = 1\nc = [0.5, 1.5]\n[d]\ne = "x.y"') == {"a": {"b": 1}, "c": [0.5, 1.5], "d": {"e": "x.y"}}
    assert from_toml("a = [-9223372036854775808, 0x7fffffffffffffff]") == {"a": [-(1 << 63), (1 << 63) - 1]}
    assert from_toml(f'about = "{"two words. " * 1000}"\nlist = [{"0.5, " * 1000}]')


@pytest.mark.parametrize(
    "text",
    [
        "a = ",
        "a = " + "[" * 100_000,
        "a = " + "{a = " * 20_000,
        "a = " + "9" * 10_000,
        "a = [{b = 0x" + "f" * 10_000 + "}]",
        "a = 9223372036854775808",
        "[" + "a." * 100_000 + "a]",
        ".".join(["a"] * (MAX_PARTS + 1)) + " = 1",
        ' . \t"a"' * 200_000,
        "a" * 1_000_000,
    ],
)
def test_absurd_toml_is_an_error(text: str) -> None:
    with pytest.raises(ValueError):
        from_toml(text)
