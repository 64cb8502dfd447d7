"""A chain that is not ours: what is refused before anything starts, and the way of the money there and back."""

import asyncio
import secrets
import socket
import tomllib
from collections.abc import Iterator
from dataclasses import replace
from decimal import Decimal
from pathlib import Path

import pytest
from tests.helpers.command_line import here, refused
from tests.stack.foreign_chain import CHAIN_ID, SECRET, ForeignAnvil

from learnae.adapters import keystore
from learnae.adapters.evm import export_since
from learnae.adapters.keystore import Wallet
from learnae.backends.external_chain.chain import RECENT, ExternalChain
from learnae.backends.external_chain.wallet_funding import WALLETS, Funding, lend, take_back
from learnae.backends.live_run import write_chain
from learnae.errors import InputError
from learnae.protocol.types import ETHER, Wei
from learnae.records.chain_export import Balances, Block, ChainRecord, Genesis
from learnae.session.environment import ExternalChainSettings, external_chain_settings
from learnae.session.session_file import parse
from learnae.session.settings import Session

HEX = "5e" * 32
SMALL = f"""
peers = 2
[chain]
id = {CHAIN_ID}
balance = "0.01"
poll = 0.2
"""


@pytest.fixture(scope="module")
def anvil() -> Iterator[ForeignAnvil]:
    with ForeignAnvil("127.0.0.1") as chain:
        yield chain


def session(**changes: object) -> Session:
    return parse(tomllib.loads(SMALL) | changes)


def chain_of(anvil: ForeignAnvil, wei: int = ETHER, cap: str = "0.1", **changes: object) -> ExternalChain:
    """With a new key that has so much.  Made by hand: on loopback ``of`` would refuse."""
    chain = ExternalChain(
        ExternalChainSettings(anvil.url, "", Decimal(cap)), session(**changes), Wallet.from_key(secrets.token_bytes(32))
    )
    anvil.fund(chain.wallet, Wei(wei))
    return chain


def said_no(chain: ExternalChain) -> str:
    with pytest.raises(InputError) as refusal:
        asyncio.run(chain.fitted(lambda line: None))
    assert SECRET not in str(refusal.value)
    return str(refusal.value)


# the environment


def told(patch: pytest.MonkeyPatch, **values: str) -> ExternalChainSettings | None:
    for name in ("RPC", "KEY", "CAP"):
        patch.setenv(f"LEARNAE_{name}", values.get(name, ""))
    return external_chain_settings()


def test_nothing_said_is_a_chain_of_our_own(monkeypatch: pytest.MonkeyPatch) -> None:
    assert told(monkeypatch) is None and told(monkeypatch, CAP="3") is None


def test_the_url_and_the_key_are_shown_nowhere(monkeypatch: pytest.MonkeyPatch) -> None:
    found = told(monkeypatch, RPC=f"https://user:{SECRET}@node.example/v3/{SECRET}", KEY=HEX)
    assert found and (found.host, found.cap) == ("node.example", Decimal("0.1"))
    made = ExternalChain.of(found, session())
    assert not any(each in repr(made) for each in (SECRET, HEX))


@pytest.mark.parametrize(
    ("values", "sentence"),
    [
        ({"RPC": "http://x"}, "belong together"),
        ({"KEY": HEX}, "belong together"),
        ({"RPC": "ws://x", "KEY": HEX}, "http://"),
        ({"RPC": "http://", "KEY": HEX}, "name a host"),
        ({"RPC": "http://[x", "KEY": HEX}, "name a host"),
        ({"RPC": "http://x:123456", "KEY": HEX}, "name a host"),
        ({"RPC": "http://x", "KEY": HEX, "CAP": "much"}, "amount of ETH"),
        ({"RPC": "http://x", "KEY": HEX, "CAP": "-1"}, "amount of ETH"),
        ({"RPC": "http://x", "KEY": HEX, "CAP": "nan"}, "amount of ETH"),
    ],
)
def test_half_of_an_environment_is_refused(
    values: dict[str, str], sentence: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    with pytest.raises(InputError, match=sentence):
        told(monkeypatch, **values)


@pytest.mark.parametrize("backend", ["embedded", "sim"])
def test_no_other_backend_runs_on_it(backend: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    told(monkeypatch, RPC="http://node.example", KEY=HEX)
    (tmp_path / "session.toml").write_text(SMALL)
    refused(here(tmp_path, "swarm", tmp_path / "session.toml", "--backend", backend), "--backend compose", backend)


def test_no_simulated_scenario_runs_on_it(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    told(monkeypatch, RPC="http://node.example", KEY=HEX)
    refused(here(tmp_path, "chaos", "run", "split-half", "--backend", "sim"), "--backend compose", "the sim backend")


# the key


@pytest.mark.parametrize("key", [HEX[:-1], "0x" + "0" * 64, "nowhere", HEX + "00"])
def test_what_is_no_key_is_refused_and_not_quoted(key: str) -> None:
    with pytest.raises(InputError, match="neither a private key") as refusal:
        ExternalChain.of(ExternalChainSettings("http://node.example", key, Decimal(1)), session())
    assert key not in str(refusal.value)


def test_a_file_with_a_key_must_be_its_owners_alone(tmp_path: Path) -> None:
    bare, ours = tmp_path / "bare", tmp_path / "wallet.json"
    bare.write_text(f"0x{HEX}\n")
    bare.chmod(0o644)
    with pytest.raises(InputError, match="chmod 600"):
        keystore.resolve_wallet(str(bare))
    bare.chmod(0o600)
    made = keystore.create_wallet(ours)
    assert (
        keystore.resolve_wallet(str(bare)) == keystore.resolve_wallet(HEX)
        and keystore.resolve_wallet(str(ours)) == made
    )


def test_nothing_is_done_to_a_chain_that_is_not_ours() -> None:
    stopped = session(faults=[{"kind": "chain-stop", "at": 5.0, "duration": 2.0}])
    with pytest.raises(InputError, match="cannot be stopped"):
        ExternalChain.of(ExternalChainSettings("http://node.example", HEX, Decimal(1)), stopped)


@pytest.mark.parametrize("host", ["127.0.0.1", "localhost", "[::1]", "127.9.9.9"])
def test_loopback_is_refused_because_a_container_has_its_own(host: str) -> None:
    with pytest.raises(InputError, match="loopback"):
        ExternalChain.of(ExternalChainSettings(f"http://{host}:8545", HEX, Decimal(1)), session())


# the node and the money


@pytest.mark.real
def test_a_node_that_does_not_answer_is_named_by_its_host_alone(anvil: ForeignAnvil) -> None:
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        dead = ExternalChainSettings(f"http://127.0.0.1:{free.getsockname()[1]}/v3/{SECRET}", "", Decimal(1))
        sentence = said_no(replace(chain_of(anvil), settings=dead))
    assert "127.0.0.1 cannot be used" in sentence and "LEARNAE_RPC" in sentence


@pytest.mark.real
def test_another_chain_than_the_sessions_is_refused(anvil: ForeignAnvil) -> None:
    settings = tomllib.loads(SMALL)["chain"] | {"id": 1}
    assert f"on chain {CHAIN_ID} and the session on chain 1" in said_no(chain_of(anvil, chain=settings))


@pytest.mark.real
def test_more_than_the_cap_is_refused(anvil: ForeignAnvil) -> None:
    assert "above the cap of 0.02" in said_no(chain_of(anvil, cap="0.02")), "two wallets with 0.01 each, and gas"


@pytest.mark.real
def test_a_key_with_too_little_is_refused(anvil: ForeignAnvil) -> None:
    assert "send it more" in said_no(chain_of(anvil, ETHER // 50))


@pytest.mark.real
def test_a_balance_that_buys_no_registration_is_refused(anvil: ForeignAnvil) -> None:
    settings = tomllib.loads(SMALL)["chain"] | {"balance": "0.00001"}
    assert "chain.balance = 0.00001 ETH is too little to register" in said_no(chain_of(anvil, chain=settings))


@pytest.mark.real
def test_limits_of_gas_that_buy_no_registration_are_refused(anvil: ForeignAnvil) -> None:
    settings = tomllib.loads(SMALL)["chain"]
    capped = said_no(chain_of(anvil, chain=settings | {"gas_cap": "0.00001"}))
    assert "chain.gas_cap = 0.00001 ETH is too little to register" in capped
    limited = said_no(chain_of(anvil, chain=settings | {"gas_price": "0.01", "max_fee": "0.01"}))
    assert "peers pay at most 0.01: wait, or raise chain.max_fee" in limited


@pytest.mark.real
def test_an_account_with_code_is_refused(anvil: ForeignAnvil) -> None:
    chain = chain_of(anvil)
    anvil.ask("anvil_setCode", chain.wallet.address, "0xfe")
    assert "has code" in said_no(chain)


@pytest.mark.real
def test_a_key_that_others_use_is_refused(anvil: ForeignAnvil) -> None:
    chain = chain_of(anvil)
    transfer = {"type": 2, "chainId": CHAIN_ID, "nonce": 0, "to": b"\x5e" * 20, "value": 1, "gas": 21_000}
    raw = chain.wallet.sign(transfer | {"maxFeePerGas": 10**10, "maxPriorityFeePerGas": 10**9, "data": b""})
    anvil.ask("evm_setIntervalMining", 0)
    try:
        anvil.ask("eth_sendRawTransaction", "0x" + raw.hex())
        assert "not mined yet" in said_no(chain)
    finally:
        anvil.ask("evm_setIntervalMining", 1)


@pytest.mark.real
def test_a_session_too_short_for_the_chains_blocks_is_refused(anvil: ForeignAnvil) -> None:
    assert "max_duration = 10 s is too short" in said_no(chain_of(anvil, max_duration=10.0))


@pytest.mark.real
def test_a_session_waits_as_long_as_slow_blocks_ask_for_and_says_so() -> None:
    with ForeignAnvil("127.0.0.1") as slow:
        slow.ask("anvil_setBlockTimestampInterval", 12)
        slow.ask("anvil_mine", hex(RECENT + 1))
        lines = list[str]()
        fitted = asyncio.run(chain_of(slow).fitted(lines.append)).session
        assert (fitted.chain.block_time, fitted.chain.poll, fitted.chain.resend_after) == (12.0, 3.0, 36.0)
        assert (fitted.start.timeout, fitted.linger) == (60.0, 24.0)
        assert (
            "Blocks take about 12.0 s" in lines[1] and "linger = 24. Expect 96 s more" in lines[1] and "0.1" in lines[0]
        )


# there and back


def keystores(folder: Path) -> dict[str, Path]:
    found = {name: folder / f"{name}.key" for name in ("p00", "p01")}
    for path in found.values():
        keystore.create_wallet(path)
    return found


@pytest.mark.real
def test_what_was_lent_comes_back_but_for_gas(anvil: ForeignAnvil, tmp_path: Path) -> None:
    chain, made, lines = chain_of(anvil), keystores(tmp_path), list[str]()
    (tmp_path / "run").mkdir()
    block = asyncio.run(lend(chain, tmp_path / "run", made))
    begins = Funding.read(tmp_path / "run").opening
    assert begins and begins.number == block and list(begins.balances.values()) == [ETHER // 100] * 2
    assert asyncio.run(take_back(chain, tmp_path / "run", lines.append))
    gas = anvil.sent_by({chain.wallet.address: None, **begins.balances})
    assert 0 < gas < ETHER // 1000 and anvil.balance(chain.wallet.address) == ETHER - gas
    assert lines[0].startswith("Returned: 2 of 2") and not (tmp_path / "run" / WALLETS).exists()


@pytest.mark.real
def test_a_loan_that_is_cut_off_is_taken_back_and_opens_no_session(anvil: ForeignAnvil, tmp_path: Path) -> None:
    chain, made = chain_of(anvil), keystores(tmp_path)

    async def cut_off() -> None:
        lending = asyncio.create_task(lend(chain, tmp_path, made))
        async with chain.node() as node:
            while not await node.nonce(chain.wallet.address, "pending"):
                await node.newest_block()
        lending.cancel()
        await asyncio.wait([lending])

    asyncio.run(cut_off())
    assert Funding.read(tmp_path).opening is None
    with pytest.raises(InputError, match="earlier session"):
        asyncio.run(lend(chain, tmp_path, made))
    assert asyncio.run(take_back(chain, tmp_path, lambda line: None)) and not (tmp_path / WALLETS).exists()
    assert anvil.balance(chain.wallet.address) > 0.999 * ETHER
    assert Funding.read(tmp_path).had == ETHER


@pytest.mark.real
def test_a_wallet_that_is_not_worth_the_fee_keeps_its_key(anvil: ForeignAnvil, tmp_path: Path) -> None:
    chain, made, lines = chain_of(anvil), keystores(tmp_path), list[str]()
    asyncio.run(lend(chain, tmp_path, made))
    anvil.fund(keystore.load_wallet(made["p01"]), Wei(1000))
    assert not asyncio.run(take_back(chain, tmp_path, lines.append))
    assert [each.name for each in (tmp_path / WALLETS).iterdir()] == ["p01.json"]
    assert "p01: not empty yet" in lines[1] and "learnae refund" in lines[2]


@pytest.mark.real
def test_fees_that_rise_above_the_cap_end_the_loan(anvil: ForeignAnvil, tmp_path: Path) -> None:
    with pytest.raises(InputError, match="the cap of .*: raise the cap"):
        asyncio.run(lend(chain_of(anvil, cap="0.02"), tmp_path, keystores(tmp_path)))


def exported(chain: ExternalChain, run: Path, until: int | None = None) -> list[ChainRecord]:
    async def export() -> list[ChainRecord]:
        opening = Funding.read(run).opening
        assert opening
        async with chain.node() as node:
            return await export_since(node, opening, until)

    return asyncio.run(export())


@pytest.mark.real
def test_the_export_has_every_block_of_the_session_and_nothing_of_strangers(
    anvil: ForeignAnvil, tmp_path: Path
) -> None:
    chain, made = chain_of(anvil), keystores(tmp_path)
    asyncio.run(lend(chain, tmp_path, made))
    asyncio.run(take_back(chain, tmp_path, lambda line: None))
    funding = Funding.read(tmp_path)
    assert funding.opening and funding.until
    genesis, begins, *blocks, held = exported(chain, tmp_path, funding.until)
    assert isinstance(genesis, Genesis) and (genesis.alloc, begins) == ({}, funding.opening)
    numbers = [each.number for each in blocks if isinstance(each, Block)]
    assert numbers == list(range(funding.opening.number + 1, funding.until + 1))
    assert held == Balances(funding.until, funding.opening.balances)
    *blocks, held = exported(chain, tmp_path)[2:]
    back = [each for block in blocks if isinstance(block, Block) for each in block.transactions]
    assert {each.sender for each in back} == set(funding.opening.balances) and len(back) == 2
    assert isinstance(held, Balances) and set(held.balances.values()) == {0}


@pytest.mark.real
@pytest.mark.parametrize("whole", [True, False])
def test_a_later_export_ends_where_the_first_one_did_if_that_is_whole(
    anvil: ForeignAnvil, tmp_path: Path, whole: bool
) -> None:
    chain = chain_of(anvil)
    asyncio.run(lend(chain, tmp_path, keystores(tmp_path)))
    first = exported(chain, tmp_path)
    write_chain(tmp_path, first if whole else first[:-1])
    anvil.ask("anvil_mine", hex(3))
    asyncio.run(take_back(chain, tmp_path, lambda line: None))
    assert (exported(chain, tmp_path, Funding.read(tmp_path).until) == first) == whole


def test_a_run_of_our_own_chain_has_no_funding(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="funding.json"):
        Funding.read(tmp_path)
    (tmp_path / "funding.json").write_text("{")
    with pytest.raises(InputError, match="damaged"):
        Funding.read(tmp_path)
