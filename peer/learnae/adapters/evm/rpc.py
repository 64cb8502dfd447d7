"""One Ethereum node: each question has a deadline, each answer is checked, each failure is a ``PortError``.

Nothing a node answers is believed to have the right form.  Addresses and hashes are lower-case text from here on.

Questions go through web3's provider and request manager, not through its method for each: those translate every field
of every answer, which doubles what it costs a peer to follow the chain.
"""

import asyncio
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, Literal, TypeVar
from urllib.parse import urlsplit

from aiohttp import ClientError, ClientSession
from eth_abi.exceptions import DecodingError
from eth_utils.exceptions import ValidationError
from hexbytes import HexBytes
from web3 import AsyncHTTPProvider, AsyncWeb3
from web3.exceptions import RequestTimedOut, Web3Exception, Web3RPCError
from web3.providers.async_base import AsyncBaseProvider
from web3.types import RPCEndpoint

from learnae.errors import InputError, PortError, Reason
from learnae.protocol.types import Address, TxHash, Wei

T = TypeVar("T")

SEND = RPCEndpoint("eth_sendRawTransaction")
TIMEOUT = 10.0  # s for one question
SAID = 500  # characters of a node's own words
CALL_GAS = 100_000  # for a function of a contract that a stranger deployed
NOBODY = Address("0x" + "00" * 20)


class NotFound(Exception):
    """The node answers that there is no such thing."""


# What happened, and why the request failed.  The first row that fits counts.
FAILURES: tuple[tuple[tuple[type[Exception], ...], Reason], ...] = (
    ((TimeoutError, RequestTimedOut), Reason.TIMEOUT),
    ((ClientError, OSError), Reason.UNREACHABLE),  # HTTP 429 and 5xx, too: nothing is known
    ((NotFound,), Reason.NOT_FOUND),
    (
        (Web3Exception, ValidationError, DecodingError),
        Reason.INVALID_RESPONSE,
    ),  # the last: what a contract reverted with
    ((ValueError, TypeError, LookupError, AttributeError, ArithmeticError, RecursionError), Reason.INVALID_RESPONSE),
)
# What a node that refuses a transaction says, in lower case.  None: it has that transaction, or a better one.
REFUSALS: tuple[tuple[str, Reason | None], ...] = (
    ("already known", None),
    ("already imported", None),
    ("already exists", None),
    ("known transaction", None),
    ("nonce too low", None),  # this or another form of it is mined: receipts tell which
    ("replacement transaction underpriced", None),  # a later form of it was here first
    ("insufficient funds", Reason.FUNDS),
    ("insufficient balance", Reason.FUNDS),
)


def natural(value: object) -> int:
    """Of a quantity: 0x and hexadecimal digits, or, from a node in this process, a number."""
    number = int(value, 16) if isinstance(value, str) and value.startswith("0x") else value
    if type(number) is not int or number < 0:
        raise ValueError("not a natural number")
    return number


def data(value: object) -> bytes:
    if not isinstance(value, str | bytes):
        raise ValueError("no data")
    return bytes(HexBytes(value))


def fixed(value: object, size: int) -> str:
    """0x and the lower-case hexadecimal digits of ``size`` bytes."""
    found = data(value)
    if len(found) != size:
        raise ValueError(f"not {size} bytes")
    return "0x" + found.hex()


@dataclass(frozen=True, slots=True)
class Header:
    """A block.  ``transactions``: only if they were asked for."""

    number: int
    hash: str
    parent: str
    timestamp: int
    base_fee: Wei
    miner: Address
    transactions: tuple[Mapping[str, Any], ...]

    @staticmethod
    def read(block: Mapping[str, Any] | None) -> "Header":
        if block is None:
            raise NotFound
        return Header(
            natural(block["number"]),
            fixed(block["hash"], 32),
            fixed(block["parentHash"], 32),
            natural(block["timestamp"]),
            Wei(natural(block.get("baseFeePerGas", 0))),  # genesis blocks may have none
            Address(fixed(block["miner"], 20)),
            tuple(each for each in block["transactions"] if isinstance(each, Mapping)),
        )


@dataclass(frozen=True, slots=True)
class Mined:
    """A receipt.  ``contract``: what the transaction created, if it succeeded."""

    hash: TxHash
    block: int
    index: int
    succeeded: bool
    contract: Address | None
    gas_used: int
    gas_price: Wei

    @staticmethod
    def read(receipt: Mapping[str, Any] | None) -> "Mined":
        if receipt is None:
            raise NotFound
        succeeded = natural(receipt["status"]) == 1
        created = receipt["contractAddress"] if succeeded else None
        return Mined(
            TxHash(fixed(receipt["transactionHash"], 32)),
            natural(receipt["blockNumber"]),
            natural(receipt["transactionIndex"]),
            succeeded,
            Address(fixed(created, 20)) if created else None,
            natural(receipt["gasUsed"]),
            Wei(natural(receipt["effectiveGasPrice"])),
        )


class Node:
    """``provider``: any of web3's asynchronous ones.  Several wallets may share a node; all are of one event loop."""

    def __init__(self, provider: AsyncBaseProvider, chain_id: int, timeout: float = TIMEOUT) -> None:
        provider.global_ccip_read_enabled = False  # or a stranger's contract could make us fetch any URL
        self.chain_id = chain_id
        self._provider, self._timeout = provider, timeout
        self._web3: AsyncWeb3[Any] = AsyncWeb3(provider, middleware=[])
        self._session: ClientSession | None = None
        self._agreed = False

    async def connect(self) -> None:
        """The first question does this by itself.  Raises PortError, and InputError if it is another chain."""
        if isinstance(self._provider, AsyncHTTPProvider) and self._session is None:
            self._session = ClientSession(raise_for_status=True)  # web3's own would open a connection a question
            await self._provider.cache_async_session(self._session)
        found = await self._translated("eth_chainId", (), natural)
        if found != self.chain_id:
            raise InputError(
                f"the Ethereum node is on chain {found} and the session on chain {self.chain_id}: "
                "give the RPC URL of a node on that chain, or change chain.id in the session"
            )
        self._agreed = True

    async def close(self) -> None:
        if self._session is not None:
            await self._session.close()
            self._session, self._agreed = None, False

    # questions

    async def newest(self) -> Header:
        return await self._ask("eth_getBlockByNumber", ("latest", False), Header.read)

    async def block(self, number: int, full: bool = False) -> Header:
        """Raises PortError: NOT_FOUND above the newest.  ``full``: with its transactions."""
        return await self._ask("eth_getBlockByNumber", (hex(number), full), Header.read)

    async def mined(self, hash: TxHash) -> Mined | None:
        """None: it is in no block."""
        try:
            found = await self._ask("eth_getTransactionReceipt", (hash,), Mined.read)
        except PortError as error:
            if error.reason is Reason.NOT_FOUND:
                return None
            raise
        if found.hash != hash.lower():
            raise PortError(Reason.INVALID_RESPONSE, "the receipt of another transaction")
        return found

    async def nonce(self, wallet: Address, block: int | Literal["pending"]) -> int:
        """How many of its transactions were mined up to that block; pending: and wait to be."""
        until = block if isinstance(block, str) else hex(block)
        return await self._ask("eth_getTransactionCount", (wallet, until), natural)

    async def tip(self) -> Wei:
        """Wei per gas that it advises to give to who makes the block."""
        return Wei(await self._ask("eth_maxPriorityFeePerGas", (), natural))

    async def balance(self, wallet: Address, block: int | None = None) -> Wei:
        until = "latest" if block is None else hex(block)
        return Wei(await self._ask("eth_getBalance", (wallet, until), natural))

    async def code(self, contract: Address) -> bytes:
        return await self._ask("eth_getCode", (contract, "latest"), data)

    async def call(self, contract: Address, selector: bytes) -> bytes:
        """What a function without arguments returns.  Raises PortError: NONSENSE if it reverts."""
        asked = {"from": NOBODY, "to": contract, "data": "0x" + selector.hex(), "gas": hex(CALL_GAS)}
        return await self._ask("eth_call", (asked, "latest"), data)

    async def send(self, raw: str) -> None:
        """Raises PortError if the node will not have it and has no better.  A second time is no error."""
        try:
            await self._ask(SEND, (raw,), lambda _: None)
        except PortError as error:
            said = str(error).lower()
            reason = next((reason for text, reason in REFUSALS if text in said), error.reason)
            if reason is not None:
                raise PortError(reason, str(error)) from None

    # in here

    async def _ask(self, method: str, params: tuple[object, ...], read: Callable[[Any], T]) -> T:
        if not self._agreed:
            await self.connect()
        return await self._translated(method, params, read)

    async def _translated(self, method: str, params: tuple[object, ...], read: Callable[[Any], T]) -> T:
        try:
            async with asyncio.timeout(self._timeout):
                return read(await self._web3.manager.coro_request(RPCEndpoint(method), params))
        except tuple(kind for kinds, _ in FAILURES for kind in kinds) as error:
            reason = next(reason for kinds, reason in FAILURES if isinstance(error, kinds))
            said = str(error)[:SAID] if isinstance(error, Web3RPCError) else type(error).__name__
            failure = PortError(reason, f"Ethereum node: {said}")
        raise failure  # not chained: what aiohttp says names the URL, and URLs hold keys


def http_node(url: str, chain_id: int, timeout: float = TIMEOUT) -> Node:
    parts = urlsplit(url)
    if parts.scheme not in ("http", "https") or not parts.netloc:
        raise InputError("the Ethereum RPC URL must begin with http:// or https:// and name a host")
    once = {"allow_redirects": False}
    return Node(AsyncHTTPProvider(url, once, exception_retry_configuration=None), chain_id, timeout)
