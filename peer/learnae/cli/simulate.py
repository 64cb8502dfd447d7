"""`learnae simulate`."""

from typing import Annotated

import typer

from learnae.cli.arguments import Out, Peers, Seed, SessionFile, Threads
from learnae.cli.output import print_outcome, say


def simulate(
    session: SessionFile,
    peers: Peers = None,
    seed: Seed = None,
    out: Out = None,
    threads: Threads = None,
    baselines: Annotated[
        bool, typer.Option("--baselines", help="Compare with the same peers alone, always averaging, and pooled.")
    ] = False,
) -> int:
    """Run a session in virtual time; then check it, draw it and write its report."""
    from learnae.backends.base import RunOptions
    from learnae.backends.registry import BackendChoice, choose
    from learnae.cli.run_session import run_session
    from learnae.runs.sessions import load_session

    options = RunOptions(out, threads=threads, baselines=baselines)
    backend, _ = choose(BackendChoice.SIM, load_session(session, {"peers": peers, "seed": seed}), options, say)
    return run_session(backend, "virtual time", options, print_outcome)
