"""What a request wants of a link: JSON, read strictly.  Pure.

{"lease": 30, "from": {"10.213.7.12": {"loss": 1}, "10.213.7.13": {"bandwidth": 20000}}}
"""

import json
from collections.abc import Callable
from http import HTTPStatus
from ipaddress import IPv4Address
from math import isfinite
from typing import Any

from learnae.session.faults import (
    CUT,
    MAX_BANDWIDTH,
    MAX_DELAY,
    MIN_BANDWIDTH,
    MIN_DELAY,
    MIN_LOSS,
    Link,
)

LONGEST_LEASE = 3600.0  # s
EFFECTS = ("loss", "delay", "bandwidth")


class InvalidRequest(Exception):
    """A request that is not carried out: an HTTP status and a sentence."""

    def __init__(self, status: HTTPStatus, why: str) -> None:
        super().__init__(why)
        self.status, self.why = status, why


def read(body: bytes, protected: Callable[[str], bool]) -> tuple[dict[str, Link], float]:
    """Links by the address that packets come from, and the lease in s.  Raises Refused.

    ``protected``: addresses that are never cut: the agent's own, and those of whoever controls it.
    """
    try:
        told = json.loads(body)
    except ValueError:
        raise _bad("this is not JSON") from None
    if not isinstance(told, dict) or told.keys() != {"lease", "from"} or not isinstance(told["from"], dict):
        raise _bad('give a lease and from: {"lease": 30, "from": {"10.213.7.12": {"loss": 1}}}')
    lease = _number("lease", told["lease"])
    if not 0 < lease <= LONGEST_LEASE:
        raise _bad(f"lease: above 0 s, at most {LONGEST_LEASE:g}; renew it by asking again")
    links = {_address(address, protected): _link(address, effects) for address, effects in told["from"].items()}
    return {address: link for address, link in links.items() if link != Link()}, lease


def _address(given: str, protected: Callable[[str], bool]) -> str:
    try:
        address = IPv4Address(given)
    except ValueError:
        raise _bad(f"{given!r} is no IPv4 address of a pod") from None
    if address.is_unspecified or address.is_multicast or address == IPv4Address("255.255.255.255"):
        raise _bad(f"{given} is not the address of one pod")
    if address.is_loopback or protected(given):
        raise _bad(f"{given} is this agent's own or one that controls it: it is never cut")
    return given


def _link(address: str, effects: Any) -> Link:
    if not isinstance(effects, dict) or not effects.keys() <= set(EFFECTS):
        raise _bad(f"{address}: give any of {', '.join(EFFECTS)}, and nothing else")
    link = Link(**{key: _number(f"{address}: {key}", value) for key, value in effects.items()})
    if link.loss and not MIN_LOSS <= link.loss <= 1:
        raise _bad(f"{address}: loss is a probability, {MIN_LOSS:g} to 1, or 0")
    if link.bandwidth and not MIN_BANDWIDTH <= link.bandwidth <= MAX_BANDWIDTH:
        raise _bad(f"{address}: bandwidth is {MIN_BANDWIDTH:g} to {MAX_BANDWIDTH:g} bytes/s, or 0 for no limit")
    if link.delay and not MIN_DELAY <= link.delay <= MAX_DELAY:
        raise _bad(f"{address}: delay is {MIN_DELAY:g} to {MAX_DELAY:.0f} s, or 0 for none")
    return CUT if link.loss == 1 else link


def _number(name: str, value: Any) -> float:
    if isinstance(value, bool) or not isinstance(value, int | float) or not isfinite(value):
        raise _bad(f"{name}: give a number")
    return float(value)


def _bad(why: str) -> InvalidRequest:
    return InvalidRequest(HTTPStatus.BAD_REQUEST, why)
