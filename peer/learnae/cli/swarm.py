"""`learnae swarm`."""

from typing import Annotated

import typer

from learnae.cli.arguments import (
    BackendOption,
    Context,
    Images,
    Json,
    Namespace,
    Out,
    Peers,
    Release,
    Seed,
    SessionFile,
    Settings,
    StorageClass,
    Threads,
)
from learnae.cli.output import print_json, print_outcome, say
from learnae.errors import InputError


def swarm(
    session: SessionFile,
    peers: Peers = None,
    seed: Seed = None,
    set: Settings = None,
    backend: BackendOption = None,
    keep: Annotated[
        bool, typer.Option("--keep", help="Keep the page running after the session, until Ctrl-C.")
    ] = False,
    port: Annotated[
        int, typer.Option(min=0, max=65535, help="Port of the page; a free one is taken if it is in use.")
    ] = 8700,
    out: Out = None,
    threads: Threads = None,
    remote_peers: Annotated[
        int, typer.Option(min=0, help="Number of additional peers on other machines; see `learnae invite`.")
    ] = 0,
    publish: Annotated[
        str | None, typer.Option(metavar="ADDRESS", help="Address of this machine at which remote peers reach it.")
    ] = None,
    context: Context = None,
    namespace: Namespace = None,
    images: Images = None,
    storage_class: StorageClass = None,
    release: Release = None,
    json: Json = False,
    guests: Annotated[int | None, typer.Option(hidden=True)] = None,
) -> int:
    """Run a session with live peers and a page to watch it; then check it, draw it and write its report."""
    from learnae.backends.base import ClusterOptions, RunOptions
    from learnae.backends.registry import choose
    from learnae.cli.run_session import run_session
    from learnae.runs.sessions import load_session
    from learnae.session.assignments import overrides

    if guests is not None:
        raise InputError("--guests (make: GUESTS=) is now called --remote-peers (make: REMOTE_PEERS=)")
    cluster = ClusterOptions(context, namespace, images, storage_class, release)
    options = RunOptions(out, port, keep, threads, remote_peers, publish, baselines=True, cluster=cluster)
    chosen = overrides(set or [], peers=peers, seed=seed)
    settings = load_session(session, chosen)
    if remote_peers:
        settings = load_session(session, chosen | {"peers": settings.peers + remote_peers})
    runner, reason = choose(backend, settings, options, say)
    return run_session(runner, reason, options, print_json if json else print_outcome)
