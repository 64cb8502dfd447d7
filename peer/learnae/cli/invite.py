"""`learnae invite`."""

from pathlib import Path
from typing import Annotated

import typer

from learnae.errors import InputError


def invite(
    name: Annotated[
        str | None, typer.Argument(help="Remote peer of the running swarm (default: the first one).")
    ] = None,
    out: Annotated[Path | None, typer.Option(help="File to write (default: NAME.join.json).")] = None,
) -> int:
    """Write a join file for a peer on another machine. The file contains that peer's keys."""
    from learnae.backends.compose.remote_peers import INVITATIONS
    from learnae.backends.compose.render import FOLDER
    from learnae.backends.remote_peers.join_file import JoinFile
    from learnae.cli.commands import say

    invitations = {path.stem: path for path in sorted((FOLDER / INVITATIONS).glob("*.json"))}
    if not invitations:
        raise InputError("no swarm of this checkout waits for guests: start one with make swarm N=4 GUESTS=1")
    chosen = next(iter(invitations)) if name is None else name
    if chosen not in invitations:
        raise InputError(f"{chosen} is no guest of this swarm: invite {' or '.join(invitations)}")
    path = out or Path(f"{chosen}.join.json")
    JoinFile.read(invitations[chosen]).write(path)
    say(f"{path} contains the keys of {chosen}: give it only to whom you invite. There, run: learnae join {path.name}")
    return 0
