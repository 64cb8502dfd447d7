"""`learnae invite`."""

from pathlib import Path
from typing import Annotated

import typer

from learnae.cli.output import say
from learnae.errors import InputError


def invite(
    name: Annotated[
        str | None, typer.Argument(help="Remote peer of the running swarm (default: the first one).")
    ] = None,
    out: Annotated[Path | None, typer.Option(help="File to write (default: NAME.join.json).")] = None,
) -> int:
    """Write a join file for a peer on another machine. The file contains that peer's keys."""
    from learnae.backends.compose.render import FOLDER as CONTAINERS
    from learnae.backends.kubernetes.backend import FOLDER as KUBERNETES
    from learnae.backends.pods.plan import JOIN_FILES
    from learnae.backends.remote_peers.join_file import JoinFile

    folders = (KUBERNETES / JOIN_FILES, CONTAINERS / JOIN_FILES)
    files = {path.stem: path for folder in folders for path in sorted(folder.glob("*.json"))}
    if not files:
        raise InputError("no swarm of this checkout has remote peers: start one with make swarm N=4 REMOTE_PEERS=1")
    chosen = next(iter(files)) if name is None else name
    if chosen not in files:
        raise InputError(f"{chosen} is no remote peer of this swarm: give {' or '.join(files)}")
    if len(found := [path for folder in folders if (path := folder / f"{chosen}.json").exists()]) > 1:
        raise InputError(f"two swarms have a remote peer {chosen}: use {' or '.join(map(str, found))} as its join file")
    path = out or Path(f"{chosen}.join.json")
    JoinFile.read(files[chosen]).write(path)
    say(f"Wrote {path}. It contains the keys of {chosen}: give it only to the person who runs that peer.")
    say(f"On the other machine: learnae join {path.name}")
    return 0
