"""Parses a request for a state of the links, strictly.  Pure.

{"lease": 30, "from": {"10.213.7.12": {"loss": 1}, "10.213.7.13": {"bandwidth": 20000}}}
"""

from collections.abc import Callable
from http import HTTPStatus
from ipaddress import IPv4Address
from math import isfinite
from typing import Any

from learnae.bounded_http import InvalidRequest
from learnae.messages.foreign_json import from_json
from learnae.session.faults import (
    CUT,
    MAX_BANDWIDTH,
    MAX_DELAY,
    MIN_BANDWIDTH,
    MIN_DELAY,
    MIN_LOSS,
    Link,
)

MAX_LEASE = 3600.0  # s
EFFECTS = ("loss", "delay", "bandwidth")


def parse_request(body: bytes, protected: Callable[[str], bool]) -> tuple[dict[str, Link], float]:
    """Links by the address that packets come from, and the lease in s.  Raises InvalidRequest.

    ``protected``: whether an address must not be cut: the agent's own, or one that controls it.
    """
    try:
        request = from_json(body)
    except ValueError:
        raise _bad_request("this is not JSON") from None
    if not isinstance(request, dict) or request.keys() != {"lease", "from"} or not isinstance(request["from"], dict):
        raise _bad_request('give a lease and from: {"lease": 30, "from": {"10.213.7.12": {"loss": 1}}}')
    lease = _number("lease", request["lease"])
    if not 0 < lease <= MAX_LEASE:
        raise _bad_request(f"lease: above 0 s and up to {MAX_LEASE:g}; send the request again to renew it")
    links = {_address(address, protected): _link(address, effects) for address, effects in request["from"].items()}
    return {address: link for address, link in links.items() if link != Link()}, lease


def _address(text: str, protected: Callable[[str], bool]) -> str:
    try:
        address = IPv4Address(text)
    except ValueError:
        raise _bad_request(f"{text!r} is not the IPv4 address of a pod") from None
    if address.is_unspecified or address.is_multicast or address == IPv4Address("255.255.255.255"):
        raise _bad_request(f"{text} is not the address of one pod")
    if address.is_loopback or protected(text):
        raise _bad_request(f"{text} belongs to this agent or controls it: it is never cut")
    return text


def _link(address: str, effects: Any) -> Link:
    if not isinstance(effects, dict) or not effects.keys() <= set(EFFECTS):
        raise _bad_request(f"{address}: give only {', '.join(EFFECTS)}")
    link = Link(**{key: _number(f"{address}: {key}", value) for key, value in effects.items()})
    if link.loss and not MIN_LOSS <= link.loss <= 1:
        raise _bad_request(f"{address}: loss is a probability from {MIN_LOSS:g} to 1, or 0")
    if link.bandwidth and not MIN_BANDWIDTH <= link.bandwidth <= MAX_BANDWIDTH:
        raise _bad_request(
            f"{address}: bandwidth is from {MIN_BANDWIDTH:g} to {MAX_BANDWIDTH:g} bytes/s, or 0 for no limit"
        )
    if link.delay and not MIN_DELAY <= link.delay <= MAX_DELAY:
        raise _bad_request(f"{address}: delay is from {MIN_DELAY:g} to {MAX_DELAY:.0f} s, or 0 for none")
    return CUT if link.loss == 1 else link


def _number(name: str, value: Any) -> float:
    if isinstance(value, bool) or not isinstance(value, int | float) or not isfinite(value):
        raise _bad_request(f"{name}: give a number")
    return float(value)


def _bad_request(why: str) -> InvalidRequest:
    return InvalidRequest(HTTPStatus.BAD_REQUEST, why)
