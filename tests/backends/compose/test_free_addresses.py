"""Where a swarm fits on this machine: subnets, ports, memory; and what is said where it does not."""

import json
import socket
import tempfile
from collections.abc import Callable, Iterator
from ipaddress import IPv4Network
from pathlib import Path

import pytest
from tests.helpers.fake_docker import fake_docker

from learnae.backends.compose import capacity, free_addresses
from learnae.backends.compose.capacity import MIB, POD, POD_DISK, REST, REST_DISK
from learnae.backends.compose.plan import MAX_PODS, PER_MODEL, bases, subnets
from learnae.backends.pods.plan import USUAL_MODEL
from learnae.errors import InputError
from learnae.session.environment import subnet

CHECKOUT = Path("/srv/a/learnae")
FIRST = list(subnets(CHECKOUT))[:3]
Networks = Callable[..., Path]


@pytest.fixture
def networks(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Networks]:
    """Docker has networks of these subnets; ``gone``: one is removed while they are asked for."""

    def have(*used: object, gone: bool = False) -> Path:
        monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
        listed = [{"Name": f"net{at}", "IPAM": {"Config": [{"Subnet": str(each)}]}} for at, each in enumerate(used)]
        (tmp_path / "networks.json").write_text(json.dumps([{"Name": "host", "IPAM": {"Config": None}}, *listed]))
        once = "[ -f gone ] || { touch gone; exit 1; };" if gone else ""
        return fake_docker(tmp_path, monkeypatch, f"*ls*) echo 1 2 ;;\n*inspect*) {once} cat networks.json ;;")

    yield have
    free_addresses.release_claims()


def test_the_first_subnet_that_nobody_uses_is_taken(networks: Networks) -> None:
    networks(FIRST[0], "fd00::/64", FIRST[1])
    assert free_addresses.free_subnet(CHECKOUT) == FIRST[2]


def test_a_network_that_is_removed_meanwhile_is_no_reason_to_give_up(networks: Networks) -> None:
    asked = networks(FIRST[0], gone=True)
    assert free_addresses.free_subnet(CHECKOUT) != FIRST[0]
    assert asked.read_text().count("inspect 1 2") == 2


def test_a_machine_whose_subnets_are_all_taken_is_told_how_to_name_one(networks: Networks) -> None:
    networks("10.192.0.0/11")
    with pytest.raises(InputError, match="no subnet .* is free: name one with LEARNAE_SUBNET="):
        free_addresses.free_subnet(CHECKOUT)


@pytest.mark.parametrize(
    ("wished", "sentence"),
    [
        ("10.213.7.0/24", "overlaps 10.213.0.0/16, which is Docker's network net0"),
        ("127.0.0.0/25", "too small for a swarm"),
        ("10.213.7.1/24", "is not a subnet .*host bits"),
        ("nowhere", "is not a subnet"),
    ],
)
def test_a_wish_that_cannot_be_met_is_one_sentence(
    networks: Networks, monkeypatch: pytest.MonkeyPatch, wished: str, sentence: str
) -> None:
    networks("10.213.0.0/16")
    monkeypatch.setenv("LEARNAE_SUBNET", wished)
    with pytest.raises(InputError, match=sentence):
        free_addresses.free_subnet(CHECKOUT)


def test_a_wish_that_can_be_met_is(networks: Networks, monkeypatch: pytest.MonkeyPatch) -> None:
    networks("10.213.8.0/24")
    assert subnet() is None
    monkeypatch.setenv("LEARNAE_SUBNET", "10.213.7.0/24")
    assert free_addresses.free_subnet(CHECKOUT) == subnet() == IPv4Network("10.213.7.0/24")


def test_a_block_with_a_port_that_is_taken_is_passed_over(networks: Networks) -> None:
    networks()
    first = free_addresses.free_base(CHECKOUT, [0, 10])
    assert first in set(bases(CHECKOUT))
    with socket.create_server(("127.0.0.1", first + 10)):
        assert free_addresses.free_base(CHECKOUT, [0, 10]) != first
    with pytest.raises(InputError, match="no block of ports .* is free on 192.0.2.7"):
        free_addresses.free_base(CHECKOUT, [0], ["192.0.2.7"])  # no address of this machine


def machine(patch: pytest.MonkeyPatch, memory: int | None, disk: int) -> None:
    patch.setattr(capacity, "free_memory", lambda: memory)
    patch.setattr(capacity.shutil, "disk_usage", lambda _: capacity.shutil._ntuple_diskusage(0, 0, disk))  # type: ignore[attr-defined]


@pytest.mark.parametrize(
    ("memory", "disk", "most"),
    [
        (REST + 4 * POD, 1 << 40, 4),
        (REST + 5 * POD - 1, 1 << 40, 4),
        (1 << 50, REST_DISK + 3 * POD_DISK, 3),
        (None, 1 << 40, MAX_PODS),
        (1 << 50, 1 << 50, MAX_PODS),
        (MIB, MIB, 0),
    ],
)
def test_the_scarcest_decides_how_many_fit(
    monkeypatch: pytest.MonkeyPatch, memory: int | None, disk: int, most: int
) -> None:
    machine(monkeypatch, memory, disk)
    assert capacity.max_pods() == most


def test_fewer_pods_fit_with_a_large_model(monkeypatch: pytest.MonkeyPatch) -> None:
    large = 64 * MIB
    machine(monkeypatch, REST + 2 * POD + 2 * PER_MODEL * (large - USUAL_MODEL), 1 << 40)
    assert (capacity.max_pods(large), capacity.max_pods(USUAL_MODEL)) == (2, capacity.max_pods())
    with pytest.raises(InputError, match=r"3 pods take about 3\.6 GiB of memory and .* run fewer \(N=2 fits\)"):
        capacity.check(3, large)
    machine(monkeypatch, 1 << 50, REST_DISK + 3 * POD_DISK)
    assert (capacity.max_pods(large), capacity.max_pods()) == (0, 3)


def test_what_does_not_fit_is_refused_with_what_would(monkeypatch: pytest.MonkeyPatch) -> None:
    machine(monkeypatch, REST + 4 * POD, 1 << 40)
    capacity.check(4)
    with pytest.raises(InputError, match=r"5 pods take about .* run fewer \(N=4 fits\)"):
        capacity.check(5)
    machine(monkeypatch, REST + POD, 1 << 40)
    with pytest.raises(InputError, match="BACKEND=embedded needs a tenth"):
        capacity.check(2)


def test_more_than_a_subnet_holds_is_not_blamed_on_memory(monkeypatch: pytest.MonkeyPatch) -> None:
    machine(monkeypatch, MIB, MIB)
    with pytest.raises(InputError, match=f"runs at most {MAX_PODS}"):
        capacity.check(MAX_PODS + 1)
