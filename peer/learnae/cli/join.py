"""`learnae join`."""

import asyncio
import signal
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from learnae.cli.output import console, say
from learnae.errors import InputError
from learnae.plugins import add
from learnae.records.outcome import EndedBy
from learnae.session.plugin_files import require_plugins

if TYPE_CHECKING:
    from learnae.backends.remote_peers.remote_peer import RemotePeer


def join(
    file: Annotated[Path, typer.Argument(metavar="FILE", help="Join file, written by `learnae invite`.")],
    kubo_binary: Annotated[Path | None, typer.Option(help="Kubo's binary (default: that of `make tools`).")] = None,
    folder: Annotated[
        Path | None, typer.Option(help="Folder for node and journal; give the same folder to resume.")
    ] = None,
    run_plugins: Annotated[
        bool, typer.Option("--run-plugins", help="Execute the plug-ins in the join file; read them first.")
    ] = False,
) -> int:
    """Take part in a swarm on another machine until the session ends, then send the journal to it."""
    from learnae.adapters.kubo.process import find_kubo
    from learnae.backends.remote_peers.join_file import JoinFile
    from learnae.backends.remote_peers.remote_peer import RemotePeer
    from learnae.cli.peer import EXIT_CODES

    join_file, program = JoinFile.read(file), find_kubo(kubo_binary)
    peer = RemotePeer(join_file, folder or Path(f"{join_file.name}-{join_file.roster.zero.unix:.0f}"))
    add(join_file.sources if run_plugins else ())
    require_plugins(join_file.settings)
    peer.try_plugins()
    say(f"Joining as {join_file.name}, in {peer.folder}. Press Ctrl-C to leave; the same command resumes.")
    if payout := peer.service.member.payout:
        say(f"Its income goes to {payout} (groups.payout).")
    ended_by = asyncio.run(_run(peer, program))
    say(f"{join_file.name} has left ({ended_by}).")
    if peer.journal.exists():
        asyncio.run(hand_in(peer))
    return EXIT_CODES[ended_by]


async def _run(peer: "RemotePeer", program: str) -> EndedBy:
    from learnae.cli.progress import Progress, follow, shown

    for number in (signal.SIGTERM, signal.SIGINT):
        asyncio.get_running_loop().add_signal_handler(number, peer.service.stop)
    progress = Progress(1)
    following = asyncio.create_task(follow(progress, peer.service.log))
    try:
        async with shown(progress, console):
            return await peer.run(program)
    finally:
        following.cancel()


async def hand_in(peer: "RemotePeer") -> None:
    """Send the journal to the inviting host, or explain how to deliver it."""
    from learnae.backends.live_run import JOURNALS

    try:
        await peer.hand_in()
        say("The journal is handed in.")
    except InputError as error:
        say(
            f"The journal was not accepted ({error}). Send {peer.journal} to the host, who copies it to {JOURNALS}/ "
            "of the run directory and runs learnae audit RUN --seal."
        )
