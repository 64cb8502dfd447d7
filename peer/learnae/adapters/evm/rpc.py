"""One Ethereum node: each request has a deadline, each answer is checked, each failure is a ``PortError``.

No answer is trusted to have the right format.  Parsed addresses and hashes are lower-case text.

Requests are JSON-RPC over HTTP without web3: its import takes 0.7 s of processor time, and it converts every field of
every answer.
"""

import asyncio
import json
from binascii import unhexlify
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from itertools import count
from typing import Any, Literal, Protocol, TypeVar
from urllib.parse import urlsplit

from aiohttp import ClientConnectionError, ClientError, ClientSession, TCPConnector

from learnae.errors import InputError, PortError, Reason
from learnae.messages.foreign_json import from_json
from learnae.protocol.types import Address, TxHash, Wei

T = TypeVar("T")

SEND = "eth_sendRawTransaction"
TIMEOUT = 10.0  # s per request
MAX_ANSWER = 16 << 20  # bytes
MAX_CONNECTIONS = 16  # at once; the filter of a swarm accepts no more of one address
MAX_ERROR_TEXT = 500  # characters of a node's error
CALL_GAS = 200_000  # for a function of an untrusted contract, or the state of a fee pool with 32 members
ZERO_ADDRESS = Address("0x" + "00" * 20)


class NotFound(Exception):
    """The node does not have the requested object."""


class RpcError(Exception):
    """The node's error, as text."""


class Provider(Protocol):
    """A way to a node."""

    async def make_request(self, method: str, params: Any) -> Any:
        """The JSON-RPC answer, with ``result`` or ``error``; it may have any format."""
        ...


# Exceptions and the reason they stand for; the first match applies.
FAILURES: tuple[tuple[tuple[type[Exception], ...], Reason], ...] = (
    ((TimeoutError,), Reason.TIMEOUT),
    ((ClientError, OSError), Reason.UNREACHABLE),  # includes HTTP 429 and 5xx: the outcome is unknown
    ((NotFound,), Reason.NOT_FOUND),
    (
        (RpcError, ValueError, TypeError, LookupError, AttributeError, ArithmeticError, RecursionError),
        Reason.INVALID_RESPONSE,
    ),
)
# Errors of nodes that refuse a transaction, in lower case.  None: the node has that transaction or a later attempt.
REFUSALS: tuple[tuple[str, Reason | None], ...] = (
    ("already known", None),
    ("already imported", None),
    ("already exists", None),
    ("known transaction", None),
    ("nonce too low", None),  # this or another attempt is mined: receipts show which
    ("replacement transaction underpriced", None),  # a later attempt arrived first
    ("insufficient funds", Reason.FUNDS),
    ("insufficient balance", Reason.FUNDS),
)


def parse_quantity(value: object) -> int:
    """A quantity: 0x and hexadecimal digits, or a number from a node in this process."""
    number = int(value, 16) if isinstance(value, str) and value.startswith("0x") else value
    if type(number) is not int or number < 0:
        raise ValueError("not a non-negative integer")
    return number


def parse_bytes(value: object) -> bytes:
    if not isinstance(value, str | bytes):
        raise ValueError("not bytes")
    return unhexlify(value.removeprefix("0x")) if isinstance(value, str) else value


def parse_hex(value: object, size: int) -> str:
    """0x and the lower-case hexadecimal digits of ``size`` bytes."""
    binary = parse_bytes(value)
    if len(binary) != size:
        raise ValueError(f"not {size} bytes")
    return "0x" + binary.hex()


@dataclass(frozen=True, slots=True)
class BlockHeader:
    """A block.  ``transactions``: empty unless they were requested."""

    number: int
    hash: str
    parent: str
    timestamp: int
    base_fee: Wei
    miner: Address
    transactions: tuple[Mapping[str, Any], ...]

    @staticmethod
    def parse(block: Mapping[str, Any] | None) -> "BlockHeader":
        if block is None:
            raise NotFound
        return BlockHeader(
            parse_quantity(block["number"]),
            parse_hex(block["hash"], 32),
            parse_hex(block["parentHash"], 32),
            parse_quantity(block["timestamp"]),
            Wei(parse_quantity(block.get("baseFeePerGas", 0))),  # genesis blocks may have none
            Address(parse_hex(block["miner"], 20)),
            tuple(item for item in block["transactions"] if isinstance(item, Mapping)),
        )


@dataclass(frozen=True, slots=True)
class MinedTransaction:
    """A receipt.  ``contract``: created by the transaction, if it succeeded."""

    hash: TxHash
    sender: Address
    block: int
    index: int
    succeeded: bool
    contract: Address | None
    gas_used: int
    gas_price: Wei

    @staticmethod
    def parse(receipt: Mapping[str, Any] | None) -> "MinedTransaction":
        if receipt is None:
            raise NotFound
        succeeded = parse_quantity(receipt["status"]) == 1
        created = receipt["contractAddress"] if succeeded else None
        return MinedTransaction(
            TxHash(parse_hex(receipt["transactionHash"], 32)),
            Address(parse_hex(receipt["from"], 20)),
            parse_quantity(receipt["blockNumber"]),
            parse_quantity(receipt["transactionIndex"]),
            succeeded,
            Address(parse_hex(created, 20)) if created else None,
            parse_quantity(receipt["gasUsed"]),
            Wei(parse_quantity(receipt["effectiveGasPrice"])),
        )


class Node:
    """Several wallets in one event loop may share a node."""

    def __init__(self, provider: Provider, chain_id: int, timeout: float = TIMEOUT) -> None:
        self.chain_id = chain_id
        self._provider, self._timeout = provider, timeout
        self._chain_checked = False

    async def connect(self) -> None:
        """Called by the first request.  Raises PortError, and InputError if the node is on another chain."""
        chain_id = await self._request_unchecked("eth_chainId", (), parse_quantity)
        if chain_id != self.chain_id:
            raise InputError(
                f"the Ethereum node is on chain {chain_id} and the session on chain {self.chain_id}: "
                "give the RPC URL of a node on that chain, or change chain.id in the session"
            )
        self._chain_checked = True

    async def close(self) -> None:
        if isinstance(self._provider, HttpProvider):
            await self._provider.close()
        self._chain_checked = False

    # requests

    async def newest_block(self) -> BlockHeader:
        return await self._request("eth_getBlockByNumber", ("latest", False), BlockHeader.parse)

    async def block(self, number: int, full: bool = False) -> BlockHeader:
        """A block by number; ``full``: with its transactions.  Raises PortError: NOT_FOUND above the newest."""
        return await self._request("eth_getBlockByNumber", (hex(number), full), BlockHeader.parse)

    async def receipt(self, hash: TxHash) -> MinedTransaction | None:
        """The receipt of a transaction; None if it is in no block."""
        try:
            receipt = await self._request("eth_getTransactionReceipt", (hash,), MinedTransaction.parse)
        except PortError as error:
            if error.reason is Reason.NOT_FOUND:
                return None
            raise
        if receipt.hash != hash.lower():
            raise PortError(Reason.INVALID_RESPONSE, "the receipt of another transaction")
        return receipt

    async def nonce(self, wallet: Address, block: int | Literal["pending"]) -> int:
        """The number of its transactions mined up to that block; pending: including waiting ones."""
        until = block if isinstance(block, str) else hex(block)
        return await self._request("eth_getTransactionCount", (wallet, until), parse_quantity)

    async def suggested_tip(self) -> Wei:
        """Wei per gas that the node suggests for the block producer."""
        return Wei(await self._request("eth_maxPriorityFeePerGas", (), parse_quantity))

    async def balance(self, wallet: Address, block: int | None = None) -> Wei:
        until = "latest" if block is None else hex(block)
        return Wei(await self._request("eth_getBalance", (wallet, until), parse_quantity))

    async def code(self, contract: Address) -> bytes:
        return await self._request("eth_getCode", (contract, "latest"), parse_bytes)

    async def call(self, contract: Address, selector: bytes) -> bytes:
        """Call a function without arguments.  Raises PortError: INVALID_RESPONSE if it reverts."""
        transaction = {"from": ZERO_ADDRESS, "to": contract, "data": "0x" + selector.hex(), "gas": hex(CALL_GAS)}
        return await self._request("eth_call", (transaction, "latest"), parse_bytes)

    async def send(self, raw: str) -> None:
        """Send a transaction.  Raises PortError if the node refuses it, unless it has it or a later attempt already."""
        try:
            await self._request(SEND, (raw,), lambda _: None)
        except PortError as error:
            message = str(error).lower()
            reason = next((reason for text, reason in REFUSALS if text in message), error.reason)
            if reason is not None:
                raise PortError(reason, str(error)) from None

    # private

    async def _request(self, method: str, params: tuple[object, ...], parse: Callable[[Any], T]) -> T:
        if not self._chain_checked:
            await self.connect()
        return await self._request_unchecked(method, params, parse)

    async def _request_unchecked(self, method: str, params: tuple[object, ...], parse: Callable[[Any], T]) -> T:
        try:
            async with asyncio.timeout(self._timeout):
                return parse(_result(await self._provider.make_request(method, params)))
        except tuple(kind for kinds, _ in FAILURES for kind in kinds) as error:
            reason = next(reason for kinds, reason in FAILURES if isinstance(error, kinds))
            text = str(error)[:MAX_ERROR_TEXT] if isinstance(error, RpcError) else type(error).__name__
            failure = PortError(reason, f"Ethereum node: {text}")
        raise failure  # not chained: errors of aiohttp contain the URL, and URLs contain keys


def _result(answer: Any) -> Any:
    """Raises RpcError; KeyError, TypeError, AttributeError: not an answer."""
    error = answer.get("error")
    if error is not None:
        raise RpcError(str(error["message"] if isinstance(error, Mapping) and "message" in error else error))
    return answer["result"]


class HttpProvider:
    """A node by its URL."""

    def __init__(self, url: str) -> None:
        self._url, self._numbers = url, count()
        self._session: ClientSession | None = None

    async def make_request(self, method: str, params: Any) -> Any:
        request = {"jsonrpc": "2.0", "id": next(self._numbers), "method": method, "params": params}
        body = json.dumps(request).encode()
        try:
            return await self._post(body)
        except ClientConnectionError:  # the node may have closed a connection that was kept; no request does harm twice
            return await self._post(body)

    async def _post(self, body: bytes) -> Any:
        if self._session is None:
            self._session = ClientSession(connector=TCPConnector(limit=MAX_CONNECTIONS), raise_for_status=True)
        headers, answer = {"Content-Type": "application/json"}, bytearray()
        async with self._session.post(self._url, data=body, headers=headers, allow_redirects=False) as response:
            async for chunk in response.content.iter_any():  # decompressed
                answer += chunk
                if len(answer) > MAX_ANSWER:
                    raise ValueError(f"more than {MAX_ANSWER} bytes")
        return from_json(bytes(answer), MAX_ANSWER)

    async def close(self) -> None:
        if self._session is not None:
            await self._session.close()
            self._session = None


def http_node(url: str, chain_id: int, timeout: float = TIMEOUT) -> Node:
    parts = urlsplit(url)
    if parts.scheme not in ("http", "https") or not parts.netloc:
        raise InputError("the Ethereum RPC URL must start with http:// or https:// and contain a host")
    return Node(HttpProvider(url), chain_id, timeout)
