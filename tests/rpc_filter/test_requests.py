"""Which requests reach the chain of a swarm."""

import json
import re
from pathlib import Path

import pytest

from learnae.bounded_http import InvalidRequest
from learnae.rpc_filter.requests import CALL_FIELDS, MAX_CALL_GAS, METHODS, RefusedCall, checked

ADAPTERS = Path(__file__).parents[2] / "peer" / "learnae" / "adapters" / "evm"
ACCOUNT = "0x" + "ab" * 20
CALL = {"from": ACCOUNT, "to": ACCOUNT, "data": "0x", "gas": hex(MAX_CALL_GAS)}


def body(method: object, *params: object, **more: object) -> bytes:
    return json.dumps({"jsonrpc": "2.0", "id": 7, "method": method, "params": params} | more).encode()


def test_exactly_the_methods_that_peers_use_are_passed_on() -> None:
    used = set(re.findall(r'"(eth_\w+)"', (ADAPTERS / "rpc.py").read_text(encoding="utf-8")))
    assert used == set(METHODS)


def test_what_peers_ask_for_is_passed_on_as_it_was_asked() -> None:
    asked = body("eth_call", CALL, "latest")
    assert json.loads(checked(asked)[1]) == json.loads(asked)
    for method, parameters in METHODS.items():
        if method != "eth_call":
            asked = body(method, *["0x1"] * parameters)
            assert json.loads(checked(asked)[1]) == json.loads(asked)


@pytest.mark.parametrize(
    "method",
    [
        "anvil_setBalance",
        "anvil_impersonateAccount",
        "anvil_reset",
        "anvil_dumpState",
        "hardhat_setBalance",
        "hardhat_setCode",
        "evm_revert",
        "evm_mine",
        "evm_setTime",
        "debug_traceTransaction",
        "eth_accounts",
        "eth_sendTransaction",
        "eth_sign",
        "eth_sendUnsignedTransaction",
        "eth_newFilter",
        "eth_getLogs",
        "txpool_content",
        "personal_unlockAccount",
        "wallet_addEthereumChain",
        "ETH_CALL",
        "eth_call ",
        "anvil_setBalance\x00eth_call",
        "",
        None,
        7,
        ["eth_call"],
    ],
)
def test_every_other_method_is_refused_by_name(method: object) -> None:
    with pytest.raises(RefusedCall, match="is not passed on to the chain") as refused:
        checked(body(method, ACCOUNT, "0x1"))
    assert refused.value.answer["id"] == 7
    error = refused.value.answer["error"]
    assert error["code"] == -32601 and repr(method) in error["message"]


def test_of_two_methods_in_one_request_the_node_sees_the_one_that_was_checked() -> None:
    two = b'{"id":1,"method":"anvil_reset","method":"eth_chainId","params":[],"method2":1}'
    assert json.loads(checked(two)[1]) == {"jsonrpc": "2.0", "id": 1, "method": "eth_chainId", "params": []}
    assert b"anvil" not in checked(two)[1]
    with pytest.raises(RefusedCall):
        checked(b'{"method":"eth_chainId","method":"anvil_reset"}')


@pytest.mark.parametrize(
    ("method", "params"),
    [
        ("eth_call", [CALL, "latest", {ACCOUNT: {"balance": "0x1"}}]),  # an altered state
        ("eth_call", [CALL | {"gas": hex(MAX_CALL_GAS + 1)}, "latest"]),
        ("eth_call", [{key: CALL[key] for key in CALL_FIELDS - {"gas"}}, "latest"]),
        ("eth_call", [CALL | {"accessList": []}, "latest"]),
        ("eth_call", [CALL | {"gas": 1}, "latest"]),
        ("eth_call", [CALL | {"gas": "0x" + "f" * 10_000}, "latest"]),
        ("eth_call", []),
        ("eth_call", ["0x"]),
        ("eth_sendRawTransaction", ["0x" + "00" * 5000]),
        ("eth_getBalance", [ACCOUNT, "latest", "x"]),
        ("eth_chainId", [1]),
        ("eth_chainId", {"x": 1}),
    ],
)
def test_more_than_a_peer_asks_for_is_refused(method: str, params: object) -> None:
    with pytest.raises(RefusedCall) as refused:
        checked(json.dumps({"id": 1, "method": method, "params": params}).encode())
    assert refused.value.answer["error"]["code"] == -32602


@pytest.mark.parametrize(
    "nonsense",
    [
        b"",
        b"{",
        b"\xff",
        b"7",
        b"[" * 60_000,
        b"[" + body("eth_chainId") + b"]",  # a batch
        body("eth_chainId", id=1.5),
        body("eth_chainId", id=True),
        body("eth_chainId", id=[1]),
        b'{"id":NaN,"method":"eth_chainId"}',
    ],
)
def test_what_is_no_single_request_is_refused(nonsense: bytes) -> None:
    with pytest.raises(InvalidRequest):
        checked(nonsense)
