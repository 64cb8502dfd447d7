"""What Kubernetes is given.  `python -m tests.backends.kubernetes.test_manifests` writes the golden file anew."""

import json
import re
import tomllib
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import jsonschema_rs
import pytest
import yaml
from tests.helpers.command_line import here, refused

from learnae import resources
from learnae.backends.base import ClusterOptions, RunOptions
from learnae.backends.kubernetes.backend import KubernetesBackend
from learnae.backends.kubernetes.manifests import manifests
from learnae.backends.kubernetes.plan import COMPONENT, MAX_PODS, ClusterPlan, refuse_what_is_missing
from learnae.backends.kubernetes.rendering import plan_for, rendered
from learnae.backends.pods.images import Images
from learnae.backends.pods.plan import RemotePeerOptions
from learnae.checkout import REPOSITORY
from learnae.errors import InputError
from learnae.session.roster import names
from learnae.session.session_file import load, parse

GOLDEN = REPOSITORY / "tests" / "golden" / "kubernetes.yml"
SCHEMA = json.loads((REPOSITORY / "tests" / "golden" / "kubernetes-schema.json").read_text())
THREE = ClusterPlan("learnae-test", ("p00", "p01", "p02"), Images("learnae"), 1_700_000_000, 31337, 1)
CHAOTIC = ClusterPlan("learnae-test", THREE.names, Images("registry.example:5000/team/x", "1"), 0, 1, 1, True, "fast")
MAX_OBJECT, MAX_HOST = 1_500_000, 253 - len(".namespace.svc.cluster.local")  # bytes in etcd; letters of a DNS name
LABEL = re.compile(r"[a-z0-9]([-a-z0-9]{0,61}[a-z0-9])?")
CUT = {"faults": [{"kind": "cut", "at": 1.0, "duration": 2.0}]}


def pods(plan: ClusterPlan) -> dict[str, Any]:
    """The pod templates by component."""
    sets = [each for each in manifests(plan) if each["kind"] == "StatefulSet"]
    return {each["metadata"]["labels"][COMPONENT]: each["spec"]["template"] for each in sets}


def containers(template: dict[str, Any]) -> Iterator[dict[str, Any]]:
    return iter([*template["spec"]["initContainers"], *template["spec"]["containers"]])


def errors(item: dict[str, Any]) -> list[str]:
    schema = {"$ref": SCHEMA["properties"][item["kind"]]["$ref"], "definitions": SCHEMA["definitions"]}
    return [str(error) for error in jsonschema_rs.validator_for(schema).iter_errors(item)]


def test_what_is_rendered_is_what_was_reviewed() -> None:
    assert rendered(THREE) == GOLDEN.read_text()


@pytest.mark.parametrize("plan", [THREE, CHAOTIC], ids=["calm", "chaotic"])
def test_the_manifests_have_only_fields_that_kubernetes_knows(plan: ClusterPlan) -> None:
    assert [error for item in manifests(plan) for error in errors(item)] == []


@pytest.mark.parametrize("links", [False, True])
def test_the_largest_swarm_stays_below_the_limits_of_kubernetes(links: bool) -> None:
    plan = ClusterPlan("learnae-1234abcd", tuple(names(MAX_PODS)), Images("learnae"), 0, 1, 1, links)
    objects = manifests(plan)
    assert [error for item in objects for error in errors(item)] == []
    assert len(json.dumps(objects)) < MAX_OBJECT  # of each object; all of them are smaller together
    named = [(each["kind"], each["metadata"]["name"]) for each in objects]
    assert len(set(named)) == len(named) == 6
    made = [*plan.pods.values(), plan.chain_pod, *(f"volume-{pod}" for pod in plan.pods.values())]
    assert len(set(made)) == len(made) == 2 * MAX_PODS + 1
    assert all(LABEL.fullmatch(name) for name in made)  # names of pods are host names, and values of labels
    hosts = [plan.ipfs_address(name).split("/")[2] for name in plan.names]
    assert len(set(hosts)) == MAX_PODS and max(map(len, hosts)) <= MAX_HOST


def test_a_misspelt_field_is_found() -> None:
    [*_, item] = manifests(THREE)
    item["spec"]["template"]["spec"]["initContainers"][0]["restartpolicy"] = "Always"
    assert any("restartpolicy" in error for error in errors(item))


def test_the_text_is_yaml_of_the_same_objects() -> None:
    assert list(yaml.safe_load_all(rendered(CHAOTIC))) == manifests(CHAOTIC)


def test_without_faults_no_container_has_more_rights_than_the_restricted_level_allows() -> None:
    for template in pods(THREE).values():
        assert template["spec"]["securityContext"]["runAsNonRoot"] is True
        assert template["spec"]["automountServiceAccountToken"] is False
        for container in containers(template):
            context = container["securityContext"]
            assert context["allowPrivilegeEscalation"] is False and context["capabilities"] == {"drop": ["ALL"]}
            assert context["readOnlyRootFilesystem"] is True


def test_with_faults_only_link_agents_may_change_the_network() -> None:
    able = [each["name"] for pod in pods(CHAOTIC).values() for each in containers(pod) if "add" in capabilities(each)]
    assert able == ["link"] and "link" not in [each["name"] for each in containers(pods(THREE)["peer"])]


def capabilities(container: dict[str, Any]) -> dict[str, Any]:
    found: dict[str, Any] = container["securityContext"]["capabilities"]
    return found


def test_each_container_sees_only_its_own_folder_of_the_volume() -> None:
    seen = {
        each["name"]: [mount.get("subPath") for mount in each["volumeMounts"] if mount["name"] == "volume"]
        for pod in pods(CHAOTIC).values()
        for each in containers(pod)
    }
    assert seen == {
        "files": [None],
        "wait-pod": [],
        "wait-peer": [],
        "link": ["link"],
        "ipfs": ["ipfs", "repository"],
        "peer": ["peer", "journal"],
        "rpc": [],
        "chain": ["chain"],
    }


def test_no_probe_runs_a_command_and_every_container_has_limits() -> None:
    for template in pods(CHAOTIC).values():
        for container in containers(template):
            probes = [container[key] for key in container if key.endswith("Probe")]
            assert not any("exec" in probe for probe in probes)
            assert container["resources"].keys() == {"requests", "limits"}


def test_what_a_pod_needs_is_what_the_documentation_says() -> None:
    def needed(template: dict[str, Any], kind: str, resource: str) -> int:
        """Of the containers that run at the same time, as the scheduler counts."""
        stay = [each for each in containers(template) if not each["name"].startswith("wait-")]
        return sum(int(re.sub(r"\D", "", each["resources"][kind][resource])) for each in stay)

    calm, chaotic, chain = pods(THREE)["peer"], pods(CHAOTIC)["peer"], pods(THREE)["chain"]
    cpu = [needed(pod, "requests", "cpu") / 1000 for pod in (calm, chaotic, chain)]
    memory = [[needed(pod, kind, "memory") for kind in ("requests", "limits")] for pod in (calm, chaotic, chain)]
    rows = [
        "| processor, requested | {} cores; {} with link agents | {} cores |".format(*cpu),
        "| memory, requested / limit | {} / {} MiB; {} / {} MiB with link agents | {} / {} MiB |".format(
            *sum(memory, [])
        ),
    ]
    text = (REPOSITORY / "docs" / "how-to" / "clusters.md").read_text()
    assert [row for row in rows if row not in text] == []
    assert f"a node with 4 free cores takes {int(4 / cpu[0])} peers" in text


def test_a_remote_peer_has_no_pod_and_keeps_its_place_in_the_roster() -> None:
    plan = replace(THREE, remote=RemotePeerOptions(1, "192.0.2.7"))
    peers = next(each for each in manifests(plan) if each["spec"].get("serviceName") == plan.peers)
    assert peers["spec"]["replicas"] == len(plan.pods) == 2 and plan.remote_names == ("p02",)
    assert "192.0.2.7" not in rendered(plan)


@pytest.mark.parametrize(
    ("more", "options", "environment", "sentence"),
    [
        (CUT, RunOptions(remote_peers=1), {}, "faults cannot be injected into remote peers"),
        ({}, RunOptions(remote_peers=1), {"LEARNAE_RPC": "http://192.0.2.1", "LEARNAE_KEY": "0" * 64}, "a secret"),
        ({}, RunOptions(publish="192.0.2.7"), {}, "give --remote-peers, too"),
        ({}, RunOptions(remote_peers=1, publish="127.0.0.1"), {}, "cannot be published"),
        ({}, RunOptions(remote_peers=1, publish="192.0.2.1"), {}, "cannot listen on 192.0.2.1"),
    ],
)
def test_what_remote_peers_cannot_take_part_in_is_refused_before_the_cluster_is_asked(
    monkeypatch: pytest.MonkeyPatch,
    more: dict[str, Any],
    options: RunOptions,
    environment: dict[str, str],
    sentence: str,
) -> None:
    for name, value in environment.items():
        monkeypatch.setenv(name, value)
    with pytest.raises(InputError, match=sentence):
        KubernetesBackend(parse({"peers": 3} | more), options, print).check()


def test_nothing_but_peers_reaches_the_chain() -> None:
    policies = {each["metadata"]["name"]: each["spec"] for each in manifests(THREE) if each["kind"] == "NetworkPolicy"}
    [rule] = policies["learnae-test-chain"]["ingress"]
    assert [source["podSelector"]["matchLabels"][COMPONENT] for source in rule["from"]] == ["peer"]
    assert policies["learnae-test-chain"]["egress"] == []


def test_on_an_external_chain_there_is_none_and_peers_reach_its_port_with_a_url_that_no_object_holds() -> None:
    objects = manifests(replace(THREE, external_port=8443))
    assert [error for item in objects for error in errors(item)] == []
    assert [(each["kind"], each["metadata"]["name"]) for each in objects] == [
        (kind, "learnae-test-peers") for kind in ("Service", "NetworkPolicy", "StatefulSet")
    ]
    assert {"ports": [{"port": 8443}]} in objects[1]["spec"]["egress"]
    [peer] = objects[2]["spec"]["template"]["spec"]["containers"]
    assert "--rpc /pod/rpc " in peer["command"][2]


def test_images_and_storage_are_the_ones_that_were_asked_for() -> None:
    used = {each["image"] for pod in pods(CHAOTIC).values() for each in containers(pod)}
    assert used == {f"registry.example:5000/team/x-{part}:1" for part in ("peer", "ipfs", "chain")}
    session = parse({"peers": 3})
    assert plan_for(session, ClusterOptions(images="localhost:5000/x")).images == Images("localhost:5000/x", "latest")
    assert plan_for(session, ClusterOptions(images="localhost:5000/x:2")).images == Images("localhost:5000/x", "2")
    with pytest.raises(InputError, match="cannot begin the names of images: give one such as"):
        plan_for(session, ClusterOptions(images="X y"))


def test_a_large_swarm_and_faults_that_kubernetes_cannot_make_are_refused_in_a_sentence() -> None:
    with pytest.raises(InputError, match=f"at most {MAX_PODS}"):
        ClusterPlan("x", tuple(names(MAX_PODS + 1)), Images("x"), 0, 1, 1)
    assert plan_for(parse(CUT)).links and not plan_for(parse({})).links
    refuse_what_is_missing(parse(CUT))
    with pytest.raises(InputError, match="cannot inject pause, .*: use --backend compose"):
        refuse_what_is_missing(parse({"faults": [{"kind": "pause", "at": 1.0, "duration": 2.0}]}))
    with pytest.raises(InputError, match="containers train on the processor"):
        refuse_what_is_missing(parse({"compute": {"device": "cuda"}}))


def test_grafana_gets_the_dashboards_as_config_maps(tmp_path: Path) -> None:
    maps = list(yaml.safe_load_all(here(tmp_path, "kubernetes", "dashboards").stdout))
    files = sorted((REPOSITORY / "monitor" / "dashboards").glob("*.json"))
    assert [each["data"] for each in maps] == [{file.name: file.read_text()} for file in files] and files
    for each in maps:
        assert not errors(each) and each["metadata"]["labels"]["grafana_dashboard"] == "1"


if __name__ == "__main__":
    GOLDEN.write_text(rendered(THREE))


def job(folder: Path, *arguments: str) -> list[dict[str, Any]]:
    done = here(folder, "sweep", "paper", "--render", "kubernetes", *arguments)
    return list(yaml.safe_load_all(done.stdout))


def test_a_sweep_is_rendered_as_a_job_whose_pods_each_run_one_shard(tmp_path: Path) -> None:
    config, sweep = job(tmp_path, "--set", "work.patience=1,2", "--out", "runs/My_sweep", "--shard", "4")
    assert not errors(config) and not errors(sweep)
    assert parse(tomllib.loads(config["data"]["session.toml"])) == load(resources.session_files()["paper"])
    spec = sweep["spec"]
    [container] = spec["template"]["spec"]["containers"]
    assert (sweep["metadata"]["name"], spec["completions"], spec["completionMode"]) == ("my-sweep", 4, "Indexed")
    command = "learnae sweep /session/session.toml --set work.patience=1,2 --seeds 3 --out /shared/my-sweep"
    assert container["command"] == ["sh", "-c", f"{command} --shard $((JOB_COMPLETION_INDEX + 1))/4"]


@pytest.mark.parametrize(
    ("arguments", "sentence"),
    [
        (["--render", "slurm"], "--render slurm: the only choice is kubernetes"),
        (["--render", "kubernetes"], "--render needs the number of shards, such as --shard 16"),
        (["--render", "kubernetes", "--shard", "1/16"], "--render needs the number of shards"),
        (["--render", "kubernetes", "--shard", "4", "--set", "nonsense=1"], "nonsense"),
    ],
)
def test_a_job_that_cannot_be_rendered_is_one_sentence(tmp_path: Path, arguments: list[str], sentence: str) -> None:
    refused(here(tmp_path, "sweep", "paper", *arguments), sentence)


def test_a_job_would_lack_the_files_of_plug_ins_so_it_is_refused(tmp_path: Path) -> None:
    (tmp_path / "mine.py").write_text("def reward(view): return 1")
    (tmp_path / "session.toml").write_text('reward.function = "mine.py:reward"')
    arguments = ["--render", "kubernetes", "--shard", "4"]
    refused(here(tmp_path, "sweep", "session.toml", *arguments), "plug-ins (mine.py)", "--shard K/N")
    wanted = ["--set", f"reward.function={tmp_path}/mine.py:reward"]
    refused(here(tmp_path, "sweep", "paper", *wanted, *arguments), "plug-ins (mine.py)")
