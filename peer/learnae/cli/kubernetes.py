"""`learnae kubernetes`: the pods of a swarm on a cluster."""

from typing import Annotated

import typer

from learnae.cli.arguments import Peers, SessionFile

app = typer.Typer(help="Manage a swarm on a Kubernetes cluster.", no_args_is_help=True)

ImagesOption = Annotated[
    str | None,
    typer.Option(metavar="PREFIX[:TAG]", help="Images <PREFIX>-peer:<TAG> etc. (default: those of `make images`)."),
]
StorageClass = Annotated[
    str | None, typer.Option(help="StorageClass of the pods' volumes (default: the cluster's own).")
]


@app.callback()
def kubernetes() -> None:
    """Without this, an app of one command would have no command names."""


@app.command()
def render(
    session: SessionFile, peers: Peers = None, images: ImagesOption = None, storage_class: StorageClass = None
) -> int:
    """Print the manifests of a session, for `kubectl apply -f -`.  Nothing is written or started."""
    from learnae.backends.kubernetes.plan import refuse_what_is_missing
    from learnae.backends.kubernetes.rendering import plan_for, rendered
    from learnae.session.session_file import load

    settings = load(session, {"peers": peers})
    refuse_what_is_missing(settings)
    print(rendered(plan_for(settings, images, storage_class)), end="")
    return 0
