"""The Helm chart with Helm itself, which tools/kubernetes/build.sh builds, and a session in a release of it."""

import subprocess
from pathlib import Path
from typing import Any

import pytest
import yaml
from tests.helpers.command_line import here, refused
from tests.stack.test_kubernetes import session

from learnae.backends.base import ClusterOptions
from learnae.backends.kubernetes.chart import LONGEST_NAME
from learnae.backends.kubernetes.cluster import Cluster
from learnae.backends.kubernetes.manifests import manifests
from learnae.backends.kubernetes.plan import ClusterPlan
from learnae.backends.pods.images import Images
from learnae.backends.pods.plan import checkout_name
from learnae.checkout import REPOSITORY
from learnae.session.roster import names

pytestmark = [pytest.mark.soak, pytest.mark.kubernetes]

HELM = str(REPOSITORY / ".tools" / "bin" / "helm")
CUT = "peers = 3\n[[faults]]\nkind = 'cut'\nat = 1.0\nduration = 2.0\n"


@pytest.fixture(scope="module")
def chart(tmp_path_factory: pytest.TempPathFactory) -> str:
    folder = tmp_path_factory.mktemp("chart")
    assert here(folder, "kubernetes", "chart", "learnae").returncode == 0
    return str(folder / "learnae")


def helm(*arguments: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run([HELM, *arguments], capture_output=True, text=True, timeout=300)


def template(release: str, chart: str, *values: str) -> subprocess.CompletedProcess[str]:
    return helm("template", "--kube-version", "1.36", release, chart, *values)


def test_helm_finds_no_fault_in_the_chart(chart: str) -> None:
    done = helm("lint", "--strict", "--kube-version", "1.36", chart)
    assert done.returncode == 0, done.stdout


@pytest.mark.parametrize(
    ("values", "plan"),
    [
        ([], ClusterPlan("x", tuple(names(20)), Images("learnae"), 0, 0, 0)),
        (["--set", "peers=200"], ClusterPlan("x", tuple(names(200)), Images("learnae"), 0, 0, 0)),
        (
            ["--set", "peers=2,externalChainPort=443"],
            ClusterPlan("x", ("p00", "p01"), Images("learnae"), 0, 0, 0, external_port=443),
        ),
        (["--set-file", "session=cut.toml"], ClusterPlan("x", tuple(names(3)), Images("learnae"), 0, 0, 0, links=True)),
        (
            ["--set", "faults=true,storageClass=fast,images.prefix=r:5000/t", "--set-string", "images.tag=1.0"],
            ClusterPlan("x", tuple(names(20)), Images("r:5000/t", "1.0"), 0, 0, 0, True, "fast"),
        ),
    ],
)
def test_a_release_has_the_objects_that_a_session_makes(
    chart: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, values: list[str], plan: ClusterPlan
) -> None:
    (tmp_path / "cut.toml").write_text(CUT)
    monkeypatch.chdir(tmp_path)
    done = template("x", chart, *values)
    assert done.returncode == 0, done.stderr

    def by_name(objects: Any) -> dict[tuple[str, str], Any]:
        return {(each["kind"], each["metadata"]["name"]): each for each in objects}

    assert by_name(yaml.safe_load_all(done.stdout)) == by_name(manifests(plan))


@pytest.mark.parametrize(
    ("release", "values", "sentence"),
    [
        ("x", ["--set", "peers=201"], "maximum"),
        ("x", ["--set", "peer=3"], "additional properties 'peer' not allowed"),
        ("x", ["--set-string", "session=a = = b"], "session is not TOML"),
        ("x" * (LONGEST_NAME + 1), [], "the name of the release is too long"),
    ],
)
def test_helm_refuses_values_that_cannot_work(chart: str, release: str, values: list[str], sentence: str) -> None:
    done = template(release, chart, *values)
    assert done.returncode and sentence in done.stderr


def test_two_sessions_run_in_one_release_and_uninstalling_it_leaves_nothing(chart: str, tmp_path: Path) -> None:
    file, on = session(tmp_path), ["--backend", "kubernetes", "--release", "shared"]
    refused(here(tmp_path, "swarm", str(file), *on), "has no release shared of the chart: helm install shared")
    values = ["--set", f"peers=2,images.prefix={checkout_name(REPOSITORY)}"]
    assert helm("install", "shared", chart, *values).returncode == 0
    cluster = Cluster(ClusterOptions(), "shared")
    try:
        for run in ("first", "second"):
            done = here(tmp_path, "swarm", str(file), *on, "--out", str(tmp_path / run))
            assert done.returncode == 0, done.stdout + done.stderr
            assert here(tmp_path, "audit", str(tmp_path / run)).returncode == 0
            assert not cluster.left(["pod", "persistentvolumeclaim"]) and cluster.left()
    finally:
        assert helm("uninstall", "--wait", "shared").returncode == 0
    assert not cluster.left()
