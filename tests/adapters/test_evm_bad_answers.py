"""Whatever a node answers, or does not, is a PortError in time: never another exception, never a wait without end."""

import asyncio
import gzip
import json
import sys
import tracemalloc
from collections.abc import Callable, Coroutine, Iterator
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from tests.adapters.chains import CID, FINNEY
from tests.adapters.evms import CHAIN_ID, WALLETS, evm_chain

from learnae.adapters.evm import EvmChain, Node, export, export_since, http_node
from learnae.adapters.evm.tester import RECURSION
from learnae.adapters.memory import keys
from learnae.errors import InputError, PortError, Reason
from learnae.protocol.blockchain import Head, Signed
from learnae.protocol.types import Address, Claim, Poid, TxHash
from learnae.records.chain_export import StartingBalances

PATIENCE = 0.3  # s
LONG = 30.0  # s, where an answer comes
PAYEE, CONTRACT = WALLETS[1].address, Address("0x" + "99" * 20)
HASH = TxHash("0x" + "77" * 32)
POID = Poid(keys("1")[0], PAYEE)
SIGNED = Signed(0, "0x02", HASH, HASH)
CALLS: dict[str, Callable[[EvmChain], Coroutine[Any, Any, object]]] = {
    "sign_deploy": lambda chain: chain.sign_deploy(POID, 0, 1),
    "sign_pay": lambda chain: chain.sign_pay(PAYEE, FINNEY, (CID,), 0, 1),
    "sign_transfer": lambda chain: chain.sign_transfer(PAYEE, FINNEY, 0, 1),
    "sign_sweep": lambda chain: chain.sign_sweep(PAYEE, 0, 1),
    "broadcast": lambda chain: chain.broadcast(SIGNED),
    "receipt": lambda chain: chain.receipt(HASH),
    "head": lambda chain: chain.head(),
    "read_claim": lambda chain: chain.read_claim(Claim(POID, CONTRACT, HASH, "", "")),
    "balance": lambda chain: chain.balance(PAYEE),
    "contains": lambda chain: chain.contains(Head("0x", 3, "0x", 0)),
    "export": lambda chain: export(chain.node, [PAYEE]),
    "export_since": lambda chain: export_since(chain.node, StartingBalances(4, HASH, {PAYEE: FINNEY})),
}

words = st.binary(min_size=32, max_size=32).map(lambda raw: "0x" + raw.hex())
addresses = st.binary(min_size=20, max_size=20).map(lambda raw: "0x" + raw.hex())
numbers = st.integers(0, 2**70).map(hex)
scalars = (
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=20)
    | numbers | words | addresses | st.binary(max_size=70).map(lambda raw: "0x" + raw.hex())
)  # fmt: skip
FIELDS = (
    "number hash parentHash timestamp baseFeePerGas miner transactions transactionHash blockNumber blockHash status "
    "contractAddress gasUsed effectiveGasPrice transactionIndex from to nonce value input code message data"
).split()
anything = st.recursive(
    scalars,
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(st.sampled_from(FIELDS), inner, max_size=len(FIELDS))
        | st.fixed_dictionaries({field: inner for field in FIELDS})
    ),
    max_leaves=40,
)
block = {
    "number": "0x5", "hash": HASH, "parentHash": HASH, "timestamp": "0x5", "baseFeePerGas": "0x5",
    "miner": PAYEE, "transactions": [],
}  # fmt: skip
nearly_blocks = st.fixed_dictionaries({field: scalars | st.just(right) for field, right in block.items()})


@pytest.fixture(autouse=True)
def no_deep_recursion() -> Iterator[None]:
    """As in a process that has only met py-evm through a Tester."""
    before = sys.getrecursionlimit()
    sys.setrecursionlimit(RECURSION)
    yield
    sys.setrecursionlimit(before)


class Oracle:
    """Knows which chain it is on, and answers everything else with the same."""

    def __init__(self, answer: dict[str, Any]) -> None:
        self.answer = answer

    async def make_request(self, method: str, params: Any) -> Any:
        said = {"result": hex(CHAIN_ID)} if method == "eth_chainId" else self.answer
        return {"jsonrpc": "2.0", "id": 1, **said}


class Refuser(Oracle):
    """Has a genesis block, too."""

    async def make_request(self, method: str, params: Any) -> Any:
        if method == "eth_getBlockByNumber":
            return {"jsonrpc": "2.0", "id": 1, "result": block}
        return await super().make_request(method, params)


@pytest.mark.parametrize("call", CALLS)
@settings(deadline=None, max_examples=60)
@given(answer=st.fixed_dictionaries({"result": anything | nearly_blocks}) | st.fixed_dictionaries({"error": anything}))
def test_any_answer_is_an_answer_or_a_port_error(call: str, answer: dict[str, Any]) -> None:
    chain = evm_chain(Node(Oracle(answer), CHAIN_ID), WALLETS[0])
    try:
        asyncio.run(CALLS[call](chain))
    except PortError as error:
        assert error.reason in (Reason.INVALID_RESPONSE, Reason.NOT_FOUND, Reason.FUNDS, Reason.TIMEOUT, Reason.CHAIN)


def http(status: str, body: bytes, more: str = "") -> bytes:
    return f"HTTP/1.1 {status}\r\nContent-Length: {len(body)}\r\n{more}\r\n".encode() + body


def result(value: object) -> bytes:
    return http("200 OK", json.dumps({"jsonrpc": "2.0", "id": 1, "result": value}).encode())


CHAIN = result(hex(CHAIN_ID))
RAW: dict[str, tuple[bytes, Reason]] = {
    "empty": (http("200 OK", b""), Reason.INVALID_RESPONSE),
    "page": (http("200 OK", b"<html>captive portal</html>"), Reason.INVALID_RESPONSE),
    "no object": (http("200 OK", b"[1, 2]"), Reason.INVALID_RESPONSE),
    "null": (http("200 OK", b"null"), Reason.INVALID_RESPONSE),
    "no result": (http("200 OK", b"{}"), Reason.INVALID_RESPONSE),
    "no text": (http("200 OK", b"\xff\xfe\x00"), Reason.INVALID_RESPONSE),
    "too deep": (http("200 OK", b"[" * 100_000), Reason.INVALID_RESPONSE),
    "another chain's number": (http("200 OK", b'{"jsonrpc":"2.0","id":1,"result":"x"}'), Reason.INVALID_RESPONSE),
    "overloaded": (http("503 Service Unavailable", b"later"), Reason.UNREACHABLE),
    "too many requests": (http("429 Too Many Requests", b"{}"), Reason.UNREACHABLE),
    "forbidden": (http("403 Forbidden", b"{}"), Reason.UNREACHABLE),
    "redirected": (http("302 Found", b"", "Location: http://127.0.0.1:9/\r\n"), Reason.INVALID_RESPONSE),
    "hung up": (b"", Reason.UNREACHABLE),
    "no HTTP": (b"220 mail.example ESMTP\r\n", Reason.UNREACHABLE),
    "broken off": (http("200 OK", b"{}").replace(b"Content-Length: 2", b"Content-Length: 99"), Reason.UNREACHABLE),
}


class Server:
    """On loopback, with a secret in its URL.  ``answers`` in turn, the last again and again; None is silence."""

    def __init__(self, *answers: bytes | None) -> None:
        self._answers = list(answers)
        self._connections: list[asyncio.StreamWriter] = []

    async def __aenter__(self) -> Node:
        self._server = await asyncio.start_server(self._serve, "127.0.0.1")
        port = self._server.sockets[0].getsockname()[1]
        timeout = PATIENCE if None in self._answers else LONG
        self._node = http_node(f"http://127.0.0.1:{port}/v3/SECRET", CHAIN_ID, timeout=timeout)
        return self._node

    async def __aexit__(self, *_: object) -> None:
        await self._node.close()
        self._server.close()
        for each in self._connections:
            each.close()
            await asyncio.gather(each.wait_closed(), return_exceptions=True)

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self._connections.append(writer)
        try:
            while head := await reader.readuntil(b"\r\n\r\n"):
                length = next(line for line in head.lower().split(b"\r\n") if line.startswith(b"content-length"))
                await reader.readexactly(int(length.split(b":")[1]))
                answer = self._answers.pop(0) if len(self._answers) > 1 else self._answers[0]
                if answer is not None:
                    writer.write(answer)
                    if answer == b"" or b"Content-Length: 99" in answer or not answer.startswith(b"HTTP"):
                        return writer.close()
        except (asyncio.IncompleteReadError, ConnectionError):
            writer.close()


def failure(*answers: bytes | None, call: str = "head") -> PortError:
    async def ask() -> PortError:
        async with Server(*answers) as node:
            with pytest.raises(PortError) as caught:
                await CALLS[call](evm_chain(node, WALLETS[0]))
            return caught.value

    return asyncio.run(ask())


@pytest.mark.parametrize("what", RAW)
def test_what_is_no_answer_is_a_reason(what: str) -> None:
    raw, reason = RAW[what]
    assert failure(raw).reason is reason
    if what != "another chain's number":
        assert failure(CHAIN, raw).reason is reason


def test_no_more_of_an_answer_is_read_than_its_limit(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys.modules["learnae.adapters.evm.rpc"], "MAX_ANSWER", 1 << 20)
    body = result("0x" + "00" * (16 << 20)).partition(b"\r\n\r\n")[2]
    assert failure(CHAIN, http("200 OK", body[: 2 << 20])).reason is Reason.INVALID_RESPONSE
    answer = http("200 OK", gzip.compress(body, 1), "Content-Encoding: gzip\r\n")
    tracemalloc.start()
    try:
        assert failure(CHAIN, answer).reason is Reason.INVALID_RESPONSE
        assert tracemalloc.get_traced_memory()[1] < 8 << 20
    finally:
        tracemalloc.stop()


@pytest.fixture(autouse=True)
def short_waits(monkeypatch: pytest.MonkeyPatch) -> None:
    """Retries of an export are milliseconds apart, instead of 15 s together."""
    monkeypatch.setattr(sys.modules["learnae.adapters.evm.export"], "RETRY_DELAYS", (0.01, 0.02))


@pytest.mark.parametrize("call", CALLS)
def test_silence_ends_after_a_while(call: str) -> None:
    assert failure(CHAIN, None, call=call).reason is Reason.TIMEOUT


@pytest.mark.parametrize("call", CALLS)
def test_where_nobody_listens_nothing_is_reached(call: str) -> None:
    async def ask() -> Reason:
        async with Server(None) as node:
            pass
        with pytest.raises(PortError) as caught:
            await CALLS[call](evm_chain(node, WALLETS[0]))
        await node.close()
        return caught.value.reason

    assert asyncio.run(ask()) is Reason.UNREACHABLE


@pytest.mark.parametrize("what", RAW)
def test_no_failure_tells_the_secret_in_the_url(what: str) -> None:
    error: BaseException | None = failure(RAW[what][0])
    while error:
        assert "SECRET" not in f"{error} {error!r}"
        error = error.__cause__


def test_another_chain_is_the_users_affair() -> None:
    async def ask() -> None:
        async with Server(result("0x1")) as node:
            await node.connect()

    with pytest.raises(InputError, match="chain 1 and the session on chain 31337"):
        asyncio.run(ask())


@pytest.mark.parametrize("url", ["", "localhost:8545", "ws://host", "http://", "file:///etc/passwd"])
def test_a_url_that_is_none_is_the_users_affair(url: str) -> None:
    with pytest.raises(InputError, match="http"):
        http_node(url, CHAIN_ID)


@pytest.mark.parametrize(
    "said", ["already known", "transaction already imported", "Nonce too low: 3", "known transaction: 7"]
)
def test_what_a_node_has_already_is_no_error(said: str) -> None:
    answer = {"error": {"code": -32000, "message": said}}
    asyncio.run(evm_chain(Node(Refuser(answer), CHAIN_ID), WALLETS[0]).broadcast(SIGNED))
