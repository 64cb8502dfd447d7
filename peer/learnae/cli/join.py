"""What ``learnae invite`` and ``learnae join`` do."""

import asyncio
import signal
from pathlib import Path

from learnae.adapters.kubo_process import found
from learnae.backends.compose.remote_peers import INVITATIONS
from learnae.backends.compose.render import FOLDER
from learnae.backends.live_run import JOURNALS
from learnae.backends.remote_peers.join_file import JoinFile
from learnae.backends.remote_peers.remote_peer import RemotePeer
from learnae.cli.commands import say
from learnae.cli.peer import CODES
from learnae.cli.standing import told
from learnae.errors import InputError
from learnae.records.outcome import EndedBy


def invite(name: str | None, out: Path | None) -> int:
    """``name``: the first guest, if it is not given."""
    invitations = {path.stem: path for path in sorted((FOLDER / INVITATIONS).glob("*.json"))}
    if not invitations:
        raise InputError("no swarm of this checkout waits for guests: start one with make swarm N=4 GUESTS=1")
    chosen = next(iter(invitations)) if name is None else name
    if chosen not in invitations:
        raise InputError(f"{chosen} is no guest of this swarm: invite {' or '.join(invitations)}")
    invitation = JoinFile.read(invitations[chosen])
    path = out or Path(f"{chosen}.join.json")
    invitation.write(path)
    say(f"{path} holds the keys of {chosen}: give it to nobody but whom you invite. There: learnae join {path.name}")
    return 0


def join(file: Path, binary: Path | None, folder: Path | None) -> int:
    invitation, program = JoinFile.read(file), found(binary)
    guest = RemotePeer(invitation, folder or Path(f"{invitation.name}-{invitation.roster.began:.0f}"))
    say(f"Joining as {invitation.name}, in {guest.folder}; Ctrl-C leaves, the same command goes on.")
    ended_by = asyncio.run(_lived(guest, program))
    say(f"{invitation.name} has left (ended by: {ended_by}).")
    if guest.journal.exists():
        asyncio.run(_hand_in(guest))
    return CODES[ended_by]


async def _lived(guest: RemotePeer, program: str) -> EndedBy:
    for number in (signal.SIGTERM, signal.SIGINT):
        asyncio.get_running_loop().add_signal_handler(number, guest.inside.stop)
    async with told(guest.inside.board, 1):
        return await guest.live(program)


async def _hand_in(guest: RemotePeer) -> None:
    try:
        await guest.hand_in()
        say("Its journal is handed in.")
    except InputError as error:
        say(
            f"Its journal was not taken ({error}). It is {guest.journal}: whoever invited copies it to {JOURNALS}/ of "
            "the run directory, and judges with learnae audit RUN."
        )
