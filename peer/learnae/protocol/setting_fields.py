"""Fields of settings: what a program should know about each (description, unit, range), as pydantic reads it."""

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any, TypeVar

from learnae.plugins import BUILT_IN, Kind

T = TypeVar("T")

DAY = 86_400.0  # s


def setting(default: T, description: str, unit: str = "", **limits: Any) -> T:
    """A field with a default.  ``limits``: ge, gt, le, lt, min_length, max_length, pattern."""
    return field(default=default, metadata=about(description, unit, **limits))


def about(description: str, unit: str = "", plugins: Kind | None = None, **limits: Any) -> dict[str, Any]:
    """Metadata of a field.  ``plugins``: a text names one of this kind.  ``form``: what ``pattern`` means, in words."""
    extra: dict[str, Any] = {"unit": unit} if unit else {}
    if form := limits.pop("form", ""):
        extra["patternErrorMessage"] = form
    if plugins:
        extra |= {"plugins": plugins.value, "examples": list(BUILT_IN[plugins])}
    return {"description": description, **limits, **({"json_schema_extra": extra} if extra else {})}


@dataclass(frozen=True, slots=True)
class Between:
    """The range of each element of a tuple, for pydantic."""

    ge: int
    le: int

    def __get_pydantic_core_schema__(self, source: Any, handler: Callable[[Any], dict[str, Any]]) -> dict[str, Any]:
        return {**handler(source), "ge": self.ge, "le": self.le}


NETWORK_FORM = "an IPv4 network such as 10.0.0.0/24"
OCTET = r"(25[0-5]|2[0-4][0-9]|1[0-9][0-9]|[1-9]?[0-9])"
NETWORK = rf"^{OCTET}(\.{OCTET}){{3}}/(3[0-2]|[12]?[0-9])$"


@dataclass(frozen=True, slots=True)
class Networks:
    """The form of each element of a tuple of IPv4 networks, for pydantic."""

    pattern: str = NETWORK
    json_schema_extra: dict[str, str] = field(default_factory=lambda: {"patternErrorMessage": NETWORK_FORM})

    def __get_pydantic_core_schema__(self, source: Any, handler: Callable[[Any], dict[str, Any]]) -> dict[str, Any]:
        return {**handler(source), "pattern": self.pattern}


def address(description: str) -> str | None:
    """An address of Ethereum, or none."""
    form = "an Ethereum address: 0x and 40 hexadecimal digits"
    return setting(None, description, pattern=r"^0x[0-9a-fA-F]{40}$", form=form)


def seconds(default: float, description: str) -> float:
    """A time from 0 to a day."""
    return setting(default, description, "s", ge=0, le=DAY)


def period(default: float, description: str) -> float:
    """A time of at least a millisecond: what repeats, or must not be 0."""
    return setting(default, description, "s", ge=0.001, le=DAY)
