"""`learnae simulate`."""

from typing import Annotated

import typer

from learnae.cli.arguments import Json, Out, Peers, Seed, SessionFile, Settings, Threads
from learnae.cli.output import print_json, print_outcome, say


def simulate(
    session: SessionFile,
    peers: Peers = None,
    seed: Seed = None,
    set: Settings = None,
    out: Out = None,
    threads: Threads = None,
    baselines: Annotated[
        bool, typer.Option("--baselines", help="Compare with the same peers alone, always averaging, and pooled.")
    ] = False,
    json: Json = False,
) -> int:
    """Run a session in virtual time; then check it, draw it and write its report."""
    from learnae.backends.base import RunOptions
    from learnae.backends.registry import BackendChoice, choose
    from learnae.cli.run_session import run_session
    from learnae.runs.sessions import load_session
    from learnae.session.assignments import overrides

    options = RunOptions(out, threads=threads, baselines=baselines)
    settings = load_session(session, overrides(set or [], peers=peers, seed=seed))
    backend, _ = choose(BackendChoice.SIM, settings, options, say)
    return run_session(backend, "virtual time", options, print_json if json else print_outcome)
