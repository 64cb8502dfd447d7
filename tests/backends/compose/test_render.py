"""What Docker Compose is given.  `python -m tests.backends.compose.test_render` writes the golden files anew."""

import json
import subprocess
import sys
from dataclasses import replace
from ipaddress import IPv4Network, ip_network
from pathlib import Path
from subprocess import PIPE
from typing import Any

import pytest
from tests.helpers.docker_engine import require_engine

from learnae.adapters.ipfs_keys import create_identity
from learnae.backends.compose import images
from learnae.backends.compose.docker_cli import docker
from learnae.backends.compose.plan import MAX_PODS, Plan, bases, pods, project, settings, subnets, targets
from learnae.backends.pods.files import FULL_MESH, ipfs_config, neighbours
from learnae.checkout import REPOSITORY
from learnae.errors import InputError
from learnae.messages.ids import public_key
from learnae.protocol.types import Address, PeerId
from learnae.session.roster import names, roster
from learnae.session.settings import FeedSettings, Group

GOLDEN = REPOSITORY / "tests" / "golden"
THREE = Plan(
    "learnae-test", IPv4Network("10.200.1.0/24"), 20_000, "1000:1000", 1_700_000_000, 31337, 1, ("p00", "p01", "p02")
)
GROUPS = [Group(count=2), Group(has_rows=False)]
WITH_SENSORS = replace(THREE, names=(*THREE.names, "p03"), sensors=("p03",), feed=FeedSettings("tangle", nodes=3))
MEMBERS = roster(GROUPS, 3, lambda name: (PeerId(name), Address(f"0x{name}")), privacy=True)
SHARED = {"chain", "rpc", "prometheus", "grafana"}
FILES = {
    "swarm.env": settings(THREE),
    "pods.yml": pods(THREE),
    "pods-feed.yml": pods(WITH_SENSORS),
    "targets.json": json.dumps(targets(THREE, MEMBERS), indent=2) + "\n",
}


@pytest.mark.parametrize("name", FILES)
def test_what_is_rendered_is_what_was_reviewed(name: str) -> None:
    assert FILES[name] == (GOLDEN / name).read_text()


@pytest.mark.parametrize(("model", "mebibytes"), [(0, 512), (8 << 20, 512), (9 << 20, 524), (64 << 20, 1184)])
def test_peers_have_memory_for_their_model(model: int, mebibytes: int) -> None:
    assert pods(THREE, model).count(f"    mem_limit: {mebibytes << 20}\n") == 3


def test_a_large_swarm_is_refused_in_a_sentence() -> None:
    with pytest.raises(InputError, match=f"at most {MAX_PODS}"):
        Plan("x", THREE.subnet, 20_000, "1:1", 0, 1, 1, tuple(names(MAX_PODS + 1)))


def test_in_the_largest_swarm_no_two_things_share_an_address_or_a_port() -> None:
    listed = tuple(names(MAX_PODS))
    largest = Plan("x", THREE.subnet, 20_000, "1:1", 0, 1, 1, listed)
    addresses = [largest.address(number) for number in (1, 2, 3, 4)] + [largest.pod(name) for name in listed]
    assert len(set(addresses)) == len(addresses) and str(largest.subnet.broadcast_address) not in addresses
    ports = list(largest.ports())
    assert len(set(ports)) == len(ports) and max(ports) < largest.base + 400


def test_two_checkouts_begin_their_search_at_different_places() -> None:
    one, other = Path("/srv/a/learnae"), Path("/srv/b/learnae")
    assert project(one) != project(other)
    assert next(subnets(one)) != next(subnets(other))
    assert next(bases(one)) != next(bases(other))
    assert sorted(bases(one)) == sorted(bases(other)) and max(bases(one)) + 400 <= 32_768


def test_what_one_process_has_claimed_no_other_gets_before_it_ends(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """And it leaves no file open."""
    monkeypatch.setenv("TMPDIR", str(tmp_path))
    program = "from learnae.backends.compose.free_addresses import claim; print(claim('{}'), flush=True); input()"
    command = [sys.executable, "-X", "dev", "-c", program.format(tmp_path.name)]

    def start() -> "subprocess.Popen[str]":
        return subprocess.Popen(command, stdin=PIPE, stdout=PIPE, stderr=PIPE, text=True)

    with start() as first:
        assert first.stdout and first.stdout.readline() == "True\n"
        with start() as second:
            assert second.communicate("\n")[0] == "False\n"
        assert "ResourceWarning" not in first.communicate("\n")[1]
    with start() as third:
        assert third.communicate("\n")[0] == "True\n"


def test_an_identity_made_on_the_host_is_one_of_ed25519() -> None:
    made = create_identity()
    assert len(public_key(made.peer_id)) == 32
    assert made.key not in repr(made)


@pytest.mark.parametrize("count", [2, 20, FULL_MESH, FULL_MESH + 1, 120])
def test_whatever_the_number_of_nodes_all_are_connected(count: int) -> None:
    listed = names(count)
    reached, edge = {listed[0]}, [listed[0]]
    while edge:
        edge = [other for name in edge for other in neighbours(listed, name) if other not in reached]
        reached |= set(edge)
    assert reached == set(listed)
    assert all(name not in neighbours(listed, name) for name in listed)


def test_a_node_dials_the_pods_of_the_others() -> None:
    made = {name: create_identity() for name in THREE.names}
    config = ipfs_config(THREE, "p01", made)
    assert config["Identity"]["PeerID"] == made["p01"].peer_id
    assert config["Peering"]["Peers"] == [
        {"ID": made["p02"].peer_id, "Addrs": ["/ip4/10.200.1.12/tcp/4001"]},
        {"ID": made["p00"].peer_id, "Addrs": ["/ip4/10.200.1.10/tcp/4001"]},
    ]
    filters = config["Swarm"]["AddrFilters"]
    excluded = [
        ip_network(each.split("/")[2] + "/" + each.split("/")[4]) for each in filters if each.startswith("/ip4/")
    ]
    assert "/ip6/::/ipcidr/0" in filters and not any(network.overlaps(THREE.subnet) for network in excluded)
    assert sum(network.num_addresses for network in excluded) + THREE.subnet.num_addresses == 2**32
    assert config["Addresses"]["API"] == "/ip4/127.0.0.1/tcp/5001" and config["Bootstrap"] == []


@pytest.fixture(scope="module")
def composed(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Any]:
    """What Compose makes of the files."""
    require_engine()
    folder = tmp_path_factory.mktemp("swarm")
    (folder / "swarm.env").write_text(FILES["swarm.env"].replace("PROFILES=chain", "PROFILES=chain,prometheus,grafana"))
    (folder / "pods.yml").write_text(FILES["pods.yml"])
    files = ["-f", str(REPOSITORY / "docker-compose.yml"), "-f", str(folder / "pods.yml")]
    told = docker(
        "compose", "--project-directory", str(REPOSITORY), "--env-file", str(folder / "swarm.env"), *files,
        "config", "--format", "json",
    )  # fmt: skip
    services: dict[str, Any] = json.loads(told)["services"]
    return services


def test_the_feed_of_sensors_is_a_broker_unless_it_is_a_tangle_or_one_that_already_runs() -> None:
    broker = replace(WITH_SENSORS, feed=FeedSettings("mqtt"))
    assert broker.feed_services == ("feed",) and broker.feed_url == "mqtt://10.200.1.5"
    assert WITH_SENSORS.feed_services == ("feed", "feed-1", "feed-2")
    assert WITH_SENSORS.feed_url == "tangle://10.200.1.5,10.200.1.6,10.200.1.7"
    outer = replace(WITH_SENSORS, feed=FeedSettings("mqtt", url="mqtt://192.0.2.1"))
    assert outer.feed_services == () and outer.feed_url == "mqtt://192.0.2.1"
    assert THREE.feed_services == () and THREE.feed_url is None
    assert WITH_SENSORS.hosted == THREE.names


@pytest.mark.docker
def test_compose_knows_three_containers_for_each_peer_around_one_chain(composed: dict[str, Any]) -> None:
    expected = {f"{part}-{name}" for name in THREE.names for part in ("link", "ipfs", "peer")}
    assert set(composed) == expected | SHARED
    assert composed["chain"]["network_mode"] == "service:rpc" and "ports" not in composed["chain"]
    for name in THREE.names:
        assert composed[f"ipfs-{name}"]["network_mode"] == f"service:link-{name}"
        assert composed[f"peer-{name}"]["network_mode"] == f"service:link-{name}"


@pytest.mark.docker
def test_nothing_is_published_but_on_loopback(composed: dict[str, Any]) -> None:
    ports = [port for service in composed.values() for port in service.get("ports", ())]
    assert ports and {port["host_ip"] for port in ports} == {"127.0.0.1"}


@pytest.mark.docker
def test_no_container_has_more_power_than_its_job_needs(composed: dict[str, Any]) -> None:
    for name, service in composed.items():
        assert not service.get("privileged"), name
        assert service["cap_drop"] == ["ALL"], name
        assert service.get("cap_add", []) == (["NET_ADMIN", "NET_RAW"] if name.startswith("link-") else []), name
        assert name in ("prometheus", "grafana") or service["user"] == "1000:1000", name
        assert service.get("read_only", False) == (name != "grafana"), name
        safe = [] if name.startswith("link-") else ["no-new-privileges:true"]  # iptables has file capabilities
        assert service.get("security_opt", []) == safe, name
        assert int(service["mem_limit"]) <= 512 << 20 and float(service["cpus"]) <= 1, name
        assert (
            int(service["pids_limit"]) <= (512 if name in SHARED else 256) and service["ulimits"]["nofile"] <= 16384
        ), name
        assert service["logging"]["options"] == {"max-size": "10m", "max-file": "2"}, name
        assert all("size=" in mounted for mounted in service.get("tmpfs", [])), name
        assert "docker.sock" not in json.dumps(service), name


@pytest.mark.docker
def test_docker_restarts_nodes_and_a_script_restarts_the_programs_of_the_rest(
    composed: dict[str, Any],
) -> None:
    for name, service in composed.items():
        part = name.partition("-")[0]
        when = {"link": "always", "rpc": "always", "peer": "killed"}.get(part)
        assert (service.get("entrypoint") or [])[:3] == (["sh", "/supervise.sh", when] if when else []), name
        assert service.get("restart") == ("on-failure:5" if part in ("ipfs", "chain") else None), name


@pytest.mark.docker
def test_what_a_pod_mounts_is_its_own_alone(composed: dict[str, Any]) -> None:
    swarm = REPOSITORY / "build" / "swarm"
    for name in THREE.names:
        for part in ("link", "ipfs", "peer"):
            volumes = {volume["source"]: volume.get("read_only") for volume in composed[f"{part}-{name}"]["volumes"]}
            written = {"peer": "journals", "ipfs": "repositories"}.get(part)
            own = {str(swarm / written / name): None} if written else {}
            assert volumes == {str(swarm / "pods" / name / part): True} | own


def test_every_base_image_of_ours_is_one_that_can_be_brought() -> None:
    dockerfiles = [REPOSITORY / part / "Dockerfile" for part in ("peer", "ipfs", "chain")]
    dockerfiles += [REPOSITORY / "feed" / f"Dockerfile.{kind}" for kind in (images.BROKER, images.TANGLE)]
    text = "\n".join(path.read_text() for path in dockerfiles)
    wanted = {line.split()[1] for line in text.splitlines() if line.startswith("FROM ")} - {"base"}
    assert wanted == set(images.NEEDED)
    script = (REPOSITORY / "tools" / "base-images.sh").read_text()
    compose = (REPOSITORY / "docker-compose.yml").read_text()
    assert all(f"={image}\n" in script for image in images.BASE)
    assert all(f"image: {image}\n" in compose for image in (images.PROMETHEUS, images.GRAFANA))


if __name__ == "__main__":
    GOLDEN.mkdir(exist_ok=True)
    for name, text in FILES.items():
        (GOLDEN / name).write_text(text)
