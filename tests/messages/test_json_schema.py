"""JSON Schemas of what the codec writes.  ``tests/analysis/test_schemas.py`` validates whole files."""

from dataclasses import dataclass
from decimal import Decimal
from enum import StrEnum
from typing import Any, Literal

import pytest

from learnae.messages.json_schema import schema_of
from learnae.protocol.types import Address, Score, Wei


class Colour(StrEnum):
    RED = "red"


@dataclass(frozen=True)
class Part:
    """A part.

    With ``more`` to say.
    """

    size: int


@dataclass(frozen=True)
class Other:
    pass


@dataclass(frozen=True)
class Whole:
    """All kinds of fields."""

    wei: Wei
    factor: Decimal
    score: Score
    colour: Colour
    place: Address
    maybe: float | None
    part: Part
    parts: tuple[Part, ...]
    choice: Part | Other
    named: dict[str, Wei]
    word: Literal["a", "b"]
    texts: str | tuple[str, ...]
    flag: bool


def test_each_kind_of_field_has_its_schema() -> None:
    properties: Any = schema_of(Whole)["properties"]
    assert properties["kind"] == {"const": "Whole"}
    assert properties["wei"]["type"] == properties["factor"]["type"] == "string"
    assert len(properties["score"]["prefixItems"]) == 2
    assert properties["colour"] == {"enum": ["red"]}
    assert properties["place"] == {"type": "string"}
    assert properties["maybe"] == {"anyOf": [{"type": "number"}, {"type": "null"}]}
    assert properties["part"]["properties"] == {"size": {"type": "integer"}}
    assert properties["parts"]["items"] == properties["part"]
    assert [option["title"] for option in properties["choice"]["oneOf"]] == ["Part", "Other"]
    assert properties["named"]["additionalProperties"] == properties["wei"]
    assert properties["word"] == {"enum": ["a", "b"]}
    assert properties["texts"]["anyOf"][1]["items"] == {"type": "string"}
    assert properties["flag"] == {"type": "boolean"}


def test_an_object_has_exactly_its_fields_and_its_description() -> None:
    schema = schema_of(Whole, {"t": {"type": "number"}})
    assert schema["required"] == ["t", "kind", *Whole.__dataclass_fields__]
    assert schema["additionalProperties"] is False
    assert schema_of(Part)["description"] == "A part. With more to say."


@pytest.mark.parametrize("kind", [Other])
def test_a_docstring_that_python_made_up_is_no_description(kind: type) -> None:
    assert "description" not in schema_of(kind)
