"""Which requests a node may receive from a peer.  Pure.

What is passed on is written anew from what was checked, so that the node cannot read a request in another way.
"""

import json
from http import HTTPStatus
from typing import Any

from learnae.bounded_http import InvalidRequest
from learnae.messages.foreign_json import from_json

# The methods that peers use (adapters/evm/rpc.py), and the number of their parameters.  A node may accept more of them,
# such as an altered state for eth_call.
SEND = "eth_sendRawTransaction"
METHODS = {
    "eth_call": 2,
    "eth_chainId": 0,
    "eth_getBalance": 2,
    "eth_getBlockByNumber": 2,
    "eth_getCode": 2,
    "eth_getTransactionCount": 2,
    "eth_getTransactionReceipt": 1,
    "eth_maxPriorityFeePerGas": 0,
    SEND: 1,
}
MAX_TRANSACTION = 3 << 10  # characters; the largest of a peer deploys DPoID.sol and has about 1,300
MAX_CALL_GAS = 200_000  # a call costs the caller nothing, but the node processor time
CALL_FIELDS = {"from", "to", "data", "gas"}
NOT_FOUND, INVALID = -32601, -32602  # codes of JSON-RPC


class RefusedCall(Exception):
    """A request that is answered with an error of JSON-RPC: its id, a code and a sentence."""

    def __init__(self, id: int | str | None, code: int, why: str) -> None:
        super().__init__(why)
        self.answer: dict[str, Any] = {"jsonrpc": "2.0", "id": id, "error": {"code": code, "message": why}}


def checked(body: bytes) -> tuple[str, bytes]:
    """The method, and the request to pass on.  Raises RefusedCall; InvalidRequest if this is no single request."""
    try:
        request = from_json(body)
    except ValueError:
        raise InvalidRequest(HTTPStatus.BAD_REQUEST, "this is not JSON") from None
    if not isinstance(request, dict):
        raise InvalidRequest(HTTPStatus.BAD_REQUEST, "send one JSON-RPC request; batches are not accepted")
    id, method, params = request.get("id"), request.get("method"), request.get("params", [])
    if not (id is None or type(id) is int or isinstance(id, str)):
        raise InvalidRequest(HTTPStatus.BAD_REQUEST, "the id must be a number or a string")
    if not isinstance(method, str) or method not in METHODS:
        name = repr(method)[:80]
        raise RefusedCall(id, NOT_FOUND, f"the method {name} is not passed on to the chain of a swarm")
    if not isinstance(params, list) or len(params) > METHODS[method]:
        raise RefusedCall(id, INVALID, f"{method} takes at most {METHODS[method]} parameters here")
    if method == "eth_call" and not _is_cheap(params):
        raise RefusedCall(id, INVALID, f"eth_call takes {', '.join(sorted(CALL_FIELDS))}; gas up to {MAX_CALL_GAS}")
    if method == SEND and len(str(params)) > MAX_TRANSACTION:
        raise RefusedCall(id, INVALID, f"a transaction has at most {MAX_TRANSACTION} characters here")
    passed = {"jsonrpc": "2.0", "id": id, "method": method, "params": params}
    return method, json.dumps(passed, separators=(",", ":")).encode()  # no longer than it came


def _is_cheap(params: list[Any]) -> bool:
    call = params[0] if params else None
    try:
        return isinstance(call, dict) and call.keys() <= CALL_FIELDS and int(call["gas"], 16) <= MAX_CALL_GAS
    except (LookupError, TypeError, ValueError):
        return False
