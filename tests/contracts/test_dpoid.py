"""DPoID.sol (section 3.2): what it says, what it costs, and that only it has its code.  On eth-tester and on Anvil."""

import hashlib
import json
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from eth_tester.exceptions import TransactionFailed
from eth_typing import ChecksumAddress
from hexbytes import HexBytes
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from tests.contracts.chains import Deployer, anvil, eth_tester
from web3 import Web3
from web3.exceptions import Web3Exception

from learnae.adapters.evm import dpoid
from learnae.messages.ids import peer_id, public_key
from learnae.protocol.types import Address, Poid

ROOT = Path(__file__).parents[2]
ARTEFACT = json.loads((ROOT / "peer" / "learnae" / "resources" / "dpoid.json").read_text())
GAS_PROMISED = 105_000

keys = st.binary(min_size=32, max_size=32).filter(any)
wallets = st.binary(min_size=20, max_size=20).filter(any).map(lambda raw: Address("0x" + raw.hex()))
poids = st.builds(Poid, keys.map(peer_id), wallets)
times = st.integers(0, 2**256 - 1)
POID = Poid(peer_id(b"\xab" * 32), Address("0x" + "cd" * 20))  # without zeros: calldata costs most

fuzz = settings(max_examples=15, deadline=None, suppress_health_check=[HealthCheck.too_slow])


@pytest.fixture(scope="module", params=["eth-tester", pytest.param("anvil", marks=pytest.mark.real)])
def deployer(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Deployer]:
    if request.param == "eth-tester":
        yield eth_tester()
    else:
        deployer, node = anvil(tmp_path_factory.mktemp("anvil"))
        yield deployer
        node.kill()


def contract(deployer: Deployer, address: ChecksumAddress) -> Any:
    return deployer.web3.eth.contract(address=address, abi=ARTEFACT["abi"])


class TestDeployed:
    @fuzz
    @given(poid=poids)
    def test_any_key_and_any_wallet_come_back(self, deployer: Deployer, poid: Poid) -> None:
        calls = contract(deployer, deployer.deploy(dpoid.deployment_data(poid))).functions
        key, wallet = calls.getPoid().call()
        assert (peer_id(key), wallet.lower()) == (poid.peer, poid.wallet)
        assert calls.getTimestamp().call() == deployer.web3.eth.get_block("latest")["timestamp"]

    @fuzz
    @given(poid=poids)
    def test_its_code_is_the_template_with_its_values(self, deployer: Deployer, poid: Poid) -> None:
        code = deployer.web3.eth.get_code(deployer.deploy(dpoid.deployment_data(poid)))
        assert code == dpoid.runtime_code(poid, deployer.web3.eth.get_block("latest")["timestamp"])

    @fuzz
    @given(poid=poids)
    def test_no_deployment_costs_more_than_promised(self, deployer: Deployer, poid: Poid) -> None:
        assert deployer.send(dpoid.deployment_data(poid))["gasUsed"] <= GAS_PROMISED < dpoid.DEPLOY_GAS

    def test_the_dearest_deployment_has_no_zero_byte(self, deployer: Deployer) -> None:
        dearest = deployer.send(dpoid.deployment_data(POID))["gasUsed"]
        cheaper = deployer.send(dpoid.deployment_data(replace(POID, wallet=Address("0x" + "00" * 19 + "01"))))[
            "gasUsed"
        ]
        assert cheaper < dearest == 99_891

    def test_nothing_that_is_sent_to_it_changes_what_it_says(self, deployer: Deployer) -> None:
        address = deployer.deploy(dpoid.deployment_data(POID))
        calls, code = contract(deployer, address).functions, deployer.web3.eth.get_code(address)
        before = (calls.getPoid().call(), calls.getTimestamp().call())
        for data in (b"", b"\0", dpoid.GET_POID, dpoid.GET_TIMESTAMP, b"\xff" * 4, dpoid.GET_POID + b"\xff" * 64):
            deployer.send(data, address)
        assert (calls.getPoid().call(), calls.getTimestamp().call()) == before
        assert deployer.web3.eth.get_code(address) == code

    @pytest.mark.parametrize("data", [b"", b"\xff" * 4, dpoid.GET_POID])
    def test_it_takes_no_money(self, deployer: Deployer, data: bytes) -> None:
        address = deployer.deploy(dpoid.deployment_data(POID))
        assert deployer.send(data, address, wei=1)["status"] == 0
        assert deployer.send(dpoid.deployment_data(POID), wei=1)["status"] == 0
        assert deployer.web3.eth.get_balance(address) == 0

    @pytest.mark.parametrize("data", [b"", b"\0", b"\xff" * 4, dpoid.GET_POID[:3]])
    def test_it_has_no_other_function(self, deployer: Deployer, data: bytes) -> None:
        address = deployer.deploy(dpoid.deployment_data(POID))
        assert deployer.send(data, address)["status"] == 0

    @pytest.mark.parametrize(
        ("poid", "error"),
        [
            (replace(POID, peer=peer_id(bytes(32))), "NoIpfsId()"),
            (replace(POID, wallet=Address("0x" + "00" * 20)), "NoWallet()"),
            (Poid(peer_id(bytes(32)), Address("0x" + "00" * 20)), "NoIpfsId()"),
        ],
    )
    def test_half_a_poid_is_refused_by_name(self, deployer: Deployer, poid: Poid, error: str) -> None:
        data = dpoid.deployment_data(poid)
        assert deployer.send(data)["status"] == 0
        with pytest.raises((Web3Exception, TransactionFailed)) as refusal:
            deployer.web3.eth.call({"data": HexBytes(data), "gas": 1_000_000})
        selector = Web3.keccak(text=error)[:4]
        assert selector.hex() in str(refusal.value) or str(selector) in str(refusal.value)

    @pytest.mark.parametrize("length", [0, 1, 32, 63])
    def test_a_poid_that_broke_off_is_refused(self, deployer: Deployer, length: int) -> None:
        whole = dpoid.deployment_data(POID)
        assert deployer.send(whole[: len(whole) - 64 + length])["status"] == 0

    def test_a_wallet_of_more_than_20_bytes_is_refused(self, deployer: Deployer) -> None:
        assert deployer.send(dpoid.deployment_data(POID)[:-32] + b"\1" * 32)["status"] == 0


class TestTemplate:
    @given(poid=poids, other=poids, time=times, later=times)
    def test_equal_code_is_equal_values(self, poid: Poid, other: Poid, time: int, later: int) -> None:
        assert (dpoid.runtime_code(poid, time) == dpoid.runtime_code(other, later)) == ((poid, time) == (other, later))

    @given(poid=poids, time=times, data=st.data())
    def test_no_code_but_its_own_fits(self, poid: Poid, time: int, data: st.DataObject) -> None:
        code = bytearray(dpoid.runtime_code(poid, time))
        code[data.draw(st.integers(0, len(code) - 1))] ^= data.draw(st.integers(1, 255))
        assert bytes(code) != dpoid.runtime_code(poid, time)
        assert dpoid.read_runtime_code(bytes(code)) != (poid, time)

    @given(poid=poids, time=times, length=st.integers(0, 150))
    def test_the_values_are_read_from_genuine_code_alone(self, poid: Poid, time: int, length: int) -> None:
        code = dpoid.runtime_code(poid, time)
        assert dpoid.read_runtime_code(code) == (poid, time)
        assert dpoid.read_runtime_code(code[:length]) is dpoid.read_runtime_code(code + b"\0") is None

    def test_each_immutable_stands_in_it_once_and_over_zeros(self) -> None:
        made = dpoid.artefact()
        assert set(made.immutables) == {"ipfsId", "wallet", "timestamp"}
        places = [place for places in made.immutables.values() for place in places]
        assert len(places) == 3 and all(not any(made.runtime[place : place + 32]) for place in places)

    def test_nothing_in_it_writes_calls_or_ends(self) -> None:
        forbidden = {0x54, 0x55, 0x5C, 0x5D, 0xF0, 0xF1, 0xF2, 0xF4, 0xF5, 0xFA, 0xFF}
        assert not forbidden & set(opcodes(dpoid.artefact().runtime))

    @given(poid=poids)
    def test_it_is_deployed_as_its_abi_says(self, poid: Poid) -> None:
        made = Web3().eth.contract(abi=ARTEFACT["abi"], bytecode=ARTEFACT["creation"])
        wallet = Web3.to_checksum_address(poid.wallet)
        assert HexBytes(made.constructor((public_key(poid.peer), wallet)).data_in_transaction) == dpoid.deployment_data(
            poid
        )

    def test_it_is_the_source_that_was_compiled(self) -> None:
        source = (ROOT / "contracts" / "DPoID.sol").read_bytes()
        assert ARTEFACT["source_sha256"] == hashlib.sha256(source).hexdigest()


class TestReading:
    @given(returned=st.binary(max_size=130))
    def test_what_is_no_poid_is_never_read_as_one(self, returned: bytes) -> None:
        if len(returned) != 64 or any(returned[32:44]):
            with pytest.raises(ValueError):
                dpoid.parse_poid(returned)
        if len(returned) != 32:
            with pytest.raises(ValueError):
                dpoid.parse_timestamp(returned)

    @given(poid=poids, time=times)
    def test_what_was_written_is_read(self, poid: Poid, time: int) -> None:
        assert dpoid.parse_poid(public_key(poid.peer) + bytes(12) + bytes.fromhex(poid.wallet[2:])) == poid
        assert dpoid.parse_timestamp(time.to_bytes(32, "big")) == time


def opcodes(code: bytes) -> Iterator[int]:
    """Without what PUSH takes."""
    at = 0
    while at < len(code):
        yield code[at]
        at += 1 + (code[at] - 0x5F if 0x60 <= code[at] <= 0x7F else 0)
