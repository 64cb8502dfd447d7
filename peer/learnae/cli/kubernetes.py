"""`learnae kubernetes`: the pods of a swarm on a cluster."""

import shutil
import signal
from dataclasses import asdict
from importlib.metadata import version
from pathlib import Path
from typing import Annotated

import typer

from learnae.cli.arguments import Context, Images, Json, Namespace, Peers, Release, SessionFile, StorageClass
from learnae.cli.output import print_document, say
from learnae.errors import InputError

app = typer.Typer(help="Manage a swarm on a Kubernetes cluster.", no_args_is_help=True)


@app.command()
def render(session: SessionFile, peers: Peers = None, images: Images = None, storage_class: StorageClass = None) -> int:
    """Print the manifests of a session, for `kubectl apply -f -`.  Nothing is written or started."""
    from learnae.backends.base import ClusterOptions
    from learnae.backends.kubernetes.plan import refuse_what_is_missing
    from learnae.backends.kubernetes.rendering import plan_for, rendered
    from learnae.runs.sessions import load_session

    settings = load_session(session, {"peers": peers})
    refuse_what_is_missing(settings)
    print(rendered(plan_for(settings, ClusterOptions(images=images, storage_class=storage_class))), end="")
    return 0


@app.command()
def chart(folder: Annotated[Path, typer.Argument(metavar="CHART", help="Folder to write; must not exist.")]) -> int:
    """Write a Helm chart of the same objects, for `learnae swarm --release NAME`."""
    from learnae.backends.kubernetes import chart as charts

    files = charts.chart(version("learnae"))
    try:
        (folder / "templates").mkdir(parents=True)
        for name, text in files.items():
            (folder / name).write_text(text, encoding="utf-8")
    except OSError as error:
        raise InputError(f"{folder} cannot be written ({error.strerror}): give a folder that does not exist") from None
    say(f"The chart is in {folder}. Install it: helm install NAME {folder}")
    return 0


@app.command()
def dashboards() -> int:
    """Print the Grafana dashboards as ConfigMaps, which Grafana's sidecar of the usual charts loads."""
    from learnae.backends.kubernetes.rendering import as_yaml
    from learnae.checkout import REPOSITORY, in_checkout

    if not in_checkout():
        raise InputError("the dashboards are in monitor/dashboards/ of the repository: run this command in a checkout")
    maps = []
    for file in sorted((REPOSITORY / "monitor" / "dashboards").glob("*.json")):
        labels = {"app.kubernetes.io/name": "learnae", "grafana_dashboard": "1"}
        metadata = {"name": f"learnae-dashboard-{file.stem}", "labels": labels}
        data = {file.name: file.read_text(encoding="utf-8")}
        maps.append({"apiVersion": "v1", "kind": "ConfigMap", "metadata": metadata, "data": data})
    print(as_yaml(maps), end="")
    return 0


@app.command()
def down(context: Context = None, namespace: Namespace = None, release: Release = None) -> int:
    """Remove everything of this checkout's swarm, also after a crash, and put drained nodes back into service.

    Of a release of the Helm chart, only pods and volumes are removed.
    """
    from learnae.backends.base import ClusterOptions
    from learnae.backends.kubernetes.backend import FOLDER
    from learnae.backends.kubernetes.cluster import Cluster
    from learnae.backends.kubernetes.installation import empty_release
    from learnae.backends.kubernetes.nodes import Nodes
    from learnae.backends.pods.plan import JOIN_FILES, checkout_name
    from learnae.checkout import REPOSITORY
    from learnae.cli.run_session import ask_for_patience, handled

    cluster = Cluster(ClusterOptions(context, namespace, release=release), release or checkout_name(REPOSITORY))
    with handled(ask_for_patience, signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        try:
            Nodes(cluster).restore_all()
        finally:
            removed = empty_release(cluster) if release else cluster.remove()
            shutil.rmtree(FOLDER / JOIN_FILES, ignore_errors=True)  # of a session that was killed
    say(f"Removed {removed} objects from {cluster.context}." if removed else "There was nothing to remove.")
    return 0


@app.command()
def status(context: Context = None, namespace: Namespace = None, json: Json = False) -> int:
    """List the pods and their states."""
    from learnae.backends.base import ClusterOptions
    from learnae.backends.kubernetes.cluster import Cluster
    from learnae.backends.pods.plan import checkout_name
    from learnae.checkout import REPOSITORY

    pods = Cluster(ClusterOptions(context, namespace), checkout_name(REPOSITORY)).pods()
    if json:
        print_document([{**asdict(pod), "running": sorted(pod.running)} for pod in pods])
        return 0
    for pod in pods:
        ended = "" if pod.ended is None else f"ended with exit code {pod.ended}"
        say(f"{pod.name:<32} {pod.problem or ended or ' '.join(sorted(pod.running)) or 'starting'}")
    if not pods:
        say("No swarm of this checkout is on the cluster.")
    return 0
